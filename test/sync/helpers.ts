import { EventEmitter, once } from 'node:events';
import {
  BoundedSemaphore,
  Lock,
  ReadWriteLock,
  RLock,
  type Acquirer,
  type AsyncGrant,
  type AsyncStore,
  type GrantingOptions,
} from '../../src/index.js';
import { rawConnection, until, waiting, type Raw } from '../structures/helpers.js';
import { startProcess, type TestProcess } from '../support/processes.js';
import type { Engine } from '../support/stores.js';

/** What gives out grants, as far as all of them are alike. */
export type Giver = Pick<
  Acquirer<'server', AsyncGrant>,
  'tryAcquire' | 'acquire' | 'use' | 'wrap' | 'holders' | 'waiters' | 'forceRelease'
>;

/** What gives a grant to one at a time. */
export const exclusive: Record<
  string,
  (store: AsyncStore, name?: string, options?: GrantingOptions) => Giver
> = {
  Lock: (store, name = 'it', options) => new Lock(store, name, options),
  RLock: (store, name = 'it', options) => new RLock(store, name, options),
  'ReadWriteLock.write': (store, name = 'it', options) => new ReadWriteLock(store, name, options).write(),
  BoundedSemaphore: (store, name = 'it', options) =>
    new BoundedSemaphore(store, name, { ...options, permits: 1 }),
};

/** All of them, with those that many hold at a time. */
export const givers: typeof exclusive = {
  ...exclusive,
  'ReadWriteLock.read': (store, name = 'it', options) => new ReadWriteLock(store, name, options).read(),
};

/** Runs `work` such that what it acquires is no business of the caller's context, as another request to the same process would. */
export function apart<T>(work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    setImmediate(() => void work().then(resolve, reject));
  });
}

const later: (() => unknown)[] = [];
// Begun here, outside of every asynchronous context that holds something.
setInterval(() => setImmediate(() => later.shift()?.()), 1).unref();

/** Runs `work` a little later, outside of all that its caller holds, and of what its caller is inside of. */
export const outside = (work: () => unknown): void => void later.push(work);

/** Waits until so many stand in the lines of a store. */
export async function untilWaiting(raw: Raw, many: number): Promise<void> {
  await until(async () => (await waiting(raw)) === many, `there should be ${many} who wait`);
}

/** A store, a second one on the same data, and a connection behind the back of both. */
export async function twoStores(engine: Engine) {
  const store = await engine.open();
  return { store, other: await engine.reopen(store), raw: await rawConnection(engine, store) };
}

/** Which part of which name an agent is to use. */
export interface PartRef {
  readonly kind: 'Lock' | 'RLock' | 'BoundedSemaphore' | 'Election' | 'read' | 'write';
  readonly name: string;
  readonly options?: object;
}

/** What an agent was granted. */
export interface Granted {
  readonly id: number;
  readonly fence: bigint;
}

/** A call that waits in another process. */
export interface Call {
  readonly id: number;
  readonly granted: Promise<Granted>;
}

type Reply = {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
  readonly message?: string;
};

/** Another process, which takes and gives back what the test tells it to: `test/processes/sync-agent.js`. */
export class Agent {
  readonly process: TestProcess;
  readonly #replies = new Map<number, Reply>();
  readonly #news = new EventEmitter<{ news: [] }>();
  #ended = false;
  #last = 0;

  private constructor(process: TestProcess) {
    this.process = process;
    this.#news.setMaxListeners(0);
    void this.#read();
  }

  static async start(engine: Engine, store: AsyncStore): Promise<Agent> {
    const process = startProcess('sync-agent.js', engine.location(store));
    await process.nextMessage();
    return new Agent(process);
  }

  async tryAcquire(part: PartRef, asked?: object): Promise<Granted | undefined> {
    return (await this.#ask('tryAcquire', { ...part, asked }).answer) as Granted | undefined;
  }

  acquire(part: PartRef, asked?: object): Call {
    const { id, answer } = this.#ask('acquire', { ...part, asked });
    const granted = answer as Promise<Granted>;
    // Whoever is not asked is not to end the run.
    granted.catch(() => undefined);
    return { id, granted };
  }

  async abort(call: Call): Promise<void> {
    await this.#ask('abort', { of: call.id }).answer;
  }

  async release(grant: Granted): Promise<boolean> {
    return (await this.#ask('release', { of: grant.id }).answer) as boolean;
  }

  /** Asks for a grant's signal; tells whether it is aborted. */
  async listen(grant: Granted): Promise<boolean> {
    return (await this.#ask('listen', { of: grant.id }).answer) as boolean;
  }

  /** Resolves with the code of what a grant's signal was aborted for. */
  async lost(grant: Granted): Promise<string> {
    return (await this.#ask('lost', { of: grant.id }).answer) as string;
  }

  /** Sets a key of the index `guarded` in a transaction that begins with `grant.guard()`. */
  async guarded(grant: Granted, key: string): Promise<void> {
    await this.#ask('guarded', { of: grant.id, key }).answer;
  }

  /** Blocks its event loop; then tells whether the grant's signal, asked for at once, is aborted. */
  async block(ms: number, grant?: Granted): Promise<boolean> {
    return (await this.#ask('block', { ms, of: grant?.id }).answer) as boolean;
  }

  async close(): Promise<void> {
    await this.#ask('close', {}).answer;
  }

  #ask(method: string, command: object): { readonly id: number; readonly answer: Promise<unknown> } {
    const id = ++this.#last;
    void this.process.send({ id, method, ...command });
    return { id, answer: this.#answer(id) };
  }

  async #answer(id: number): Promise<unknown> {
    for (;;) {
      const reply = this.#replies.get(id);
      if (reply?.error !== undefined) throw Object.assign(new Error(reply.message), { code: reply.error });
      if (reply !== undefined) return reply.value;
      if (this.#ended) throw new Error('the agent has ended');
      await once(this.#news, 'news');
    }
  }

  async #read(): Promise<void> {
    for await (const reply of this.process.messages<Reply>()) {
      this.#replies.set(reply.id, reply);
      this.#news.emit('news');
    }
    this.#ended = true;
    this.#news.emit('news');
  }
}
