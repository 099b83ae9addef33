import { hostname } from 'node:os';
import { threadId } from 'node:worker_threads';
import { Bells } from './bells.js';
import { catalog } from './catalog.js';
import type { Clock } from './clock.js';
import { HoldfastError } from './errors.js';
import type { Listener, Listeners, Listening } from './listeners.js';
import { Owners } from './owners.js';
import type { EmbeddedEngine } from './sqlite.js';
import { bury } from './waiting.js';

/** How often at most an owner that is rung is asked whether it lives, in milliseconds. */
const probeInterval = 100;

/** Another owner, as far as it is known here. */
interface Known {
  readonly token: string;
  /** When it was last asked whether it lives. */
  probedAt: number;
}

/** This store among the owners of a directory: its row, its bell, and what it knows of the others. */
export class EmbeddedPresence {
  readonly #engine: EmbeddedEngine;
  readonly #clock: Clock;
  readonly #bells: Bells;
  readonly #owners: Owners;
  readonly #known = new Map<number, Known>();
  #id: number | undefined;

  constructor(engine: EmbeddedEngine, directory: string, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
    this.#bells = new Bells(directory);
    this.#owners = new Owners(directory);
  }

  /** This store's number among the owners; registers it at first use, inside a transaction. */
  id(): number {
    if (this.#id !== undefined) return this.#id;
    const token = this.#owners.token();
    this.#buryTheDead();
    this.#engine.run(catalog.addOwner, [token, hostname(), process.pid, threadId, this.#clock.wall()]);
    const id = Number(this.#engine.get(catalog.ownerOf, [token])?.[0]);
    this.#id = id;
    this.#engine.transactions.afterRollback(() => (this.#id = undefined));
    return id;
  }

  /** This store's number, as far as it has one. */
  get known(): number | undefined {
    return this.#id;
  }

  /** This store's token, by which others see whether it lives. */
  token(): string {
    return this.#owners.token();
  }

  /** Those who listen for this store's bell. */
  get listeners(): Listeners {
    return this.#bells.listeners;
  }

  /** Calls `listener` when this store is rung (`true`), or at a slow poll (`false`). */
  listen(line: object, listener: Listener): Listening {
    return this.#bells.listen(this.#token(), line, listener);
  }

  /** Calls `listener` at each ring and each poll, without keeping the process alive, until the function that is returned is called. */
  overhear(listener: (rung: boolean) => void): () => void {
    return this.#bells.overhear(this.#token(), listener);
  }

  /** Whether an owner lives; nothing is removed. */
  lives(token: string): boolean {
    return this.#owners.isAlive(token);
  }

  /** Removes the files of an owner, unless it lives; tells whether it was dead. */
  sweep(token: string): boolean {
    if (!this.#owners.sweep(token) && this.lives(token)) return false;
    this.#bells.forget(token);
    return true;
  }

  /** Whether an owner lives. The files of a dead one are removed: nobody needs them. */
  isAlive(token: string): boolean {
    const alive = this.#owners.isAlive(token);
    if (!alive) {
      this.#owners.forget(token);
      this.#bells.forget(token);
    }
    return alive;
  }

  /** After a commit: a failure to ring is no failure of what was committed; the poll of whoever waits stands behind it. */
  ring(owner: number): void {
    if (owner === this.#id) {
      this.#bells.ringOwn();
      return;
    }
    try {
      this.#ringOther(owner);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
    }
  }

  /** Gives up this store's place among the owners, and with it all that it holds, and its places in lines. */
  leave(): void {
    if (this.#id !== undefined) this.#bury(this.#id);
  }

  close(): void {
    this.#bells.close();
    this.#owners.close();
  }

  /** Where nothing can be written there is no bell to ring: the poll has to do. */
  #token(): string | undefined {
    this.#engine.check(true);
    return this.#engine.readonly ? undefined : this.#owners.token();
  }

  /** Whoever waits for the first time looks once after all who waited before. */
  #buryTheDead(): void {
    for (const [id, token] of this.#engine.all(catalog.owners, [])) {
      if (!this.isAlive(token)) this.#bury(id);
    }
  }

  #bury(id: number): void {
    this.#engine.transactions.write(() => this.#engine.drive(bury(id)));
    this.#known.delete(id);
  }

  #ringOther(owner: number): void {
    const known = this.#find(owner);
    if (known === undefined) return;
    const now = performance.now();
    const rung = this.#bells.ring(known.token);
    if (rung && now - known.probedAt < probeInterval) return;
    known.probedAt = now;
    if (this.isAlive(known.token)) return;
    // Later, since whoever rang should not wait for the lock once more.
    const bury = (): void => this.#bury(owner);
    this.#engine.transactions.writeSoon(bury, () => this.#engine.check(false)).catch(() => undefined);
  }

  #find(owner: number): Known | undefined {
    let known = this.#known.get(owner);
    if (known === undefined) {
      const row = this.#engine.get(catalog.tokenOf, [owner]);
      if (row === undefined) return undefined;
      known = { token: row[0], probedAt: -Infinity };
      this.#known.set(owner, known);
    }
    return known;
  }
}
