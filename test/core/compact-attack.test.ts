import { expect, test } from 'vitest';
import { openStore, raw } from './support.js';
import { pause, settled, withCode } from '../structures/helpers.js';

test('a store that is closed while compact waits for others who write ends that', async () => {
  for (let i = 0; i < 5; i++) {
    const store = openStore();
    const other = raw(store.directory);
    other.exec('BEGIN IMMEDIATE');
    const compaction = store.compact();
    compaction.catch(() => undefined);
    await pause(150 + 10 * i);
    store.close();
    expect(await settled(compaction, 2_000)).toEqual({ status: 'rejected', reason: withCode('ERR_CLOSED') });
    other.exec('ROLLBACK');
  }
}, 30_000);
