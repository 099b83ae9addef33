// @ts-check
// Makes one call of each message it gets, and sends what came of it: its process must outlive lost connections.
import { setTimeout as sleep } from 'node:timers/promises';
import { Deque, Index } from 'holdfast';
import { args, openStore, receive, send } from '../processes/child.js';

const store = await openStore(args[0]);
const index = new Index(store, 'i');
const deque = new Deque(store, 'd');

/** @type {Record<string, () => unknown>} */
const calls = {
  get: () => index.get('a'),
  set: () => index.set('a', 1),
  push: () => deque.push('pushed'),
  take: () => deque.take({ timeout: '20s' }),
  // The process is stopped between two statements.
  stopped: () =>
    index.update('a', () => {
      process.kill(process.pid, 'SIGSTOP');
      return -1;
    }),
  // The connection is lost while nothing is asked.
  idle: () =>
    store.transaction(async () => {
      await index.set('a', 'lost');
      send('inside');
      await receive();
      await sleep(200);
    }),
  asking: () =>
    store.transaction(async () => {
      await index.set('a', 'lost');
      send('inside');
      await receive();
      await sleep(200);
      return index.get('a');
    }),
  swallowing: () =>
    store.transaction(async () => {
      await index.set('a', 'lost');
      send('inside');
      await receive();
      await sleep(200);
      try {
        await index.get('a');
      } catch {
        return 'swallowed';
      }
      return 'not noticed';
    }),
  nested: () =>
    store.transaction(async () =>
      store.transaction(async () => {
        await index.set('a', 'lost');
        send('inside');
        await receive();
        await sleep(200);
        await index.set('a', 'lost again');
      }),
    ),
};

for (;;) {
  const call = await receive();
  if (call === 'end') break;
  try {
    send({ value: await calls[call]?.() });
  } catch (error) {
    const { name, code, message } = /** @type {import('holdfast').HoldfastError} */ (error);
    send({ error: code ?? `${name}: ${message}` });
  }
}
await store.close();
send('closed');
