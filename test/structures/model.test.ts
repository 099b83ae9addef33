import { expect, test } from 'vitest';
import { Deque, Index, type AsyncStore } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { checkTables, rawConnection, Rollback, transact, type Steps } from './helpers.js';
import {
  dequeStep,
  indexStep,
  Random,
  type AnyDeque,
  type AnyIndex,
  type Entries,
  type Items,
  type Step,
} from './model-steps.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 100_000);

/** What a step answers, or the name of its error. */
async function outcomeOf(answer: () => unknown): Promise<unknown> {
  try {
    return { answer: await answer() };
  } catch (error) {
    return { error: (error as Error).name };
  }
}

/** Both sides of a random walk. */
interface Walk<M, S> {
  readonly random: Random;
  model: M;
  copy(model: M): M;
  readonly log: string[];
  /** The structure as one of the stores has it. */
  structure(): { readonly store: AsyncStore; readonly structure: S; readonly step: () => Step<M, S> };
}

async function walkOnce<M, S>(walk: Walk<M, S>): Promise<void> {
  const { structure, step } = walk.structure();
  const one = step();
  walk.log.push(one.words);
  const expected = await outcomeOf(() => one.onModel(walk.model));
  expect(await outcomeOf(() => one.onStructure(structure)), note(walk)).toStrictEqual(expected);
}

/** Several steps in a transaction, and in savepoints within it, some of which are rolled back. */
async function walkInTransaction<M, S>(walk: Walk<M, S>): Promise<void> {
  const { store, structure, step } = walk.structure();
  const { random, log } = walk;
  function* steps(depth: number): Steps<void> {
    const before = walk.copy(walk.model);
    for (let i = random.below(5); i >= 0; i--) {
      if (depth < 3 && random.below(4) === 0) {
        log.push('{');
        try {
          yield transact(store, () => steps(depth + 1));
        } catch (error) {
          if (!(error instanceof Rollback)) throw error;
        }
        continue;
      }
      const one = step();
      log.push(one.words);
      let expected: unknown;
      let failure: unknown;
      try {
        expected = one.onModel(walk.model);
      } catch (error) {
        failure = error;
      }
      let answer: unknown;
      try {
        answer = yield one.onStructure(structure);
      } catch (error) {
        expect((error as Error).name, note(walk)).toBe((failure as Error | undefined)?.name);
        continue;
      }
      expect(failure, note(walk)).toBe(undefined);
      expect(answer, note(walk)).toStrictEqual(expected);
    }
    const rollback = random.below(3) === 0;
    log.push(rollback ? '} rolled back' : '}');
    if (!rollback) return;
    walk.model = before;
    throw new Rollback();
  }
  log.push('{');
  const outcome = await outcomeOf(() => transact(store, () => steps(0)));
  if ((outcome as { error?: string }).error !== undefined)
    expect(log.at(-1), JSON.stringify(outcome)).toBe('} rolled back');
}

const note = (walk: { readonly log: string[] }): string => `SEED=${seed}: ${walk.log.slice(-15).join('; ')}`;

forEachEngine((engine) => {
  const rounds = engine.name === 'embedded' ? 4_000 : 400;

  /** Closes one of two stores on the same data, and opens another. */
  const reopenOne = async (
    { random, log }: Pick<Walk<never, never>, 'random' | 'log'>,
    stores: AsyncStore[],
  ): Promise<void> => {
    log.push('reopen');
    const [old] = stores.splice(random.below(2), 1);
    stores.push(await engine.reopen(stores[0]!));
    await old!.close();
  };

  test(`random steps on an Index agree with a Map (SEED=${seed})`, async () => {
    const random = new Random(seed);
    const stores = [await engine.open()];
    stores.push(await engine.reopen(stores[0]!));
    const raw = await rawConnection(engine, stores[0]!);
    const walk: Walk<Entries, AnyIndex> = {
      random,
      model: new Map(),
      copy: (model) => new Map(model),
      log: [],
      structure: () => {
        const store = random.pick(stores);
        const order = random.pick(['insertion', 'key'] as const);
        return {
          store,
          structure: new Index(store, 'things', { order }),
          step: () => indexStep(random, order),
        };
      },
    };
    for (let round = 0; round < rounds; round++) {
      await (random.below(6) === 0 ? walkInTransaction(walk) : walkOnce(walk));
      if (random.below(60) === 0) await reopenOne(walk, stores);
      if (round % 7 !== 0) continue;
      const index: AnyIndex = new Index(stores[round % 2]!, 'things');
      expect([...(await index.toMap())], note(walk)).toStrictEqual([...walk.model]);
      expect(await index.size, note(walk)).toBe(walk.model.size);
      await checkTables(raw, stores[1]!, note(walk));
    }
  });

  test(`random steps on a Deque agree with an array (SEED=${seed})`, async () => {
    const random = new Random(seed);
    const stores = [await engine.open()];
    stores.push(await engine.reopen(stores[0]!));
    const raw = await rawConnection(engine, stores[0]!);
    const walk: Walk<Items, AnyDeque> = {
      random,
      model: { list: [], most: Infinity },
      copy: ({ list, most }) => ({ list: [...list], most }),
      log: [],
      structure: () => {
        const store = random.pick(stores);
        return { store, structure: new Deque(store, 'things'), step: () => dequeStep(random) };
      },
    };
    for (let round = 0; round < rounds; round++) {
      if (random.below(40) === 0) {
        const most = random.pick([Infinity, 1 + random.below(20)]);
        walk.log.push(`maxLength ${most}`);
        walk.model.most = most;
        if (walk.model.list.length > most) walk.model.list.splice(0, walk.model.list.length - most);
        expect(await new Deque(random.pick(stores), 'things', { maxLength: most }).size).toBe(
          walk.model.list.length,
        );
      }
      await (random.below(6) === 0 ? walkInTransaction(walk) : walkOnce(walk));
      if (random.below(60) === 0) await reopenOne(walk, stores);
      if (round % 7 !== 0) continue;
      const deque: AnyDeque = new Deque(stores[round % 2]!, 'things');
      expect(await deque.toArray(), note(walk)).toStrictEqual(walk.model.list);
      await checkTables(raw, stores[1]!, note(walk));
    }
  });
});
