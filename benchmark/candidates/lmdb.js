// LMDB with `noSync`: like SQLite's synchronous=NORMAL, a commit waits for no disk and survives the death of the process. (After
// the loss of power SQLite's file is whole, LMDB's may not be.) Each call is one synchronous transaction.
export async function lmdb() {
  const { open } = await import('lmdb').catch(() => ({ open: undefined }));
  if (open === undefined) return undefined;
  return {
    name: 'lmdb',
    /** @param {string} directory */
    open(directory) {
      const root = open({ path: directory, noSync: true, maxDbs: 4, mapSize: 2 ** 32 });
      const entries = root.openDB({ name: 'entries', encoding: 'string' });
      const objects = root.openDB({ name: 'objects', encoding: 'msgpack' });
      const items = root.openDB({ name: 'items', encoding: 'string', keyEncoding: 'uint32' });
      const firstKey = { limit: 1 };
      const lastKey = { limit: 1, reverse: true };
      const end = (range) => {
        for (const key of items.getKeys(range)) return key;
        return undefined;
      };
      return {
        batch: (work) => root.transactionSync(work),
        get: (key) => entries.get(key),
        set: (key, value) => entries.putSync(key, value),
        delete: (key) => entries.removeSync(key),
        setAll: (list) =>
          root.transactionSync(() => {
            for (const [key, value] of list) entries.putSync(key, value);
          }),
        getObject: (key) => objects.get(key),
        setObject: (key, value) => objects.putSync(key, value),
        push: (value) => root.transactionSync(() => items.putSync((end(lastKey) ?? 0) + 1, value)),
        shift: () =>
          root.transactionSync(() => {
            const key = end(firstKey);
            if (key === undefined) return undefined;
            const value = items.get(key);
            items.removeSync(key);
            return value;
          }),
        close: () => root.close(),
      };
    },
  };
}
