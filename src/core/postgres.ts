import { setTimeout as sleep } from 'node:timers/promises';
import { catalog, checkNumber, structureInfo, StructureRefs, type StructureRef } from './catalog.js';
import { HoldfastError } from './errors.js';
import type { PgResult } from './postgres-driver.js';
import { channel, type Presence } from './postgres-presence.js';
import { ServerScope } from './postgres-scope.js';
import type { Sessions } from './postgres-sessions.js';
import type { Script, Step } from './script.js';
import type { Row, Statement, Value } from './statement.js';
import type { Engine, Scope, ScopeOptions, StructureInfo } from './store.js';

/** How long closing waits for what is to be done before, in milliseconds: the server may be gone. */
const leaveWithin = 1000;

/** What a server engine is made of. */
export interface ServerParts {
  readonly schema: string;
  readonly where: string;
  readonly sessions: Sessions;
  readonly presence: Presence;
  readonly closing: AbortController;
  /** Ends what is under way, and the pool, if it is the store's own. */
  readonly end: () => Promise<void>;
}

/** The engine on PostgreSQL: every answer is awaited. */
export class ServerEngine implements Engine<'server'> {
  readonly sessions: Sessions;
  readonly presence: Presence;
  readonly #schema: string;
  readonly #where: string;
  readonly #end: () => Promise<void>;
  readonly #closing: AbortController;
  readonly #refs = new StructureRefs();
  readonly #onClose = new Set<() => Promise<unknown>>();
  #closed: Promise<void> | undefined;
  #writes = 0;

  constructor({ schema, where, sessions, presence, closing, end }: ServerParts) {
    this.sessions = sessions;
    this.presence = presence;
    this.#schema = schema;
    this.#where = where;
    this.#closing = closing;
    this.#end = end;
  }

  /** Aborted when the store closes. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Changes with everything that this store writes. */
  get writes(): number {
    return this.#writes + this.sessions.rollbacks;
  }

  scope({ kind, name, places = true, setup }: ScopeOptions): Scope<'server'> {
    return new ServerScope(this, this.#refs.of(kind, name, places), setup);
  }

  /** Has `action` done when the store closes, until the function that is returned is called. */
  onClose(action: () => Promise<unknown>): () => void {
    this.#onClose.add(action);
    return () => this.#onClose.delete(action);
  }

  /** The structure's number, or 0 as long as it has none. */
  async find(ref: StructureRef): Promise<number> {
    const known = this.sessions.idOf(ref);
    if (known !== undefined) return known;
    const row = await this.get(catalog.find, [ref.kind, ref.name]);
    if (row === undefined) return 0;
    this.sessions.keepId(ref, row[0]);
    return row[0];
  }

  /** The structure's number; it gets one if it has none. */
  async ensure(ref: StructureRef): Promise<number> {
    const known = await this.find(ref);
    if (known !== 0) return this.#visible(ref, known);
    await this.run(ref.places ? catalog.create : catalog.createWithoutPlaces, [ref.kind, ref.name]);
    return checkNumber(await this.find(ref));
  }

  /** A serializable transaction can't see a structure that was made after it began, and would write nothing to it: it starts again. */
  async #visible(ref: StructureRef, known: number): Promise<number> {
    if (!this.sessions.serializable) return known;
    if ((await this.get(catalog.find, [ref.kind, ref.name])) === undefined) throw this.sessions.outdated();
    return known;
  }

