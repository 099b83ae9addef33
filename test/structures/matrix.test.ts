import { describe, expect, test } from 'vitest';
import { Deque, Index } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import {
  indexReads,
  indexWrites,
  dequeReads,
  dequeWrites,
  each,
  waits,
  type AnyDeque,
  type AnyIndex,
} from './calls.js';
import {
  checkTables,
  collect,
  rawConnection,
  refused,
  rolledBack,
  rolledBackWithin,
  Rollback,
  settled,
  transact,
  withCode,
} from './helpers.js';

forEachEngine((engine) => {
  const filled = async () => {
    const store = await engine.open();
    const index: AnyIndex = new Index(store, 'index');
    const deque: AnyDeque = new Deque(store, 'deque');
    await index.setMany([['b', 1], ['a', { n: 2 }], ['c', 'three']]); // prettier-ignore
    await deque.push('a', 'b', { n: 3 }, 'b', 'e');
    const state = async () => [
      [...(await index.toMap())],
      await index.size,
      await deque.toArray(),
      await deque.size,
      await store.structures(),
    ];
    return { store, index, deque, state, raw: await rawConnection(engine, store) };
  };

  describe('a store that was closed', () => {
    test('refuses every method of Index', async () => {
      const { store, index } = await filled();
      await store.close();
      await each({ ...indexReads, ...indexWrites }, async (call) => {
        await refused(store, () => call(index), withCode('ERR_CLOSED'));
        const unused: AnyIndex = new Index(store, 'never used');
        await refused(store, () => call(unused), withCode('ERR_CLOSED'));
      });
    });

    test('refuses every method of Deque', async () => {
      const { store, deque } = await filled();
      await store.close();
      await each({ ...dequeReads, ...dequeWrites, ...waits }, async (call) => {
        await refused(store, async () => call(deque), withCode('ERR_CLOSED'));
        const bounded: AnyDeque = new Deque(store, 'never used', { maxLength: 3 });
        await refused(store, async () => call(bounded), withCode('ERR_CLOSED'));
      });
    });
  });

  test('calls under way when their store closes end: they are done, or rejected with ERR_CLOSED', async () => {
    const { store, index, deque } = await filled();
    const other = await engine.reopen(store);
    const calls = Array.from({ length: 12 }, (_, i) =>
      settled(
        (async () => (i % 3 === 0 ? index.get('a') : i % 3 === 1 ? index.set(`n ${i}`, i) : deque.push(i)))(),
        5_000,
      ),
    );
    await store.close();
    const outcomes = await Promise.all(calls);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'ERR_CLOSED' });
    }
    const again: AnyIndex = new Index(other, 'index');
    for (const [i, { status }] of outcomes.entries()) {
      if (i % 3 === 1 && status === 'fulfilled') expect(await again.get(`n ${i}`)).toBe(i);
    }
  });

  describe('a transaction that is rolled back', () => {
    test('leaves nothing of any method of Index', async () => {
      const { store, index, state, raw } = await filled();
      const before = await state();
      await each(indexWrites, async (call) => {
        await rolledBack(store, function* () {
          yield call(index);
          yield call(index);
        });
        expect(await state()).toEqual(before);
        await rolledBackWithin(store, function* () {
          yield call(index);
        });
        expect(await state()).toEqual(before);
        await checkTables(raw, store);
      });
    });

    test('leaves nothing of any method of Deque', async () => {
      const { store, deque, state, raw } = await filled();
      const before = await state();
      await each(dequeWrites, async (call) => {
        await rolledBack(store, function* () {
          yield call(deque);
          yield call(deque);
        });
        expect(await state()).toEqual(before);
        await rolledBackWithin(store, function* () {
          yield call(deque);
        });
        expect(await state()).toEqual(before);
        await checkTables(raw, store);
      });
    });

    test('leaves what a structure was created by to be created again, here and elsewhere', async () => {
      const store = await engine.open();
      const other = await engine.reopen(store);
      const index: AnyIndex = new Index(store, 'index');
      const deque: AnyDeque = new Deque(store, 'deque', { maxLength: 2 });
      await rolledBack(store, function* () {
        yield index.set('a', 'lost');
        yield deque.push('lost');
        expect(yield index.get('a')).toBe('lost');
      });
      // The numbers that were given back may go to others now.
      const elsewhere: AnyIndex = new Index(other, 'elsewhere');
      await elsewhere.set('a', 'theirs');
      const bounded: AnyDeque = new Deque(other, 'theirs', { maxLength: 1 });
      await bounded.push(1, 2);
      expect(await index.get('a')).toBe(undefined);
      expect(await deque.size).toBe(0);
      await index.set('a', 'ours');
      await deque.push('x', 'y', 'z');
      expect(await deque.toArray()).toEqual(['y', 'z']);
      expect(await elsewhere.get('a')).toBe('theirs');
      expect(await bounded.toArray()).toEqual([2]);
      const again: AnyIndex = new Index(other, 'index');
      expect(await again.get('a')).toBe('ours');
      expect((await store.structures()).map(({ kind, name, entries }) => [kind, name, entries])).toEqual([
        ['deque', 'deque', 2],
        ['deque', 'theirs', 1],
        ['index', 'elsewhere', 1],
        ['index', 'index', 1],
      ]);
    });

    test('the same in a savepoint whose error is caught', async () => {
      const store = await engine.open();
      const index: AnyIndex = new Index(store, 'index');
      const deque: AnyDeque = new Deque(store, 'deque', { maxLength: 2 });
      await transact(store, function* () {
        try {
          yield transact(store, function* () {
            yield index.set('a', 'lost');
            yield deque.push(1);
            throw new Rollback();
          });
        } catch (error) {
          if (!(error instanceof Rollback)) throw error;
        }
        yield new Index<string, string>(store, 'first after').set('a', 'kept');
        expect(yield index.get('a')).toBe(undefined);
        yield index.set('b', 'kept');
        yield deque.push(1, 2, 3);
      });
      expect([...(await index.toMap())]).toEqual([['b', 'kept']]);
      expect(await deque.toArray()).toEqual([2, 3]);
      expect(await new Index<string, string>(store, 'first after').get('a')).toBe('kept');
    });
  });

  describe('a transaction', () => {
    test('sees its own changes, others see them when it is committed', async () => {
      const { store, index, deque } = await filled();
      const other = await engine.reopen(store);
      const [theirIndex, theirDeque]: [AnyIndex, AnyDeque] = [
        new Index(other, 'index'),
        new Deque(other, 'deque'),
      ];
      await transact(store, function* () {
        yield index.set('d', 4);
        yield index.delete('b');
        yield deque.unshift('first');
        expect(yield index.size).toBe(3);
        expect(yield collect(index.keys())).toEqual(['a', 'c', 'd']);
        expect(yield deque.first()).toBe('first');
        expect(yield theirIndex.size).toBe(3);
        expect(yield theirIndex.has('d')).toBe(false);
        expect(yield theirDeque.size).toBe(5);
      });
      expect(await theirIndex.has('d')).toBe(true);
      expect(await theirDeque.size).toBe(6);
    });

    test('refuses to wait', async () => {
      const { store, deque } = await filled();
      await transact(store, function* () {
        const wait = deque.take();
        wait.catch(() => {});
        yield deque.size;
        return undefined;
      });
      let outcome: Promise<unknown> | undefined;
      await transact(store, function* () {
        outcome = Promise.allSettled([deque.take(), deque.takeLast()]);
        yield deque.size;
        return undefined;
      });
      const rejected = { status: 'rejected', reason: { code: 'ERR_IN_TRANSACTION' } };
      expect(await outcome).toMatchObject([rejected, rejected]);
      expect(await deque.size).toBe(5);
    });
  });

  describe('bad input', () => {
    const bad: Record<
      string,
      readonly [call: (index: AnyIndex, deque: AnyDeque) => unknown, error: unknown]
    > = {
      'Index.get of no key': [(index) => index.get(undefined as never), TypeError],
      'Index.get of NaN': [(index) => index.get(NaN as never), RangeError],
      'Index.has of an object': [(index) => index.has({} as never), TypeError],
      'Index.set of a date as key': [(index) => index.set(new Date() as never, 1), TypeError],
      'Index.set of a lone surrogate as key': [(index) => index.set('\ud800', 1), RangeError],
      'Index.set of a key of 2049 bytes': [(index) => index.set('x'.repeat(2_049), 1), RangeError],
      'Index.set of a function': [(index) => index.set('a', { f: [() => 1] }), /f\[0\]/],
      'Index.set of a symbol': [(index) => index.set('a', Symbol('x')), TypeError],
      'Index.delete of null': [(index) => index.delete(null as never), TypeError],
      'Index.pop of NaN': [(index) => index.pop(NaN as never), RangeError],
      'Index.setDefault of no key': [(index) => index.setDefault(null as never, 1), TypeError],
      'Index.setDefault of a symbol': [(index) => index.setDefault('z', Symbol('x')), TypeError],
      'Index.update without a function': [(index) => index.update('a', 1 as never), TypeError],
      'Index.update of no key': [(index) => index.update(NaN as never, () => 1), RangeError],
      'Index.setMany of an object': [(index) => index.setMany({} as never), TypeError],
      'Index.setMany of a string': [(index) => index.setMany('ab' as never), TypeError],
      'Index.setMany of no pairs': [(index) => index.setMany([1] as never), TypeError],
      'Index.getMany of nothing': [(index) => index.getMany(undefined as never), TypeError],
      'Index.getMany of NaN': [(index) => index.getMany([NaN] as never), RangeError],
      'Index.deleteMany of a string': [(index) => index.deleteMany('ab'), TypeError],
      'Index.deleteRange of nothing': [(index) => index.deleteRange(undefined as never), TypeError],
      'Index.forEach of nothing': [(index) => index.forEach(undefined as never), TypeError],
      'Index.forEach with a misspelt option': [
        (index) => index.forEach(() => {}, { rev: 1 } as never),
        TypeError,
      ],
      'Deque.push of a function': [(_, deque) => deque.push(() => 1), TypeError],
      'Deque.push of many, one of them a symbol': [(_, deque) => deque.push(1, [Symbol('x')], 2), TypeError],
      'Deque.unshift of a promise': [(_, deque) => deque.unshift(Promise.resolve()), TypeError],
      'Deque.unshift of many, one a WeakMap': [(_, deque) => deque.unshift(1, new WeakMap()), TypeError],
      'Deque.shiftMany of 0': [(_, deque) => deque.shiftMany(0), RangeError],
      'Deque.shiftMany of nothing': [(_, deque) => deque.shiftMany(undefined as never), TypeError],
      'Deque.popMany of -1': [(_, deque) => deque.popMany(-1), RangeError],
      'Deque.popMany of Infinity': [(_, deque) => deque.popMany(Infinity), RangeError],
      'Deque.at of 1.5': [(_, deque) => deque.at(1.5), RangeError],
      'Deque.at of a string': [(_, deque) => deque.at('0' as never), TypeError],
      'Deque.at of 2**53': [(_, deque) => deque.at(2 ** 53), RangeError],
      'Deque.set beyond the end': [(_, deque) => deque.set(5, 'x'), RangeError],
      'Deque.set before the start': [(_, deque) => deque.set(-6, 'x'), RangeError],
      'Deque.set of NaN': [(_, deque) => deque.set(NaN, 'x'), RangeError],
      'Deque.set of a function': [(_, deque) => deque.set(0, () => 1), TypeError],
      'Deque.rotate by a half': [(_, deque) => deque.rotate(0.5), RangeError],
      'Deque.rotate by a string': [(_, deque) => deque.rotate('1' as never), TypeError],
      'Deque.rotate by Infinity': [(_, deque) => deque.rotate(Infinity), RangeError],
      'Deque.remove of a function': [(_, deque) => deque.remove(() => 1), TypeError],
      'Deque.includes of a symbol': [(_, deque) => deque.includes(Symbol('x')), TypeError],
      'Deque.take with a negative timeout': [(_, deque) => deque.take({ timeout: -1 }), RangeError],
      'Deque.take with a timeout without unit': [
        (_, deque) => deque.take({ timeout: '5' as never }),
        TypeError,
      ],
      'Deque.take with a misspelt option': [(_, deque) => deque.take({ timout: 1 } as never), /"timout"/],
      'Deque.takeLast without a real signal': [
        (_, deque) => deque.takeLast({ signal: {} as never }),
        TypeError,
      ],
    };

    test('is refused, each of it, and nothing is changed', async () => {
      const { store, index, deque, state, raw } = await filled();
      const before = await state();
      await each(bad, async ([call, error]) => {
        const waiting = call.toString().includes('.take');
        await refused(store, waiting ? async () => call(index, deque) : () => call(index, deque), error);
        expect(await state()).toEqual(before);
      });
      await checkTables(raw, store);
    });

    test('is refused inside a transaction too, which may go on', async () => {
      const { store, index, deque } = await filled();
      await transact(store, function* () {
        try {
          yield deque.push('lost', () => 1);
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError);
        }
        try {
          yield index.setMany([['lost', 1], [NaN as never, 1]]); // prettier-ignore
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
        yield index.set('kept', 1);
      });
      expect(await index.has('kept')).toBe(true);
      expect(await index.has('lost')).toBe(false);
      expect(await deque.includes('lost')).toBe(false);
    });
  });
});
