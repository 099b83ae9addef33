import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, test } from 'vitest';
import { Index } from '../../src/index.js';
import { startProcess, temporaryDirectory } from '../support/processes.js';
import { connected, outcome, rawClient, schemaName, sleep, two, until } from './support.js';

/** After how many tries nobody else may write. */
const alone = 10;

describe('a transaction while which nobody else may write', () => {
  test.each(['stopped', 'blocked'])(
    'lets the others write though its process is %s, and is run again when that goes on',
    async (how) => {
      const schema = schemaName();
      const store = await connected(schema);
      const unrelated = new Index<string, number>(store, 'unrelated');
      await unrelated.set('a', 0);
      const location = JSON.stringify({ engine: 'server', url: inject('postgresUrl'), schema });
      const sign = join(temporaryDirectory(), 'go on');
      const child = startProcess(new URL('alone-child.js', import.meta.url), location, how, sign, alone);
      expect(await child.nextMessage()).toBe('alone');
      await sleep(500);
      expect(await outcome(unrelated.set('a', 1))).toEqual({ value: undefined });
      writeFileSync(sign, '');
      child.resume();
      expect(await child.result()).toBe(alone + 1);
      expect(await new Index(store, 'i').get('a')).toBe(-alone - 1);
    },
  );

  test('lets them write though a statement of its waits for longer, and is run again', async () => {
    const { schema, store, other, mine, others } = await two();
    const unrelated = new Index<string, number>(other, 'unrelated');
    await unrelated.set('a', 0);
    const raw = await rawClient();
    let runs = 0;
    const done = store.transaction(async () => {
      await mine.get('a');
      if (++runs < alone) await others.set('a', runs);
      if (runs === alone) await raw.query(`BEGIN; SELECT FROM ${schema}.entries FOR UPDATE`);
      await mine.set('a', -runs);
    });
    await until(() => runs === alone);
    await sleep(500);
    expect(await outcome(unrelated.set('b', 1))).toEqual({ value: undefined });
    await raw.query('ROLLBACK');
    await done;
    expect([runs, await others.get('a')]).toEqual([alone + 1, -alone - 1]);
  });

  test.each(['swallowed', 'nested', 'nested, with an error', 'not awaited', 'nothing asked'])(
    'is run again once it has taken too long, and is not tried so any more (%s)',
    async (how) => {
      const { store, mine, others } = await two();
      let runs = 0;
      const tooLong = async (): Promise<void> => {
        if (how.startsWith('nested')) {
          const nested = store.transaction(async () => {
            await mine.set('c', runs);
            await sleep(1_200);
            if (how !== 'nested') throw new Error('own');
            await mine.set('c', -runs);
          });
          await nested.catch(() => undefined);
          return;
        }
        await sleep(1_200);
        if (how === 'swallowed') await mine.set('c', 1).catch(() => undefined);
        if (how === 'not awaited') void mine.set('c', 1).catch(() => undefined);
      };
      await store.transaction(async () => {
        await mine.get('a');
        // In vain until then, and twice as often.
        if (++runs < 2 * alone && runs !== alone) await others.set('a', runs);
        await mine.set('b', runs);
        if (runs === alone) await tooLong();
        else if (runs === 2 * alone) await others.set('d', runs);
        if (runs !== alone) await mine.set('a', -runs);
      });
      expect(runs).toBe(2 * alone);
      expect(await others.getMany(['a', 'b', 'c', 'd'])).toEqual([-runs, runs, undefined, runs]);
    },
  );

  test('that throws an error of its own after it has taken too long rejects with that', async () => {
    const { store, mine, others } = await two();
    let runs = 0;
    const done = store.transaction(async () => {
      await mine.get('a');
      if (++runs < alone) await others.set('a', runs);
      await mine.set('b', runs);
      if (runs < alone) return mine.set('a', 0);
      await sleep(1_200);
      throw new Error('own');
    });
    expect(await outcome(done)).toEqual({ error: 'own' });
    expect(await others.has('b')).toBe(false);
    await store.transaction(() => mine.set('b', 1));
    expect(await others.get('b')).toBe(1);
  });
});
