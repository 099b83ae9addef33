// @ts-check
// Does what the test asks for, with what gives out grants: see `Agent` in test/sync/helpers.ts.
import { BoundedSemaphore, Election, Index, Lock, ReadWriteLock, RLock } from 'holdfast';
import { args, openStore, receive, send } from './child.js';

const [location] = args;
const store = await openStore(location);
/** @type {Map<number, any>} */
const grants = new Map();
/** @type {Map<string, any>} */
const parts = new Map();
/** @type {Map<number, AbortController>} */
const calls = new Map();

/** @param {{ kind: string, name: string, options?: object }} command */
function part({ kind, name, options }) {
  const key = `${kind} ${name} ${JSON.stringify(options)}`;
  const made = parts.get(key) ?? make(kind, name, options);
  parts.set(key, made);
  if (kind === 'read') return made.read();
  return kind === 'write' ? made.write() : made;
}

/** @param {string} kind @param {string} name @param {object | undefined} options @returns {any} */
function make(kind, name, options) {
  if (kind === 'Lock') return new Lock(store, name, options);
  if (kind === 'RLock') return new RLock(store, name, options);
  if (kind === 'BoundedSemaphore') return new BoundedSemaphore(store, name, options);
  if (kind === 'Election') return new Election(store, name, options);
  return new ReadWriteLock(store, name, options);
}

/** @param {number} id @param {any} grant */
function kept(id, grant) {
  if (grant === undefined) return undefined;
  grants.set(id, grant);
  return { id, fence: grant.fence };
}

/** @type {Record<string, (command: any) => unknown>} */
const commands = {
  tryAcquire: async (command) => kept(command.id, await part(command).tryAcquire(command.asked)),
  acquire: async (command) => {
    const controller = new AbortController();
    calls.set(command.id, controller);
    const asked = { ...command.asked, signal: controller.signal };
    const giver = part(command);
    return kept(
      command.id,
      await (command.kind === 'Election' ? giver.campaign(asked) : giver.acquire(asked)),
    );
  },
  abort: ({ of }) => calls.get(of)?.abort(new Error('aborted by the test')),
  release: async ({ of }) => grants.get(of).release(),
  listen: ({ of }) => grants.get(of).signal.aborted,
  lost: ({ of }) =>
    new Promise((resolve) => {
      const { signal } = grants.get(of);
      if (signal.aborted) resolve(signal.reason.code);
      signal.addEventListener('abort', () => resolve(signal.reason.code));
    }),
  guarded: async ({ of, key }) => {
    /** @type {import('holdfast').AsyncIndex<string, boolean>} */
    const index = new Index(store, 'guarded');
    if (/** @type {string} */ (store.kind) === 'server')
      await store.transaction(async () => {
        await grants.get(of).guard();
        await index.set(key, true);
      });
    else
      store.transaction(() => {
        grants.get(of).guard();
        void index.set(key, true);
      });
  },
  /** Blocks the event loop, and at its end tells at once what is known of a grant, before any timer could run. */
  block: async ({ of, ms }) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    const { aborted } = of === undefined ? { aborted: undefined } : grants.get(of).signal;
    return aborted;
  },
  close: () => store.close(),
};

send({ ready: true });
for (;;) {
  const command = await receive();
  // In an asynchronous context of its own, or all would be inside what the first has acquired.
  setImmediate(async () => {
    try {
      send({ id: command.id, value: await commands[command.method]?.(command) });
    } catch (error) {
      const { code, name, message } = /** @type {any} */ (error);
      send({ id: command.id, error: code ?? name, message });
    }
  });
}
