// LMDB with `noSync`, as in candidates/lmdb.js; it neither expires nor evicts.
export async function openCache({ directory }) {
  const { open } = await import('lmdb');
  const root = open({ path: directory, noSync: true, maxDbs: 4, mapSize: 2 ** 32 });
  const entries = root.openDB({ name: 'entries', encoding: 'string' });
  const numbers = root.openDB({ name: 'numbers', encoding: 'msgpack' });
  const setMany = (list) =>
    root.transactionSync(() => {
      for (const [key, value] of list) entries.putSync(key, value);
    });
  return {
    get: (key) => entries.get(key),
    set: (key, value) => entries.putSync(key, value),
    delete: (key) => entries.removeSync(key),
    getMany: (keys) => keys.map((key) => entries.get(key)),
    setMany,
    add: (key, value) =>
      entries.get(key) === undefined &&
      root.transactionSync(() => entries.get(key) === undefined && entries.putSync(key, value)),
    increment: (key) =>
      root.transactionSync(() => {
        const next = (numbers.get(key) ?? 0) + 1;
        numbers.putSync(key, next);
        return next;
      }),
    fill: setMany,
    close: () => root.close(),
  };
}
