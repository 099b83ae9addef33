// @ts-check
// Is an owner until it gets a message. Without a channel to its parent it prints its token, and lives on.
import { Owners } from '../../dist/core/owners.js';
import { args, receive, send } from './child.js';

const owners = new Owners(args[0] ?? '');
const token = owners.token();
if (process.send === undefined) {
  process.stdout.write(`${token}\n`);
  // It holds what would be closed if it were collected as garbage.
  setInterval(() => owners.token(), 1_000_000);
} else {
  send(token);
  await receive();
  owners.close();
  send('closed');
}
