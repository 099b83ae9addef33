import { rmSync, writeFileSync, appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Cache } from '../../src/index.js';
import { mountDisk, openStore } from '../core/support.js';
import { withCode } from './helpers.js';

const mebibyte = 2 ** 20;

test.each(['throws', 'succeeds'])(
  'getOrSet works a value out anew once there is room on the disk, where there was none to write that the one before had ended: it %s',
  async (how) => {
    const disk = mountDisk(8 * mebibyte);
    if (disk === undefined) return;
    const store = openStore(join(disk.directory, 'store'));
    const cache = new Cache<unknown>(store, 'c');
    cache.set('other', 1);
    const ballast = join(disk.directory, 'ballast');
    const fill = (): void => {
      writeFileSync(ballast, '');
      for (const size of [65536, 4096, 1])
        try {
          for (;;) appendFileSync(ballast, Buffer.alloc(size, 1));
        } catch {}
    };
    const first = cache.getOrSet('k', async () => {
      fill();
      if (how === 'throws') throw new RangeError('produce');
      return 'x'.repeat(50_000);
    });
    await expect(first).rejects.toThrow(how === 'throws' ? 'produce' : (withCode('ERR_FULL') as Error));
    rmSync(ballast);
    expect(cache.set('writable', 1)).toBe(undefined);
    expect(await cache.getOrSet('k', () => 2, { timeout: 3_000 })).toBe(2);
  },
  20_000,
);
