import { once } from 'node:events';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { HoldfastError, translated, type ErrorCode } from './errors.js';

/** What the thread runs: a text, since no file has a name that is right both in the sources and in the built package. */
const program = `
const { parentPort, workerData: { driver, path } } = require('node:worker_threads');
const Database = require(driver);
let db;
parentPort.on('message', ({ sql, asks }) => {
  try {
    db ??= new Database(path, { fileMustExist: true, timeout: 0 });
    const answer = asks ? db.prepare(sql).raw().all() : sql === undefined ? void db.close() : void db.exec(sql);
    parentPort.postMessage({ answer });
  } catch ({ code, message }) {
    parentPort.postMessage({ code, message });
  }
});
`;

interface Reply {
  readonly answer?: unknown[][];
  readonly code?: string;
  readonly message?: string;
}

const closed = (path: string): HoldfastError =>
  new HoldfastError('ERR_CLOSED', `${path}: the store was closed meanwhile`);

/** A connection to a database in a thread of its own: for statements that take seconds. One call at a time. */
export class SqliteThread {
  readonly #worker: Worker;
  readonly #path: string;
  #isEnded = false;
  #underWay: Promise<Reply> | undefined;

  constructor(path: string) {
    this.#path = path;
    const driver = createRequire(import.meta.url).resolve('better-sqlite3');
    this.#worker = new Worker(program, { eval: true, workerData: { driver, path }, execArgv: [] });
  }

  /** Runs SQL. @throws {@link HoldfastError} */
  async run(sql: string): Promise<void> {
    await this.#ask({ sql, asks: false });
  }

  /** Asks for rows. @throws {@link HoldfastError} */
  async all(sql: string): Promise<unknown[][]> {
    return (await this.#ask({ sql, asks: true })) ?? [];
  }

  /** Closes the connection. */
  async close(): Promise<void> {
    await this.#ask({ asks: false });
  }

  /** Ends the thread behind what it is doing, and with it what is not committed: later calls reject with `ERR_CLOSED`. */
  async end(): Promise<void> {
    this.#isEnded = true;
    // A statement can't be interrupted; and one that failed while the thread ends would end the process: the driver can make no error then.
    await this.#underWay?.catch(() => undefined);
    await this.#worker.terminate();
  }

  async #ask(message: { readonly sql?: string; readonly asks: boolean }): Promise<unknown[][] | undefined> {
    // Nobody would answer, nor tell that it has ended.
    if (this.#isEnded) throw closed(this.#path);
    this.#underWay = this.#reply(message);
    const reply = await this.#underWay;
    if (reply.message === undefined) return reply.answer;
    throw translated(Object.assign(new Error(reply.message), { code: reply.code }), this.#path);
  }

  async #reply(message: { readonly sql?: string; readonly asks: boolean }): Promise<Reply> {
    const worker = this.#worker;
    worker.postMessage(message);
    // It could not begin, say.
    const ended = new AbortController();
    const [reply] = await Promise.race([
      once(worker, 'message', { signal: ended.signal }) as Promise<[Reply]>,
      once(worker, 'exit', { signal: ended.signal }).then((): [Reply] => {
        throw closed(this.#path);
      }),
    ]).finally(() => ended.abort());
    return reply;
  }
}

/** Whether it is done; `false` where it fails with `code`. */
export async function unless(code: ErrorCode, work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (error instanceof HoldfastError && error.code === code) return false;
    throw error;
  }
}
