// The library, as a user calls it.

/** @param {string | URL} build - A module that has the library's exports. */
export async function holdfast(build, name = 'Holdfast') {
  const { open, Index, Deque } = await import(String(build));
  return {
    name,
    /** @param {string} directory */
    open(directory) {
      const store = open(directory);
      const index = new Index(store, 'entries');
      const objects = new Index(store, 'objects');
      const deque = new Deque(store, 'items');
      return {
        /** @param {() => void} work */
        batch: (work) => store.transaction(work),
        get: (key) => index.get(key),
        set: (key, value) => index.set(key, value),
        delete: (key) => index.delete(key),
        setAll: (entries) =>
          store.transaction(() => {
            for (const [key, value] of entries) index.set(key, value);
          }),
        getObject: (key) => objects.get(key),
        setObject: (key, value) => objects.set(key, value),
        push: (value) => deque.push(value),
        shift: () => deque.shift(),
        close: () => store.close(),
      };
    },
  };
}
