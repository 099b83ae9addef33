// @ts-check
// Writes many times without a pause, each write a transaction of its own. Arguments: the directory, how often.
import { Index } from 'holdfast';
import { args, openStore, processNumber, send } from './child.js';

const store = await openStore(JSON.stringify({ engine: 'embedded', directory: args[0] }));
const index = new Index(store, 'entries');
for (let n = 0; n < Number(args[1]); n++) await index.set(`${processNumber} ${n % 1000}`, n);
send('done');
