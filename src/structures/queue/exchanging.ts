import type { Kind, Scope } from '../../core/store.js';
import { array, packed } from './at-once.js';
import { sql, type ExchangeAtOnce, type ExchangedRow } from './at-once-statements.js';
import { isNothing, overdueIn, type Answer, type Claimed, type Delivery } from './delivery.js';
import type { Outcome } from './outcomes.js';
import { isTraced } from './recording.js';
import type { QueueScripts } from './scripts.js';

/** How many exchanges there are at a time on a server: while one waits for the disk, another is worked at. */
const gatheredAtATime = 2;
const eachAtATime = 16;

/** Exchanges outcomes for jobs: by one statement on a server, if that will do; else by a script. */
export class Exchanger<S extends Kind> {
  readonly #atATime: number;
  readonly #scope: Scope<S>;
  readonly #scripts: QueueScripts;
  /** Whether something is to be made ready, which the statement does not. */
  #due = false;
  /** Whether the statement will do, as far as is known: at first nobody knows that this store takes jobs. */
  #plain = false;

  constructor(scope: Scope<S>, scripts: QueueScripts, gathered: boolean) {
    this.#atATime = scope.kind === 'embedded' ? 1 : gathered ? gatheredAtATime : eachAtATime;
    this.#scope = scope;
    this.#scripts = scripts;
  }

  /** How many exchanges there are at a time, at most. Scripts that heed limits would wait for each other, and be in the way of transactions that complete jobs. */
  get atATime(): number {
    return this.#plain ? this.#atATime : 1;
  }

  async exchange(delivery: Delivery): Promise<Answer> {
    if (this.#fits(delivery)) {
      const answer = await this.#directly(delivery);
      if (answer !== undefined) return answer;
    }
    this.#due = false;
    const answer = await this.#scope.soon((structure) => this.#scripts.exchange(structure, delivery));
    this.#plain = answer.plain;
    return answer;
  }

  #fits({ outcomes, told }: Delivery): boolean {
    if (this.#scope.kind !== 'server' || !this.#plain || this.#due || isTraced()) return false;
    if (!isNothing(told)) return false;
    return outcomes.every(({ simple }) => simple !== undefined);
  }

  async #directly(delivery: Delivery): Promise<Answer | undefined> {
    const { outcomes, want, atOnce } = delivery;
    const { policy } = this.#scripts.outcomes;
    const removing = policy.keep.completed.count === 0;
    const overdue = want <= atOnce && policy.timeout < Infinity ? overdueIn(policy.timeout) : null;
    const rows = await this.#scope.directly(
      removing ? sql.exchange.removing : sql.exchange.keeping,
      (structure, owner): ExchangeAtOnce => [
        owner,
        structure,
        ...outcomesOf(outcomes, removing),
        want,
        overdue,
        structure,
        structure,
      ],
    );
    this.#plain = rows !== undefined;
    return rows && this.#answer(rows, delivery, overdue !== null);
  }

  async #answer(rows: readonly ExchangedRow[], delivery: Delivery, isTimed: boolean): Promise<Answer> {
    const [done, due] = rows[0] ?? [0, false];
    this.#due = due;
    const claimed = this.#scripts.claimedOf(
      rows.flatMap(([, , , ...job]) => (typeof job[0] === 'number' ? [job] : [])),
    );
    const { outcomes, atOnce, want } = delivery;
    // It does not say which: those that are done already are let be.
    const again = done === outcomes.length ? [] : outcomes.map((one) => ({ ...one, simple: undefined }));
    const full = claimed.length >= want || due;
    const isSpecial = ({ options, timeout }: Claimed, i: number): boolean =>
      options.expires !== undefined ||
      (i < atOnce && (isTimed ? options.timeout !== undefined : timeout < Infinity));
    if (!claimed.some(isSpecial)) return { claimed, again, full, plain: true };
    try {
      const left = await this.#scope.soon((structure) => this.#scripts.finish(structure, claimed, atOnce));
      return { claimed: left, again, full, plain: true };
    } catch (error) {
      // What the statement has done is done: what it has claimed goes back.
      const released = claimed.map((one) => this.#scripts.outcomes.released(one));
      return { claimed: [], again: [...again, ...released], full, plain: true, trouble: { error } };
    }
  }
}

type Columns = ExchangeAtOnce extends [number, number, ...infer C, number, number | null, number, number]
  ? C
  : never;

const noResults = new Uint8Array(0);

function outcomesOf(outcomes: readonly Outcome[], removing: boolean): Columns {
  const ids = array(outcomes.map(({ id }) => id));
  const claims = array(outcomes.map(({ claim }) => claim));
  if (removing || outcomes.every(({ outcome }) => outcome === null))
    return [noResults, ids, claims, null, null, array(outcomes.map(() => 0))];
  const { data, starts, spans } = packed(outcomes.map(({ outcome }) => outcome));
  return [data, ids, claims, starts, spans, array(outcomes.map(({ size }) => size))];
}
