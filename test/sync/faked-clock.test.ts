import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { Lock, Throttle } from '../../src/index.js';
import { engines } from '../support/stores.js';

const [engine] = engines;

/** The system's clock can be faked where the program faketime is installed; elsewhere an injected one has to do, in other tests. */
const canFake =
  spawnSync('faketime', ['-f', '+1h', process.execPath, '-e', ''], { stdio: 'ignore' }).status === 0;

/** What another process finds, for which the wall clock is set forward or back. The monotonic one can't be set on any system. */
async function elsewhere(
  offset: string,
  location: string,
): Promise<{ now: number; isFree: boolean; allowed: boolean; retryAfter: number }> {
  const script = fileURLToPath(new URL('../processes/sync-clock.js', import.meta.url));
  const { stdout } = await promisify(execFile)(
    'faketime',
    ['-f', offset, process.execPath, script, location],
    {
      env: { ...process.env, FAKETIME_DONT_FAKE_MONOTONIC: '1', DONT_FAKE_MONOTONIC: '1' },
    },
  );
  return JSON.parse(stdout) as never;
}

describe.skipIf(!canFake)('a system clock that is set by an hour', () => {
  const hour = 3_600_000;

  test.each([
    ['+1h', hour],
    ['-1h', -hour],
  ])('frees no lock and fills no limit: %s', async (offset, by) => {
    const store = await engine.open();
    const location = engine.location(store);
    const grant = await new Lock(store, 'it', { lease: '30m' }).acquire();
    const limit = new Throttle(store, 'it', { limit: 3, per: '1h' });
    for (let i = 0; i < 3; i++) expect(await limit.take()).toMatchObject({ allowed: true });

    const found = await elsewhere(offset, location);
    expect(Math.abs(found.now - by - Date.now())).toBeLessThan(hour / 2);
    expect(found).toMatchObject({ isFree: false, allowed: false });
    expect(found.retryAfter).toBeGreaterThan(hour / 6);
    expect(found.retryAfter).toBeLessThanOrEqual(hour / 3);

    // What it wrote by its clock is right by ours.
    await limit.refund({ cost: 1 });
    expect(await limit.take()).toMatchObject({ allowed: true });
    const here = await limit.take();
    expect(here.allowed).toBe(false);
    expect(here.retryAfter).toBeLessThanOrEqual(hour / 3);
    expect(grant.signal.aborted).toBe(false);
    expect(await grant.release()).toBe(true);
    expect(await elsewhere(offset, location)).toMatchObject({ isFree: true, allowed: false });
  });
});
