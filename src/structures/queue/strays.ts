import { all, owner, type Script } from '../../core/script.js';
import { Statement } from '../../core/statement.js';
import { nothing, type Kind, type Scope } from '../../core/store.js';
import type { Claim } from './outcomes.js';

/** How often a worker looks for such jobs though nothing has gone wrong, in milliseconds: a server may commit late what was given up here. */
const lookEvery = 5_000;

/** By which claims this store runs jobs. */
const running = new Statement<[structure: number, owner: number], [id: number, claim: number]>(
  "SELECT id, claim FROM jobs WHERE structure = ? AND owner = ? AND state = 'running'",
);

function* runningHere(structure: number): Script<Claim[]> {
  const rows = yield* all(running, structure, yield* owner());
  return rows.map(([id, claim]) => ({ id, claim }));
}

/** A worker, as far as others of the same store must know it. */
export interface Hand {
  /** All that it has claimed, and not written the end of. */
  known(): readonly Claim[];
  /** What may have claimed jobs that it does not know yet. */
  readonly underWay: ReadonlySet<Promise<void>>;
}

/** All workers of a store, by its signal. */
const crews = new WeakMap<AbortSignal, Set<Hand>>();

function crewOf(closing: AbortSignal): Set<Hand> {
  const crew = crews.get(closing) ?? new Set();
  crews.set(closing, crew);
  return crew;
}

/**
 * Finds jobs that this store has claimed on a server, and no worker of it knows of: the answer to the claim was lost. Its owner lives, so that nobody else
 * would give them back.
 */
export class Strays<S extends Kind> {
  readonly #scope: Scope<S>;
  readonly #hand: Hand;
  readonly #crew: Set<Hand>;
  #suspected = false;
  #looked = performance.now();
  #looking: Promise<readonly Claim[]> | undefined;

  constructor(scope: Scope<S>, hand: Hand) {
    this.#scope = scope;
    this.#hand = hand;
    this.#crew = crewOf(scope.closing);
    this.#crew.add(hand);
  }

  /** Something has failed that may have claimed jobs. */
  suspect(): void {
    this.#suspected = true;
  }

  /** To be called from time to time: gives back what is to be released. */
  async look(): Promise<readonly Claim[]> {
    const isTime = this.#suspected || performance.now() - this.#looked > lookEvery;
    if (this.#scope.kind === 'embedded' || !isTime || this.#looking !== undefined) return [];
    this.#looking = this.#find();
    try {
      return await this.#looking;
    } finally {
      this.#looking = undefined;
    }
  }

  /** The worker claims no more, and has nothing left: what is found now is the last. */
  async stop(): Promise<readonly Claim[]> {
    const found = await this.#looking?.catch(nothing);
    const more = this.#suspected ? await this.look().catch(nothing) : undefined;
    this.#crew.delete(this.#hand);
    return [...(found ?? []), ...(more ?? [])];
  }

  async #find(): Promise<readonly Claim[]> {
    this.#looked = performance.now();
    this.#suspected = false;
    try {
      const unknown = this.#unknown(await this.#scope.read(nothing, runningHere));
      if (unknown.length === 0) return [];
      // What these have claimed is known when they are over; what others claim from now on is not among those that were read.
      await Promise.all([...this.#crew].flatMap(({ underWay }) => [...underWay]));
      return this.#unknown(unknown);
    } catch (error) {
      this.#suspected = true;
      throw error;
    }
  }

  #unknown(claims: readonly Claim[]): readonly Claim[] {
    const known = new Map<number, Set<number>>();
    for (const hand of this.#crew)
      for (const { id, claim } of hand.known()) known.set(id, (known.get(id) ?? new Set()).add(claim));
    return claims.filter(({ id, claim }) => known.get(id)?.has(claim) !== true);
  }
}
