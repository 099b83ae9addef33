// cacache, npm's own: a file for each value, checked against its hash when it is read, and a file of what each key stands for.
export async function openCache({ directory }) {
  const { default: cacache } = await import('cacache');
  const set = (key, value) => cacache.put(directory, key, value);
  return {
    isAsync: true,
    get: (key) =>
      cacache.get(directory, key).then(
        ({ data }) => data.toString(),
        (error) => {
          if (error.code !== 'ENOENT') throw error;
        },
      ),
    set,
    delete: (key) => cacache.rm.entry(directory, key),
    fill: async (entries) => {
      for (const [key, value] of entries) await set(key, value);
    },
    close: () => {},
  };
}
