// Takes a lock, over and over: says so each time, and holds it until it is told to let go, or killed.
// Arguments: the library's module, the directory.
import { now } from '../lib/measure.js';

const [build, directory] = process.argv.slice(2);
const { open, Lock } = await import(build);
const store = open(directory);
const lock = new Lock(store, 'lock');
await lock.acquire();
process.send(now());
process.once('message', () => {
  store.close();
  process.disconnect();
});
setInterval(() => {}, 1000);
