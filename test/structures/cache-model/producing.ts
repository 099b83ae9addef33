import { expect } from 'vitest';
import type { Key } from '../../../src/index.js';
import { idOf, Refused, type Claim } from './model.js';
import { tick, type Kept } from './steps.js';
import { outcomeOf, type Handle, type World } from './world.js';

/** What is asked for, and what comes of working it out. */
interface Plan {
  readonly key: Key;
  readonly keep: Kept;
  readonly value: unknown;
  readonly fails: boolean;
  readonly staleFor: number;
  readonly errorTtl: number;
  /** How much happens meanwhile. */
  readonly meanwhile: number;
}

/** What is expected of one who asks. */
interface Expected {
  readonly outcome: unknown;
  readonly claim: Claim | undefined;
  readonly isStale: boolean;
}

/** One object asks for a value by `getOrSet`; where it has to be worked out, this and that happens until it is. */
export async function produce(world: World): Promise<void> {
  const { random, time, steps } = world;
  const handle = random.pick(world.handles);
  const plan: Plan = {
    ...{
      key: steps.key(),
      keep: steps.keep(),
      value: steps.value(),
      fails: random.below(4) === 0,
    },
    ...{
      staleFor: steps.staleFor() ?? 0,
      errorTtl: random.below(2) * 2 * tick,
    },
    meanwhile: random.pick([0, 1, 1, 3]),
  };
  const { key, keep, staleFor, errorTtl, fails } = plan;
  time.pass(1);
  world.log.push(
    `${world.handles.indexOf(handle)}: getOrSet ${idOf(key)} ${JSON.stringify({ ...keep.given, staleFor, fails, errorTtl })}`,
  );
  const expected = asked(world, handle, plan);
  const work = new Work(world, plan);
  const outcome = await outcomeOf(() =>
    handle.cache.getOrSet(key, work.produce, {
      ...keep.given,
      staleFor,
      errorTtl,
    }),
  );
  const leads = expected.claim !== undefined && 'lead' in expected.claim;
  if (leads) await work.done();
  work.check();
  expect(work.calls, 'how often it was worked out').toBe(leads ? 1 : 0);
  if (expected.isStale && world.embedded) await time.settle();
  if (expected.isStale && !world.embedded) await time.hear();
  const last = landed(world, handle, plan, expected);
  expect(outcome, 'getOrSet').toStrictEqual(last);
  // Errors that are kept are to be forgotten, too.
  if (fails && errorTtl > 0) await world.once(steps.about(key, [...(keep.given?.tags ?? [])]));
}

/** The work itself. */
class Work {
  calls = 0;
  #failure: Error | undefined;
  #isOver = false;
  readonly #world: World;
  readonly #plan: Plan;

  constructor(world: World, plan: Plan) {
    this.#world = world;
    this.#plan = plan;
  }

  readonly produce = async (): Promise<unknown> => {
    this.calls++;
    const { meanwhile, fails, value, key, keep } = this.#plan;
    const { random, steps } = this.#world;
    const tags = [...(keep.given?.tags ?? [])];
    // What is expected in there fails for the test, not for the cache.
    try {
      for (let i = 0; i < meanwhile; i++)
        await this.#world.once(random.below(2) === 0 ? steps.about(key, tags) : undefined);
    } catch (error) {
      this.#failure = error as Error;
    }
    this.#world.log.push('it is worked out');
    this.#isOver = true;
    if (fails) throw new RangeError('no');
    return value;
  };

  /** Throws what has failed meanwhile. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Waits until it has been done, and is stored or not. */
  async done(): Promise<void> {
    const { time, tables } = this.#world;
    for (let tries = 0; !this.#isOver || (await tables.flights()) > 0; tries++) {
      this.check();
      if (tries > 1_000) throw new Error('it is not worked out');
      await time.hear();
    }
  }
}

function asked({ whole }: World, { memory }: Handle, { key, keep }: Plan): Expected {
  const there = whole.at(key).servable(key);
  whole.looked(memory, key, there !== undefined);
  const served = { answer: there?.value };
  if (there !== undefined && whole.at(key).isFresh(there))
    return { outcome: served, claim: undefined, isStale: false };
  const { tags } = keep.of(memory);
  const claim = whole.write(key, (shard) => shard.claim(key, tags, there?.stored));
  if (there !== undefined) return { outcome: served, claim, isStale: true };
  return {
    outcome: 'error' in claim ? { error: claim.error } : undefined,
    claim,
    isStale: false,
  };
}

/** What comes of it once the value is worked out. */
function landed({ whole }: World, { memory }: Handle, plan: Plan, { outcome, claim }: Expected): unknown {
  if (claim === undefined || !('lead' in claim)) return outcome;
  const { key, keep, value, fails, staleFor, errorTtl } = plan;
  const { lead } = claim;
  try {
    if (fails) throw new Refused('RangeError');
    whole.write(key, (shard) => shard.land(lead, key, value, keep.of(memory), staleFor));
    return outcome ?? { answer: value };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    whole.write(key, (shard) => shard.fail(lead, key, error.message, errorTtl));
    return outcome ?? { error: error.message };
  }
}
