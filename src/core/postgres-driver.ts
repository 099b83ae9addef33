import { setTimeout as sleep } from 'node:timers/promises';
import { cancel } from './postgres-cancel.js';
import { tableNames } from './schema.js';
import { heard, unheard } from './signals.js';
import type { Statement, Value } from './statement.js';

/** A query as the `pg` driver takes it. */
export interface PgQuery {
  name?: string;
  text: string;
  values?: unknown[];
  rowMode: 'array';
  types?: { getTypeParser(oid: number, format?: string): (text: string) => unknown };
}

/** The part of a `pg` result this library uses. */
export interface PgResult {
  rows: unknown[][];
  rowCount: number | null;
  command: string;
}

/** The part of a `pg` client this library uses. */
export interface PgClient {
  query(query: PgQuery): Promise<PgResult>;
  release(destroy?: boolean | Error): void;
  on(event: 'notification' | 'error' | 'end', listener: () => void): unknown;
  removeListener(event: 'notification' | 'error' | 'end', listener: () => void): unknown;
}

/** The part of a `pg` pool this library uses: a `Pool` of the package `pg` is one. */
export interface PgPool {
  readonly options?: { readonly max?: number | undefined };
  connect(): Promise<PgClient>;
  end(): Promise<void>;
  on(event: 'error', listener: () => void): unknown;
  removeListener(event: 'error', listener: () => void): unknown;
}

const asBytes = (text: string): Uint8Array => Buffer.from(text.slice(2), 'hex');
const asText = (text: string): string => text;

/** By type: https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat */
const parsers = new Map<number, (text: string) => unknown>([
  [16, (text) => text === 't'],
  [17, asBytes],
  [20, Number], // bigint: what this library reads fits a double
  [21, Number],
  [23, Number],
  [701, Number],
]);

/** How columns are read: whatever a pool's user has set for the whole process. */
export const types = { getTypeParser: (oid: number) => parsers.get(oid) ?? asText };

/** Tables have plural names, columns singular ones: only tables are to be found in a schema. */
const tables = new RegExp(`\\b(${[...tableNames, 'migrations'].join('|')})\\b`, 'g');

/** A query that is prepared by its name. */
type Made = Pick<Required<PgQuery>, 'name' | 'text'>;

/** Statements as one schema's queries. */
export class Queries {
  readonly #schema: string;
  readonly #made: (Made | undefined)[] = [];
  readonly #madeForMany: (Made | undefined)[] = [];

  constructor(schema: string) {
    this.#schema = schema;
  }

  /** The query of a statement, prepared by name on each connection at first use. */
  of(statement: Statement, params: readonly Value[]): PgQuery {
    const made = (this.#made[statement.id] ??= this.#make(statement.postgres));
    return { ...made, values: [...params], rowMode: 'array', types };
  }

  /** The query of a statement for many rows of parameters: a column of them in each parameter. */
  ofMany(statement: Statement, rows: readonly (readonly Value[])[]): PgQuery {
    if (statement.many === undefined) throw new Error(`not for many rows: ${statement.postgres}`);
    const made = (this.#madeForMany[statement.id] ??= this.#make(statement.many));
    const columns = (rows[0] ?? []).map((_, i) => rows.map((row) => row[i] ?? null));
    return { ...made, values: columns, rowMode: 'array', types };
  }

  #make(sql: string): Made {
    const text = this.text(sql);
    return { name: `holdfast_${hash(text)}`, text };
  }

  /** A query that is sent as it is. */
  plain(sql: string): PgQuery {
    return { text: this.text(sql), rowMode: 'array', types };
  }

  /** SQL with the schema before each table. */
  text(sql: string): string {
    return sql.replace(tables, `"${this.#schema}".$1`);
  }
}

/** Prepared statements are known by name on a connection, which other copies of this library may share. FNV-1a, 64 bits. */
function hash(text: string): string {
  let value = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) value = BigInt.asUintN(64, (value ^ BigInt(byte)) * 0x100000001b3n);
  return value.toString(36);
}

/** A connection that is lost fails the call under way, and each later one. Without a listener it would end the process, too. */
const ignore = (): void => undefined;

/** How long what is under way when the store closes may take, and what is cancelled then, in milliseconds. */
const drainWithin = 1_000;

/**
 * A pool, for as long as its store is open: a call that still waits for a connection when the store closes is rejected; one that waits for the server is cancelled
 * if it takes too long.
 */
export class OpenPool {
  readonly #pool: PgPool;
  readonly #closing: AbortSignal;
  /** The connections in use. */
  readonly #used = new Set<PgClient>();
  #drained: (() => void) | undefined;
  #cancels = false;

  /** @param closing - Aborted when the store closes; its reason is what calls are rejected with. */
  constructor(pool: PgPool, closing: AbortSignal) {
    this.#pool = pool;
    this.#closing = closing;
  }

  /** @throws `RangeError` when there is no connection to spare for listening. */
  checkSpare(): void {
    const { max = Infinity } = this.#pool.options ?? {};
    if (max < 2)
      throw new RangeError(`to wait takes a pool of 2 connections or more, not ${max}: one listens`);
  }

  /** A connection, to be given back by {@link release}. */
  async connect(): Promise<PgClient> {
    const client = await this.#whileOpen(
      () => this.#pool.connect(),
      (late) => late.release(),
    );
    client.on('error', ignore);
    this.#used.add(client);
    return client;
  }

  /** Does nothing if it was released before. @param destroy - Whether the connection is of no more use. */
  release(client: PgClient, destroy = false): void {
    if (!this.#used.delete(client)) return;
    client.removeListener('error', ignore);
    // A cancel that comes late must not hit what somebody else asks on it.
    client.release(destroy || this.#cancels);
    if (this.#used.size === 0) this.#drained?.();
  }

  /** Asks on any connection. */
  async query(query: PgQuery): Promise<PgResult> {
    const client = await this.connect();
    let broken = true;
    try {
      const result = await client.query(query);
      broken = false;
      return result;
    } finally {
      this.release(client, broken);
    }
  }

  /** @throws {@link HoldfastError} `ERR_CLOSED` */
  check(): void {
    this.#closing.throwIfAborted();
  }

  /**
   * Resolves when no connection is in use any more. What is under way is given some time: it may wait for a lock that somebody holds for ever, or for a server that is
   * gone. Then it is cancelled, and after that cut off.
   */
  async drain(): Promise<void> {
    const drained = new Promise<void>((resolve) => (this.#drained = resolve));
    if (this.#used.size === 0) return;
    const within = (): Promise<void> =>
      Promise.race([drained, sleep(drainWithin, undefined, { ref: false })]);
    await within();
    this.#cancels = true;
    for (const client of this.#used) void cancel(client);
    if (this.#used.size > 0) await within();
    for (const client of this.#used) this.release(client, true);
  }

  /** A pool that is ended forgets those who wait for a connection: their promises stay pending for ever. */
  #whileOpen<T>(ask: () => Promise<T>, tooLate: (value: T) => void): Promise<T> {
    const closing = this.#closing;
    return new Promise<T>((resolve, reject) => {
      closing.throwIfAborted();
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the reason is an error of this library.
      const closed = (): void => reject(closing.reason);
      heard(closing, closed);
      ask()
        .finally(() => unheard(closing, closed))
        .then((value) => {
          if (closing.aborted) tooLate(value);
          else resolve(value);
        })
        // What the pool says when it is being closed is beside the point.
        .catch((error: unknown) => (closing.aborted ? closed() : reject(error as Error)));
    });
  }
}
