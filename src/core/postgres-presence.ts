import { hostname } from 'node:os';
import { randomBytes } from 'node:crypto';
import { threadId } from 'node:worker_threads';
import { catalog } from './catalog.js';
import { HoldfastError, driverCode, translating } from './errors.js';
import { attended, Listeners, type Listener, type Listening } from './listeners.js';
import { outside } from './outside.js';
import { conflicts } from './postgres-sessions.js';
import { type PgClient, type OpenPool, type Queries } from './postgres-driver.js';

/** Behind the notifications stands a slow poll, in milliseconds: for a connection that was lost unnoticed, and for the dead. */
const pollInterval = 500;
const mostTries = 20;

/**
 * This store among the owners of a schema: a connection of its own, on which it is rung, and on which it holds an advisory lock for
 * as long as it lives: the server lets go of the lock when the connection ends.
 */
export class Presence {
  readonly #pool: OpenPool;
  readonly #queries: Queries;
  readonly #schema: string;
  readonly #where: string;
  /** Those who wait. */
  readonly listeners: Listeners = new Listeners();
  readonly #overhearers = new Set<(rung: boolean) => void>();
  #connecting: Promise<number> | undefined;
  #client: PgClient | undefined;
  #number: number | undefined;
  #poll: NodeJS.Timeout | undefined;

  constructor(pool: OpenPool, queries: Queries, schema: string, where: string) {
    this.#pool = pool;
    this.#queries = queries;
    this.#schema = schema;
    this.#where = where;
  }

  /** This store's number among the owners; connects at first use, and again after the connection was lost. */
  id(): Promise<number> {
    if (this.#connecting === undefined) {
      const connecting = outside(() => this.#connect());
      this.#connecting = connecting;
      connecting.catch(() => {
        if (this.#connecting === connecting) this.#connecting = undefined;
      });
    }
    return this.#connecting;
  }

  /** This store's number among the owners, without waiting for a connection, which a transaction might do for ever. */
  get known(): number {
    if (this.#client !== undefined && this.#number !== undefined) return this.#number;
    throw new HoldfastError(
      'ERR_CONNECTION',
      `${this.#where}: the connection to the server was lost; try again`,
    );
  }

  /** This store's number, as far as it has one now. */
  get number(): number | undefined {
    return this.#client === undefined ? undefined : this.#number;
  }

  /** Calls `listener` when this store is rung (`true`), or at a slow poll (`false`). */
  async listen(line: object, listener: Listener): Promise<Listening> {
    await this.#check();
    await this.id();
    const listening = this.listeners.add(line, listener);
    this.#attend();
    return attended(listening, () => this.#attend());
  }

  /** Calls `listener` at each ring and each poll, without keeping the process alive, until the function that is returned is called. */
  overhear(listener: (rung: boolean) => void): () => void {
    this.#overhearers.add(listener);
    this.#attend();
    return () => {
      this.#overhearers.delete(listener);
      this.#attend();
    };
  }

  /** Gives up this store's place among the owners, and all its places in lines. */
  async close(): Promise<void> {
    this.listeners.clear();
    this.#overhearers.clear();
    this.#attend();
    const id = await this.#connecting?.catch(() => undefined);
    const client = this.#client;
    this.#client = undefined;
    this.#connecting = undefined;
    if (client === undefined || id === undefined) return;
    try {
      await client.query(this.#queries.of(catalog.leave, [id, channel(this.#schema, '')]));
    } catch {
      // The connection is lost: whoever waits will find this owner dead.
    } finally {
      // Destroyed, since it holds the lock and listens.
      this.#pool.release(client, true);
    }
  }

  /** Gives up the connection, and so all places in lines: those who wait join again. For when it is unknown which places there are. */
  renew(): void {
    if (this.#client !== undefined) this.#lost(this.#client);
  }

  #tick(): void {
    this.#check()
      .then(() => this.id())
      .catch(() => undefined);
    this.#tell(false);
  }

  /** A connection may be cut without a word; the server, and others after it, then take this store for dead. */
  async #check(): Promise<void> {
    const client = this.#client;
    const id = await this.#connecting;
    if (client === undefined || id === undefined) return;
    const { rows } = await translating(this.#where, () =>
      this.#pool.query(this.#queries.of(catalog.tokenOf, [id])),
    );
    if (rows.length === 0) this.#lost(client);
  }

  #tell(rung: boolean): void {
    this.listeners.tell(rung);
    for (const listener of [...this.#overhearers]) listener(rung);
  }

  #attend(): void {
    if (this.listeners.size + this.#overhearers.size === 0) {
      clearInterval(this.#poll);
      this.#poll = undefined;
      return;
    }
    this.#poll ??= outside(() => setInterval(() => this.#tick(), pollInterval * (0.8 + 0.4 * Math.random())));
    if (this.listeners.size > 0) this.#poll.ref();
    else this.#poll.unref();
  }

  async #connect(): Promise<number> {
    this.#pool.checkSpare();
    const client = await translating(this.#where, () => this.#pool.connect());
    try {
      const id = await translating(this.#where, () => this.#registerAgain(client));
      client.on('notification', () => {
        this.#tell(true);
      });
      this.#client = client;
      this.#number = id;
      this.#watchLoss(client);
      return id;
    } catch (error) {
      this.#pool.release(client, true);
      throw error;
    }
  }

  /** Burying the dead, it may get in the way of others who do. */
  async #registerAgain(client: PgClient): Promise<number> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#register(client);
      } catch (error) {
        if (tries >= mostTries || !conflicts.has(driverCode(error) ?? '')) throw error;
        await client.query(this.#queries.plain('ROLLBACK'));
      }
    }
  }

  /** In one transaction, so that nobody sees the owner before it holds the lock. */
  async #register(client: PgClient): Promise<number> {
    const ask = (sql: string) => client.query(this.#queries.plain(sql));
    await ask('BEGIN ISOLATION LEVEL READ COMMITTED');
    const token = randomBytes(10).toString('hex');
    await client.query(
      this.#queries.of(catalog.addOwner, [token, hostname(), process.pid, threadId, Date.now()]),
    );
    const { rows } = await client.query(this.#queries.of(catalog.ownerOf, [token]));
    const id = Number(rows[0]?.[0]);
    await client.query(this.#queries.of(catalog.lockOwn, [this.#schema, id]));
    await ask(`LISTEN "${channel(this.#schema, id)}"`);
    await client.query(this.#queries.of(catalog.removeDead, [id, this.#schema]));
    await ask('COMMIT');
    return id;
  }

  #watchLoss(client: PgClient): void {
    const lost = (): void => this.#lost(client);
    client.on('error', lost);
    client.on('end', lost);
  }

  #lost(client: PgClient): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#connecting = undefined;
    this.#pool.release(client, true);
    // Those who wait look, and join the line again under a new number, or are told that the server is gone.
    this.#tell(false);
  }
}

/** Where an owner is rung. */
export function channel(schema: string, owner: number | ''): string {
  return `holdfast_${schema}_${owner}`;
}
