// A job that runs in a thread, whose script is a file of the package.
import { open, Queue } from 'holdfast';

const store = open(process.argv[2]);
const queue = new Queue(store, 'jobs');
const worker = queue.work(new URL('./double.js', import.meta.url), { threads: 1 });
console.log(await (await queue.add(21)).result());
await worker.stop();
store.close();
