// @ts-check
// Tries what it is told as a user without rights; sends what came of it.
import { Index, open } from 'holdfast';
import { args, send } from './child.js';

const [directory = '', options = '{}', action = 'read', umask] = args;
if (umask !== undefined) process.umask(Number(umask));
if (process.getuid?.() === 0) {
  process.setgroups?.([]);
  process.setgid?.(65534);
  process.setuid?.(65534);
}
try {
  const store = open(directory, JSON.parse(options));
  const index = new Index(store, 'pairs');
  if (action === 'write') index.set('key', 'new');
  send({ value: index.get('key') });
  store.close();
} catch (error) {
  const { name, code, message } = /** @type {import('holdfast').HoldfastError} */ (error);
  send({ name, code, message });
}
