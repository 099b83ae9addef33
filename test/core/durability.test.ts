import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../support/processes.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Runs a script under strace; gives back how often it had the system write a file through to the disk. */
function syncsOf(script: string, log: string): number {
  const { status, stderr } = spawnSync(
    'strace',
    [
      '-f',
      '-qq',
      '-e',
      'trace=fsync,fdatasync',
      '-o',
      log,
      process.execPath,
      '--input-type=module',
      '-e',
      script,
    ],
    { cwd: root, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`strace ended with ${status ?? 'a signal'}: ${stderr}`);
  return readFileSync(log, 'utf8').match(/\b(fsync|fdatasync)\(/g)?.length ?? 0;
}

/** What a store asks of the disk can be seen from outside only: elsewhere than on Linux, or without the right to trace, not at all. */
const canTrace =
  spawnSync('strace', ['-f', '-qq', '-o', '/dev/null', process.execPath, '-e', ''], { stdio: 'ignore' })
    .status === 0;

describe.skipIf(!canTrace)('durability', () => {
  const commits = 50;
  const syncs = (durability: string, then: string): number => {
    const directory = temporaryDirectory();
    return syncsOf(
      `import { Deque, Index, open } from 'holdfast';
       const store = open(${JSON.stringify(join(directory, 'store'))}, ${durability});
       const index = new Index(store, 'i');
       const deque = new Deque(store, 'd');
       ${then}
       store.close();`,
      join(directory, 'log'),
    );
  };
  /** By many commits more than by one: what opening and closing cost is left out. */
  const perCommits = (durability: string, commit: string): number =>
    syncs(durability, `for (let i = 0; i <= ${commits}; i++) { ${commit} }`) -
    syncs(durability, `{ const i = 0; ${commit} }`);

  test.each([
    ['a set', 'index.set(i, i);'],
    ['a push', 'deque.push(i);'],
    ['a transaction', 'store.transaction(() => { index.set(i, i); deque.push(i); });'],
  ])("'power' writes each commit through to the disk: %s", (_, commit) => {
    expect(perCommits("{ durability: 'power' }", commit)).toBeGreaterThanOrEqual(commits);
  });

  test.each(['{}', "{ durability: 'process' }"])('%s leaves that to the system', (durability) => {
    expect(perCommits(durability, 'index.set(i, i);')).toBeLessThan(commits / 10);
  });

  test("'power' writes the commits of a second store in the same process through, too", () => {
    const count = perCommits(
      "{ durability: 'power' }",
      `globalThis.other ??= new Index(open(store.directory, { durability: 'power' }), 'other');
       globalThis.other.set(i, i);`,
    );
    expect(count).toBeGreaterThanOrEqual(commits);
  });
});
