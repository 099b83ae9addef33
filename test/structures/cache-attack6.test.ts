import { expect, test } from 'vitest';
import { Cache } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { pause, rawConnection } from './helpers.js';

forEachEngine((engine) => {
  test('a store that is closed leaves nothing of what it was working out', async () => {
    const store = await engine.open();
    const raw = await rawConnection(engine, store);
    await new Cache<number>(store, 'c').set('other', 1);
    const leaving = await engine.reopen(store);
    new Cache<number>(leaving, 'c').getOrSet('k', () => new Promise<number>(() => {})).catch(() => undefined);
    await pause(200);
    expect(await raw('SELECT count(*) AS n FROM cache_flights')).toEqual([{ n: 1 }]);
    await leaving.close();
    await store.check({ repair: true });
    expect(await raw('SELECT count(*) AS n FROM cache_flights')).toEqual([{ n: 0 }]);
  });
});
