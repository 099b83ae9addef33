import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Index } from '../../src/index.js';
import { pause } from '../structures/helpers.js';
import { openStore } from './support.js';

test.runIf(existsSync('/proc/self/fd'))(
  'a store that is closed when its log is on the disk has no file open afterwards',
  async () => {
    const store = openStore();
    const index = new Index<number, string>(store, 'entries');
    for (let n = 0; n < 700; n++) index.set(n, `${n}`.repeat(1_000));
    const here = (): number =>
      readdirSync('/proc/self/fd').filter((file) => {
        try {
          return readlinkSync(`/proc/self/fd/${file}`).startsWith(store.directory);
        } catch {
          return false;
        }
      }).length;
    await pause(1_000);
    expect(here()).toBeGreaterThan(2);
    store.close();
    expect(here()).toBe(0);
  },
);
