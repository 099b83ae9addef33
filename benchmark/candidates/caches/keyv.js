// Keyv with its SQLite adapter, in a file with the same pragmas as the others: it has no option for them, and would wait for the disk each time.
import { join } from 'node:path';

export async function openCache({ directory }) {
  const [{ default: Keyv }, { KeyvSqlite }] = await Promise.all([import('keyv'), import('@keyv/sqlite')]);
  const store = new KeyvSqlite({ uri: `sqlite://${join(directory, 'keyv.db')}`, busyTimeout: 20_000 });
  for (const pragma of ['journal_mode = WAL', 'synchronous = NORMAL', 'wal_autocheckpoint = 4000'])
    await store.query(`PRAGMA ${pragma}`);
  const keyv = new Keyv({ store, throwOnErrors: true });
  const setMany = (entries) => keyv.setMany(entries.map(([key, value]) => ({ key, value })));
  return {
    isAsync: true,
    get: (key) => keyv.get(key),
    set: (key, value) => keyv.set(key, value),
    setFor: (key, value, ttl) => keyv.set(key, value, ttl),
    delete: (key) => keyv.delete(key),
    getMany: (keys) => keyv.getMany(keys),
    setMany,
    fill: setMany,
    close: () => keyv.disconnect(),
  };
}
