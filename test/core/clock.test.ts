import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { openStore } from './support.js';
import { temporaryDirectory } from '../support/processes.js';
import { Deque } from '../../src/index.js';
import { raw } from './support.js';

/** What the clocks of another process say. */
function elsewhere(): { monotonic: number; boot: string } {
  const script = `import('${new URL('../../dist/core/clock.js', import.meta.url).href}').then(({ systemClock }) => {
    process.stdout.write(JSON.stringify({ monotonic: systemClock.monotonic(), boot: systemClock.boot() }));
  })`;
  return JSON.parse(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' })) as never;
}

test('the monotonic clock never goes back, in milliseconds', () => {
  let last = systemClock.monotonic();
  for (let i = 0; i < 10_000; i++) {
    const now = systemClock.monotonic();
    expect(now >= last).toBe(true);
    last = now;
  }
  const start = systemClock.monotonic();
  const since = performance.now();
  while (performance.now() - since < 20);
  const measured = performance.now() - since;
  expect(systemClock.monotonic() - start).toBeGreaterThanOrEqual(19);
  expect(systemClock.monotonic() - start).toBeGreaterThanOrEqual(measured - 1);
});

test('all processes share the monotonic clock, and the name of the boot', () => {
  const before = systemClock.monotonic();
  const { monotonic, boot } = elsewhere();
  const after = systemClock.monotonic();
  expect(monotonic).toBeGreaterThanOrEqual(before);
  expect(monotonic).toBeLessThanOrEqual(after);
  expect(boot).toBe(systemClock.boot());
  expect(boot).not.toBe('');
});

test('the wall clock is that of the system', () => {
  const before = Date.now();
  const wall = systemClock.wall();
  expect(wall).toBeGreaterThanOrEqual(before);
  expect(wall).toBeLessThanOrEqual(Date.now());
});

test('a store takes the time from the clock it is given', async () => {
  const clock = { wall: () => 12_345, monotonic: () => 1, boot: () => 'first' };
  const store = openStore(temporaryDirectory(), { clock });
  await new Deque(store, 'empty').take({ timeout: 1 }).catch(() => {});
  expect(raw(store.directory).prepare('SELECT since FROM owners').pluck().get()).toBe(12_345);
});
