// Waits for what another process commits, and notes when it hears of it. Arguments: 'watch' or 'take', the library's module, the
// directory. Each value is a number, -1 the last one.
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

await (how === 'watch' ? watching() : taking());
store.close();
process.send(heard, () => process.disconnect());
