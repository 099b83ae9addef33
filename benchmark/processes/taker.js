// Waits for its turns for some time; reports how many it had.
// Arguments: the library's module, the directory, the limit a second, the burst.
const [build, directory, limit, burst] = process.argv.slice(2);
const { open, Throttle } = await import(build);
const store = open(directory, { busyTimeout: '20s' });
const throttle = new Throttle(store, 'rate', { limit: Number(limit), per: '1s', burst: Number(burst) });
throttle.peek();

process.once('message', async ({ start, end }) => {
  await new Promise((resolve) => setTimeout(resolve, start - Date.now()));
  let count = 0;
  let longest = 0;
  const timeout = end - Date.now();
  const stop = performance.now() + timeout;
  for (;;) {
    const before = performance.now();
    try {
      await throttle.wait({ timeout: Math.max(0, stop - before) });
    } catch (error) {
      if (error.code !== 'ERR_TIMEOUT') throw error;
      break;
    }
    longest = Math.max(longest, performance.now() - before);
    count++;
  }
  store.close();
  process.send({ count, longest }, () => process.disconnect());
});
process.send('ready');
