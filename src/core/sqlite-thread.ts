import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { HoldfastError, translated } from './errors.js';

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

/** A connection to a database in a thread of its own: for statements that take seconds. One call at a time. */
export class SqliteThread {
  readonly #worker: Worker;
  readonly #path: string;

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

  /** Ends the thread, and with it what is not committed: a call that is under way rejects with `ERR_CLOSED`. */
  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask(message: { readonly sql?: string; readonly asks: boolean }): Promise<unknown[][] | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown[][] | undefined>();
    const answered = ({ answer, code, message: text }: Reply): void => {
      if (text === undefined) resolve(answer);
      else reject(translated(Object.assign(new Error(text), { code }), this.#path) as Error);
    };
    const ended = (): void =>
      reject(new HoldfastError('ERR_CLOSED', `${this.#path}: the store was closed meanwhile`));
    this.#worker.once('message', answered).once('error', reject).once('exit', ended);
    this.#worker.postMessage(message);
    return promise.finally(() => {
      this.#worker.off('message', answered).off('error', reject).off('exit', ended);
    });
  }
}
