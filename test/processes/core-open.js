// @ts-check
// Opens one directory after the other, each when it is told to, and stores its number there.
import { Index, open } from 'holdfast';
import { processNumber, receive, send } from './child.js';

send('ready');
for (let task = await receive(); task !== 'end'; task = await receive()) {
  const store = open(task.directory, { busyTimeout: '20s' });
  const openers = new Index(store, 'openers');
  openers.set(task.key ?? processNumber, process.pid);
  send({ entries: openers.size });
  if (task.keep) await receive();
  store.close();
  send('ready');
}
