// @ts-check
// Backs up, restores or compacts a store again and again, until it is killed.
import { join } from 'node:path';
import { open, restore } from 'holdfast';
import { args, send } from './child.js';

const [work, directory = '', ...others] = args;

send('begins');
for (let n = 0; ; n++) {
  if (work === 'restore') {
    await restore(directory, others[n % others.length] ?? '').catch((error) => {
      // The test has it open.
      if (error.code !== 'ERR_BUSY') throw error;
    });
  } else {
    const store = open(directory);
    if (work === 'backup') await store.backup(join(others[0] ?? '', `${process.pid}-${n}`));
    else await store.compact();
    store.close();
  }
  send(n);
}
