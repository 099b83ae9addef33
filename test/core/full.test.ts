import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { Deque, HoldfastError, Index, open } from '../../src/index.js';
import { temporaryDirectory } from '../support/processes.js';
import { failure, mountDisk, openStore } from './support.js';

/** Runs a script with a bound on the size of each file it writes, in KiB. */
function startBounded(kilobytes: number, script: string, ...args: string[]): ChildProcess {
  const file = fileURLToPath(new URL(`../processes/${script}`, import.meta.url));
  const child = fork(file, args, {
    execPath: 'bash',
    execArgv: ['-c', `ulimit -S -f ${kilobytes}; exec "${process.execPath}" "$0" "$@"`],
    serialization: 'advanced',
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

test.runIf(process.platform === 'linux')(
  'a file that may not grow gives a typed error, and nothing half done; reading goes on, writing too once it may grow',
  async () => {
    const directory = temporaryDirectory();
    const child = startBounded(600, 'core-fill.js', directory);
    const [failed] = (await once(child, 'message')) as [
      { name: string; code: string; message: string; done: number; pairs: number; items: number },
    ];
    expect(failed).toMatchObject({ name: 'HoldfastError', code: expect.stringMatching(/^ERR_(IO|FULL)$/) });
    expect(failed.message).toContain(directory);
    expect(failed.done).toBeGreaterThan(5);
    expect([failed.pairs, failed.items]).toEqual([failed.done, 2 * failed.done]);
    execFileSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited']);
    child.send('go on');
    const [after] = (await once(child, 'message')) as [unknown];
    expect(after).toEqual({ more: 1, value: 1 });
    await once(child, 'exit');
    const store = openStore(directory);
    expect(new Index(store, 'pairs').size).toBe(failed.done + 1);
    expect(new Deque(store, 'items').size).toBe(2 * failed.done);
  },
);

test('a store on a full disk fails with ERR_FULL and nothing half done; reading goes on, writing too once there is space', async () => {
  const disk = mountDisk(2_000_000);
  if (disk === undefined) return;
  const ballast = join(disk.directory, 'ballast');
  writeFileSync(ballast, Buffer.alloc(700_000));
  const store = openStore(join(disk.directory, 'store'));
  const pairs = new Index<number, string>(store, 'pairs');
  const items = new Deque<string>(store, 'items');
  let done = 0;
  const error = failure(() => {
    for (;;) {
      store.transaction(() => {
        pairs.set(done, 'x'.repeat(8_000));
        items.push('y'.repeat(2_000), 'z'.repeat(2_000));
      });
      done++;
    }
  });
  expect(error.code).toBe('ERR_FULL');
  expect(error.message).toContain('free some space');
  expect(error.message).toContain(disk.directory);
  expect(done).toBeGreaterThan(5);
  expect(pairs.size).toBe(done);
  // Until not even the smallest finds its place.
  let small = 0;
  const fillUp = (size: number): HoldfastError =>
    failure(() => {
      for (; ; small++) pairs.set(-1 - small, 'x'.repeat(size));
    });
  for (const size of [8_000, 1_000, 1]) expect(fillUp(size).code).toBe('ERR_FULL');
  const long = 'x'.repeat(50_000);
  for (const way of [
    () => pairs.set(0, long),
    () => items.push(long),
    () => items.push('y', long),
    () => items.set(0, long),
    () => pairs.update(0, () => long),
    () => store.transaction(() => pairs.set(0, long)),
    () => new Deque(store, 'new', { maxLength: 3 }).push(long),
  ]) {
    expect(failure(way).code, String(way)).toBe('ERR_FULL');
  }
  expect(pairs.size).toBe(done + small);
  // What is handed out is gone, or else the call fails: never both.
  let shifted = 0;
  const shift = (): HoldfastError =>
    failure(() => {
      for (; shifted <= 2 * done; shifted++) items.shift();
    });
  expect(shift().code).toBe('ERR_FULL');
  expect(items.size).toBe(2 * done - shifted);
  expect(pairs.get(0)).toHaveLength(8_000);
  expect([...pairs.keys()]).toHaveLength(done + small);
  // A wait that has to be written down fails as well, and does not hang.
  const wait = new Deque(store, 'empty').take({ timeout: '20s' }).catch((reason: unknown) => reason);
  expect(await wait).toBeInstanceOf(HoldfastError);
  rmSync(ballast);
  pairs.set(done, 'after');
  items.push('after', 'after');
  expect(pairs.get(done)).toBe('after');
  store.close();
  const again = openStore(store.directory);
  expect(new Index(again, 'pairs').size).toBe(done + small + 1);
  expect(new Deque(again, 'items').size).toBe(2 * done - shifted + 2);
  expect(again.structures()).toHaveLength(2);
});

test('a store that finds no space for its first byte fails with ERR_FULL, and opens once there is some', () => {
  const disk = mountDisk(2_000_000);
  if (disk === undefined) return;
  const ballast = join(disk.directory, 'ballast');
  expect(() => {
    writeFileSync(ballast, Buffer.alloc(3_000_000));
  }).toThrow('ENOSPC');
  const directory = join(disk.directory, 'store');
  for (let i = 0; i < 2; i++) expect(failure(() => open(directory)).code).toBe('ERR_FULL');
  rmSync(ballast);
  new Index(openStore(directory), 'pairs').set('key', 'value');
});

test('a store on a full disk can be closed, and opened again for reading', () => {
  const disk = mountDisk(2_000_000);
  if (disk === undefined) return;
  const store = open(disk.directory);
  const pairs = new Index<number, string>(store, 'pairs');
  let done = 0;
  expect(
    failure(() => {
      for (;;) pairs.set(done++, 'x'.repeat(20_000));
    }).code,
  ).toBe('ERR_FULL');
  done--;
  store.close();
  const again = openStore(disk.directory);
  expect(new Index(again, 'pairs').size).toBe(done);
});
