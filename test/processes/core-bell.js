// @ts-check
// Answers each ring of its bell by ringing that of the test. With `blind` there is nothing that watches files.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { args, receive, send } from './child.js';

const [directory = '', own = '', other = '', blind] = args;
if (blind !== undefined) {
  fs.watch = () => {
    throw Object.assign(new Error('no watcher left'), { code: 'ENOSPC' });
  };
  syncBuiltinESMExports();
}
const { Bells } = await import('../../dist/core/bells.js');
const bells = new Bells(directory);
let rings = 0;
let polls = 0;
const listening = bells.listen(own, {}, (rung) => {
  if (!rung) {
    polls++;
    return;
  }
  rings++;
  bells.ring(other);
});
send('listening');
await receive();
listening.stop();
send({ rings, polls });
// Not closed: what stopped listening must not keep the process from ending.
