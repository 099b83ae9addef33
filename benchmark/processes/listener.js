// Waits for what another process commits, and notes when it hears of it. Arguments: 'watch', 'take' or 'touch', the library's module, the
// directory. Each value is a number, -1 the last one.
import { closeSync, openSync, readFileSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';

const [how, build, directory] = process.argv.slice(2);
const { open, Index, Deque } = await import(build);
const store = open(directory);
const heard = [];
const note = (value) => heard.push([value, Number(process.hrtime.bigint())]);

async function watching() {
  for await (const value of new Index(store, 'entries').watch('bell')) {
    if (value === undefined) process.send('ready');
    else note(value);
    if (value === -1) break;
  }
}

async function taking() {
  const deque = new Deque(store, 'items');
  process.send('ready');
  for (let value = 0; value !== -1;) {
    value = await deque.take();
    note(value);
  }
}

/** A file whose time is set, without any store. */
async function hearing() {
  const file = join(directory, 'touched');
  closeSync(openSync(file, 'w'));
  await new Promise((resolve) => {
    const watcher = watch(file, () => {
      note(statSync(file).mtimeMs / 1000);
      if (readFileSync(file, 'utf8') === '') return;
      watcher.close();
      resolve(undefined);
    });
    process.send('ready');
  });
}

await { watch: watching, take: taking, touch: hearing }[how]();
store.close();
process.send(heard, () => process.disconnect());
