// What the README's first lines promise, in plain JavaScript.
import { Index, open } from 'holdfast';

const store = open(process.argv[2]);
const index = new Index(store, 'x');
index.set('a', 1);
console.log(index.get('a'));
store.close();
