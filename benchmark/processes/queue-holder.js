// Works on one job at a time, and says so when it starts one; ends it when it is told to, or is killed.
// Arguments: the library's module; the directory, or the URL of a PostgreSQL.
import { now } from '../lib/measure.js';

const [build, place] = process.argv.slice(2);
const { open, Queue } = await import(build);
const store = place.startsWith('postgres')
  ? await (await import(String(new URL('./postgres.js', build)))).connect(place)
  : open(place);
const queue = new Queue(store, 'jobs');
queue.work(async (job) => {
  const at = now();
  process.send({ at, n: job.data, attempt: job.attempt });
  await new Promise((resolve) => process.once('message', resolve));
});
process.send('ready');