  async get<P extends readonly Value[], R extends Row>(
    statement: Statement<P, R>,
    params: P,
  ): Promise<R | undefined> {
    return (await this.#query(statement, params)).rows[0] as R | undefined;
  }

  async all<P extends readonly Value[], R extends Row>(statement: Statement<P, R>, params: P): Promise<R[]> {
    return (await this.#query(statement, params)).rows as unknown[] as R[];
  }

  async run<P extends readonly Value[]>(statement: Statement<P>, params: P): Promise<number> {
    return (await this.#query(statement, params)).rowCount ?? 0;
  }

  /** Runs a statement while nobody else changes the structure. Locking comes first: the statement then sees what was committed before. */
  async exclusively<T>(structure: number, work: () => Promise<T>, begin = ''): Promise<T> {
    return this.sessions.transact(work, {
      begin: `${begin}SELECT FROM structures WHERE id = ${structure} FOR UPDATE`,
    });
  }

  /** Runs a script in a transaction of its own, while no other store does so for the same purpose. It may run again. */
  async alone<T>(purpose: string, script: () => Script<T>): Promise<T> {
    this.check();
    return this.sessions.transact(() => this.drive(script()), {
      begin: `SELECT pg_advisory_xact_lock(hashtext('holdfast ${purpose} ${this.#schema}'))`,
    });
  }

  /** @throws {@link HoldfastError} `ERR_IN_TRANSACTION`, `ERR_CLOSED` */
  checkOutside(what: string): void {
    this.check();
    if (this.sessions.open)
      throw new HoldfastError('ERR_IN_TRANSACTION', `${what} can’t be called inside a transaction`);
  }

  /** Runs a script to its end, in the transaction that is open. */
  async drive<T>(script: Script<T>): Promise<T> {
    let turn = script.next();
    while (turn.done !== true) {
      let answer: unknown;
      try {
        answer = await this.#answer(turn.value as Step<unknown>);
      } catch (error) {
        turn = script.throw(error);
        continue;
      }
      turn = script.next(answer);
    }
    return turn.value;
  }

  /** The user's transaction. */
  async transaction<T>(work: () => T | PromiseLike<T>): Promise<T> {
    if (typeof work !== 'function') throw new TypeError(`transaction takes a function, not ${typeof work}`);
    this.check();
    return this.sessions.transact(async () => work(), { isolation: 'SERIALIZABLE' });
  }

  async structures(): Promise<StructureInfo[]> {
    const { rows } = await this.#query(catalog.list, []);
    return rows.map((row) => structureInfo(row as [string, string, number, number]));
  }

  /** @throws {@link HoldfastError} `ERR_CLOSED` */
  check(): void {
    this.#closing.signal.throwIfAborted();
  }

  async close(): Promise<void> {
    if (this.sessions.open)
      throw new HoldfastError('ERR_IN_TRANSACTION', 'a store cannot be closed inside a transaction');
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await Promise.race([this.#leave(), sleep(leaveWithin, undefined, { ref: false })]);
    this.#closing.abort(new HoldfastError('ERR_CLOSED', `${this.#where}: the store is closed`));
    await Promise.all([this.presence.close(), this.#end()]);
  }

  async #leave(): Promise<void> {
    for (const action of [...this.#onClose].reverse()) {
      try {
        await action();
      } catch {
        // The server is gone, say: it is left as it would be if the process had been killed.
      }
    }
  }

  async #query(statement: Statement, params: readonly Value[]): Promise<PgResult> {
    this.check();
    if (!statement.reads) this.#writes++;
    return this.sessions.query(this.sessions.queries.of(statement, params));
  }

  async #answer(step: Step<unknown>): Promise<unknown> {
    if (step.statement === undefined) return this.#ask(step);
    if (step.kind === 'each') return this.#each(step.statement, step.rows);
    const { rows, rowCount } = await this.#query(step.statement, step.params);
    return step.kind === 'get' ? rows[0] : step.kind === 'all' ? rows : (rowCount ?? 0);
  }

  async #each(statement: Statement, rows: readonly (readonly Value[])[]): Promise<unknown[][]> {
    if (rows.length === 0) return [];
    this.check();
    this.#writes++;
    return (await this.sessions.query(this.sessions.queries.ofMany(statement, rows))).rows;
  }

  /**
   * Asks each time: its connection may be cut without a word, and others have taken it for dead by now. What it took would be nobody's.
   *
   * @throws {@link HoldfastError} `ERR_CONNECTION` where it has no number; the next call connects again.
   */
  async #owner(): Promise<number> {
    const { known } = this.presence;
    if ((await this.get(catalog.tokenOf, [known])) !== undefined) return known;
    if (this.presence.number === known) this.presence.renew();
    return this.presence.known;
  }

  async #ask({ kind, params, action }: Step<unknown>): Promise<unknown> {
    if (action !== undefined) {
      if (kind === 'undone') this.sessions.afterRollback(action);
      else this.sessions.afterCommit(action);
      return undefined;
    }
    const number = Number(params[0]);
    if (kind === 'owner') return this.#owner();
    if (kind === 'lock') return this.get(catalog.lockStructure, [number]);
    if (kind === 'alive') return (await this.get(catalog.lockOfDead, [this.#schema, number]))?.[0] !== true;
    return this.get(catalog.notify, [channel(this.#schema, number)]);
  }
}
