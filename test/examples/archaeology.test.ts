import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { sample } from '../../examples/archaeology/history.js';
import { Progress } from '../../examples/archaeology/progress.js';
import { table } from '../../examples/archaeology/table.js';
import { temporaryDirectory } from '../support/processes.js';
import { addCommits, countLines, git, newRepository, WatchedGit, type Change } from './repository.js';

const main = fileURLToPath(new URL('../../examples/archaeology/main.js', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What is drawn. */
interface Data {
  readonly periods: readonly string[];
  readonly samples: readonly { date: string; commit: string; lines: readonly number[]; total: number }[];
}

/** The example at work, as the leader of a process group of its own: with its workers, and their git. */
class Run {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(process.execPath, [main, ...args], {
      env: { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const text = { stdout: '', stderr: '' };
    this.child.stdout?.setEncoding('utf8').on('data', (part: string) => (text.stdout += part));
    this.child.stderr?.setEncoding('utf8').on('data', (part: string) => (text.stderr += part));
    // A git that outlives a killed run for a moment keeps the pipes open: what it said then is not waited for.
    const closed = once(this.child, 'close');
    this.ended = once(this.child, 'exit').then(async ([code]: unknown[]) => {
      if (code !== null) await closed;
      return { code: code as number | null, ...text };
    });
    onTestFinished(() => this.killAll());
  }

  /** Waits, as long as it runs, until something is so. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.child.exitCode !== null) throw new Error(`It has ended: ${JSON.stringify(await this.ended)}`);
      await sleep(20);
    }
  }

  /** The processes of its workers. */
  workers(): number[] {
    const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' });
    return [...stdout.matchAll(/^ *(\d+) +(\d+) .*worker\.js/gm)]
      .filter(([, , parent]) => Number(parent) === this.child.pid)
      .map(([, pid]) => Number(pid));
  }

  /** Kills it, its workers and their git, with no chance to clean up. */
  killAll(): void {
    try {
      process.kill(-(this.child.pid ?? NaN), 'SIGKILL');
    } catch (error) {
      expect(error).toHaveProperty('code', 'ESRCH');
    }
  }
}

function run(...args: readonly string[]): Promise<Ended> {
  return new Run(args).ended;
}

/** Two workers, and all that is kept in a folder that goes with the test. */
function options(state: string): string[] {
  return ['--workers', '2', '--state', state];
}

/** @param place - A folder with a state, or the page itself. */
function drawn(place: string): Data {
  const page = readFileSync(place.endsWith('.html') ? place : join(place, 'archaeology.html'), 'utf8');
  return JSON.parse(
    /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)?.[1] ?? '',
  ) as Data;
}

/** What is drawn for each commit of the main line, oldest first. */
function counts(place: string): Record<string, number>[] {
  const { periods, samples } = drawn(place);
  return samples.map(({ lines }) => {
    const found = periods.map((period, i): [string, number] => [period, lines[i] ?? 0]);
    return Object.fromEntries(found.filter(([, count]) => count !== 0));
  });
}

/** The same, counted in the most direct way. */
function expectedCounts(repository: string, unit: 'year' | 'month' = 'year'): Record<string, number>[] {
  const commits = git(repository, 'rev-list', '--first-parent', '--reverse', 'HEAD').trim().split('\n');
  return commits.map((commit) => countLines(repository, commit, unit));
}

const lines = (count: number, text = 'line'): string =>
  Array.from({ length: count }, (_, i) => `${text} ${i}\n`).join('');

/** Everything that git can hold which is not simple. */
const variety: readonly Change[] = [
  { date: '2011-01-01', files: { a: lines(10), 'dir/b c.txt': lines(3), empty: '', binary: 'x\n\0\n' } },
  { date: '2012-01-01', files: { a: lines(10) + lines(5, 'new'), 'new\nline "ünï" \\ 名.txt': lines(4) } },
  // Reverted: the content of `a` is that of the first commit, but its history is not.
  { date: '2013-01-01', files: { a: lines(4) } },
  { date: '2014-01-01', files: { a: lines(10) }, links: { link: 'a' } },
  // Written long before it was committed; moved without a change.
  {
    date: '2009-06-01',
    committed: '2015-01-01',
    files: { old: lines(2, 'old'), 'dir/b c.txt': null, moved: lines(3) },
  },
  // A branch from the second commit, and its merge.
  { date: '2016-01-01', parent: 1, files: { branch: lines(6, 'branch') } },
  {
    date: '2017-01-01',
    parent: 4,
    merge: 5,
    files: { branch: lines(6, 'branch'), merged: 'without end of line' },
  },
  { date: '2018-01-01', files: { ':(top)magic': lines(1), '-x': lines(1), Binary: 'now text\n' } },
];

/** Enough files for two workers to be killed among them. */
const many: readonly Change[] = [2015, 2018, 2021].map((year) => ({
  date: `${year}-05-05`,
  files: Object.fromEntries(
    Array.from({ length: 8 }, (_, i) => [`file ${i}`, lines(year - 2010 + i, `${i % 4 ? '' : year}`)]),
  ),
}));

describe.skipIf(process.platform === 'win32')('examples/archaeology', () => {
  test('counts the lines of each year as git blame does, whatever is in the repository', async () => {
    const repository = newRepository(variety);
    const state = temporaryDirectory();
    const { code, stderr } = await run(repository, ...options(state));
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining('archaeology:') });
    expect(counts(state)).toEqual(expectedCounts(repository));
  });

  test('shows a table, and where the chart is', async () => {
    const repository = newRepository(variety.slice(0, 2), 'small');
    const state = temporaryDirectory();
    const chart = join(temporaryDirectory(), 'chart.html');
    const { stdout } = await run(repository, ...options(state), '--out', chart);
    const [first = '', second = ''] = git(repository, 'log', '--reverse', '--format=%H').split('\n');
    expect(stdout).toBe(`small: how old is the code? 2 commits, from 2011-01-01 to 2012-01-01
6 blamed, 0 known from before.

date        commit      lines  2011-01  2012-01
2011-01-01  ${first.slice(0, 10)}     13       13        ·
2012-01-01  ${second.slice(0, 10)}     22       13        9

Half of the 22 lines are of 2011-01 or older.
Chart: ${chart}
`);
    expect(readFileSync(chart, 'utf8')).toContain('<title>small: how old is the code?</title>');
  });

  test('blames nothing again in a second run, and says so', async () => {
    const repository = newRepository(variety);
    const [state, watched] = [temporaryDirectory(), new WatchedGit()];
    const first = await new Run([repository, ...options(state)], watched.environment).ended;
    const { blamed } = watched;
    // Of the file that isn't text it is known without git blame that it has no lines.
    const results = blamed.length + 1;
    expect(first.stdout).toContain(`${results} blamed, 0 known from before.`);
    const before = counts(state);

    const second = await new Run([repository, ...options(state)], watched.environment).ended;
    expect(second.stdout).toContain(`Nothing to blame: all ${results} results were known.`);
    expect(watched.blamed).toEqual(blamed);
    expect(counts(state)).toEqual(before);
  });

  test('blames only what is new when commits were added', async () => {
    const repository = newRepository(variety);
    const [state, watched] = [temporaryDirectory(), new WatchedGit()];
    await new Run([repository, ...options(state)], watched.environment).ended;
    const before = watched.blamed.length;

    addCommits(
      repository,
      [{ date: '2020-01-01', files: { a: lines(12), added: lines(1) } }],
      'refs/heads/main^0',
    );
    const { stdout } = await new Run([repository, ...options(state)], watched.environment).ended;
    expect(stdout).toContain(`2 blamed, ${before + 1} known from before.`);
    expect(watched.blamed.slice(before).sort()).toEqual(['a', 'added']);
    expect(counts(state)).toEqual(expectedCounts(repository));
  });

  test('loses nothing when a worker is killed', async () => {
    const repository = newRepository(many);
    const [state, watched] = [temporaryDirectory(), new WatchedGit()];
    watched.holdAfter(22);
    const running = new Run([repository, ...options(state)], watched.environment);
    await running.until(() => watched.blamed.length === 24);
    const [killed] = running.workers();
    process.kill(killed!, 'SIGKILL');
    // The last two were under way; one of them goes to the worker that takes the other's place.
    await running.until(() => watched.blamed.length === 25);
    expect(running.workers()).toHaveLength(2);
    watched.release();

    expect(await running.ended).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('24 blamed, 0 known') as string,
    });
    expect(watched.blamed).toHaveLength(25);
    expect(counts(state)).toEqual(expectedCounts(repository));
  });

  test.each(['everything', 'the main process alone'])(
    'goes on in the next run when %s was killed',
    async (what) => {
      const repository = newRepository(many);
      const [state, watched] = [temporaryDirectory(), new WatchedGit()];
      watched.holdAfter(9);
      const running = new Run([repository, ...options(state)], watched.environment);
      await running.until(() => watched.blamed.length === 11);
      const workers = running.workers();
      if (what === 'everything') running.killAll();
      else running.child.kill('SIGKILL');
      await running.ended;
      // Workers end by themselves when nobody is there to work for.
      await vi.waitFor(() => workers.forEach((pid) => expect(() => process.kill(pid, 0)).toThrow('ESRCH')), {
        timeout: 30_000,
      });
      watched.release();

      const { code, stdout } = await new Run([repository, ...options(state)], watched.environment).ended;
      expect(code).toBe(0);
      expect(stdout).toContain('15 blamed, 9 known from before.');
      // The two that were under way are blamed once more, and nothing else.
      expect(watched.blamed).toHaveLength(26);
      expect(counts(state)).toEqual(expectedCounts(repository));
    },
  );

  test('does what another run had under way when that was killed', async () => {
    const repository = newRepository(many);
    const [state, watched] = [temporaryDirectory(), new WatchedGit()];
    watched.holdAfter(0);
    const args = [repository, ...options(state)];
    const first = new Run(args, watched.environment);
    await first.until(() => watched.blamed.length === 2);
    const second = new Run(args, watched.environment);
    await second.until(() => watched.blamed.length === 4);
    second.killAll();
    watched.release();

    expect((await first.ended).code).toBe(0);
    // Once more what was killed, and nothing else.
    expect(watched.blamed).toHaveLength(26);
    expect(counts(state)).toEqual(expectedCounts(repository));
  });

  test('does after a kill no more than the new run asks for', async () => {
    const repository = newRepository(many);
    const [state, watched] = [temporaryDirectory(), new WatchedGit()];
    watched.holdAfter(2);
    const running = new Run([repository, ...options(state)], watched.environment);
    await running.until(() => watched.blamed.length === 4);
    running.killAll();
    await running.ended;
    watched.release();

    const last = [repository, ...options(state), '--samples', '1'];
    const { stdout } = await new Run(last, watched.environment).ended;
    expect(stdout).toContain('6 blamed, 2 known from before.');
    expect(watched.blamed).toHaveLength(10);
    expect(counts(state)).toEqual(expectedCounts(repository).slice(-1));
  });

  test('shares the work, and does nothing twice, when two runs ask for the same at once', async () => {
    const repository = newRepository(many);
    const [state, watched] = [temporaryDirectory(), new WatchedGit()];
    watched.holdAfter(0);
    const args = [repository, ...options(state)];
    const runs = [new Run(args, watched.environment), new Run(args, watched.environment)];
    await runs[0]!.until(() => watched.blamed.length === 4);
    watched.release();

    for (const { ended } of runs) expect((await ended).code).toBe(0);
    expect(watched.blamed).toHaveLength(24);
    expect(counts(state)).toEqual(expectedCounts(repository));
  });

  test('counts nothing twice when two runs that ask for different samples blame the same at once', async () => {
    const repository = newRepository(many);
    const [state, watched] = [temporaryDirectory(), new WatchedGit()];
    watched.holdAfter(0);
    const all = new Run([repository, ...options(state)], watched.environment);
    await all.until(() => watched.blamed.length === 2);
    const page = join(temporaryDirectory(), 'chart.html');
    const last = [repository, ...options(state), '--samples', '1', '--out', page];
    const one = new Run(last, watched.environment);
    await one.until(() => watched.blamed.length === 4);
    expect(watched.blamed.slice(2).sort()).toEqual(watched.blamed.slice(0, 2).sort());
    watched.release();

    for (const { ended } of [all, one]) expect((await ended).code).toBe(0);
    expect(counts(state)).toEqual(expectedCounts(repository));
    expect(counts(page)).toEqual(expectedCounts(repository).slice(-1));
  });

  test('goes on where it failed, when what was wrong has been mended', async () => {
    const repository = newRepository(many);
    const state = temporaryDirectory();
    const blob = git(repository, 'rev-parse', 'HEAD:file 3').trim();
    const object = join(repository, '.git/objects', blob.slice(0, 2), blob.slice(2));
    renameSync(object, `${object}.away`);
    const failed = await run(repository, ...options(state));
    expect(failed).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^archaeology: file 3 at /m) as string,
    });

    renameSync(`${object}.away`, object);
    expect((await run(repository, ...options(state))).code).toBe(0);
    expect(counts(state)).toEqual(expectedCounts(repository));
  });

  test('does not count against a file that runs were killed while it was blamed', async () => {
    const repository = newRepository([{ date: '2020-01-01', files: { slow: lines(3) } }]);
    const [state, watched] = [temporaryDirectory(), new WatchedGit()];
    watched.holdAfter(0);
    for (let kills = 1; kills <= 4; kills++) {
      const running = new Run([repository, ...options(state)], watched.environment);
      await running.until(() => watched.blamed.length === kills);
      running.killAll();
      await running.ended;
    }
    watched.release();

    const { code, stdout } = await new Run([repository, ...options(state)], watched.environment).ended;
    expect(code).toBe(0);
    expect(stdout).toContain('1 blamed, 0 known from before.');
    expect(counts(state)).toEqual(expectedCounts(repository, 'month'));
  });

  test('counts months where the lines are younger than three years', async () => {
    const repository = newRepository([
      { date: '2023-11-30', files: { a: lines(2) } },
      { date: '2024-02-01', files: { b: lines(3) } },
    ]);
    const state = temporaryDirectory();
    await run(repository, ...options(state));
    expect(counts(state)).toEqual([{ '2023-11': 2 }, { '2023-11': 2, '2024-02': 3 }]);
  });

  test('leaves out files whose names are not UTF-8, and says so', async () => {
    const repository = newRepository([
      { date: '2020-01-01', files: { 'latin<e9>.txt': lines(7), a: lines(2) } },
    ]);
    const state = temporaryDirectory();
    const { code, stdout } = await run(repository, ...options(state));
    expect(code).toBe(0);
    expect(stdout).toContain('not UTF-8 or too long: 1 file');
    expect(drawn(state).samples[0]?.total).toBe(2);
  });

  test('says that a clone is shallow, and counts anew when it no longer is', async () => {
    const original = newRepository(variety);
    const clone = join(temporaryDirectory(), 'clone');
    git(original, 'clone', '--quiet', '--depth', '2', `file://${original}`, clone);
    const state = temporaryDirectory();
    const { stdout } = await run(clone, ...options(state));
    expect(stdout).toContain('This clone is shallow');
    expect(counts(state)).toEqual(expectedCounts(clone, 'month'));

    git(clone, 'fetch', '--quiet', '--unshallow');
    expect((await run(clone, ...options(state))).stdout).not.toContain('shallow');
    expect(counts(state)).toEqual(expectedCounts(original));
  });

  test('takes a bare repository, and is not misled by the settings of who runs it', async () => {
    const original = newRepository([
      { date: '2010-01-01', files: { a: 'one two three\n' } },
      { date: '2015-01-01', files: { a: 'one two threes\n', b: lines(2) } },
    ]);
    const bare = join(temporaryDirectory(), 'bare.git');
    git(original, 'clone', '--quiet', '--bare', original, bare);
    const settings = join(temporaryDirectory(), 'gitconfig');
    const ignored = join(temporaryDirectory(), 'ignored');
    writeFileSync(ignored, git(original, 'rev-parse', 'HEAD'));
    writeFileSync(
      settings,
      `[blame]\nignoreRevsFile = ${ignored}\n[log]\nshowRoot = false\ndiffMerges = combined\n`,
    );
    const state = temporaryDirectory();
    const misled = { GIT_CONFIG_GLOBAL: settings, GIT_DIR: '/nowhere' };
    const { code, stdout } = await new Run([bare, ...options(state)], misled).ended;
    expect(code).toBe(0);
    expect(stdout).toContain('bare: how old is the code?');
    expect(counts(state)).toEqual(expectedCounts(original));
  });

  test('writes a page that needs nothing else, whatever the names', async () => {
    const repository = newRepository(variety, `<img src="x">&'`);
    const state = temporaryDirectory();
    await run(repository, ...options(state));
    const page = readFileSync(join(state, 'archaeology.html'), 'utf8');
    expect(page).toContain('<h1>&lt;img src=&quot;x&quot;&gt;&amp;&#39;</h1>');
    expect(page).not.toMatch(/<img|\bsrc=["']|href=|url\(|@import|https?:/);
    expect(readdirSync(state).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  describe('fails with one line', () => {
    const cases: Record<
      string,
      () => { args: string[]; env?: NodeJS.ProcessEnv; code?: number; says: RegExp }
    > = {
      'for a path that is none': () => ({
        args: ['/nowhere/at/all'],
        says: /\/nowhere\/at\/all.*No such file/,
      }),
      'for a folder that is no repository': () => {
        const folder = temporaryDirectory();
        return {
          args: [folder],
          env: { GIT_CEILING_DIRECTORIES: join(folder, '..') },
          says: /holdfast-test-.*: not a git repository$/,
        };
      },
      'for a file': () => ({ args: [main], says: /main\.js.*Not a directory/ }),
      'for a repository without commits': () => ({ args: [newRepository([])], says: /without commits/ }),
      'where there is no git': () => ({
        args: [newRepository(many)],
        env: { PATH: '/nowhere' },
        says: /git was not found/,
      }),
      'for a state folder that is a file': () => ({
        args: [newRepository(many), '--state', main],
        says: /main\.js/,
      }),
      'for a chart that can’t be written': () => ({
        args: [
          newRepository([{ date: '2020-01-01', files: {} }]),
          ...options(temporaryDirectory()),
          '--out',
          '/nowhere/chart',
        ],
        says: /\/nowhere\/chart/,
      }),
      'for a file that is damaged': () => {
        const repository = newRepository([{ date: '2020-01-01', files: { a: lines(3) } }]);
        const blob = git(repository, 'rev-parse', 'HEAD:a').trim();
        rmSync(join(repository, '.git/objects', blob.slice(0, 2), blob.slice(2)));
        return {
          args: [repository, ...options(temporaryDirectory())],
          says: /^archaeology: a at [0-9a-f]{10}: /,
        };
      },
      'for an option that there is none of': () => ({
        args: ['--colour'],
        code: 2,
        says: /Unknown option '--colour'.*--help/,
      }),
      'for a number that is none': () => ({
        args: ['--samples', '1e3'],
        code: 2,
        says: /--samples.*whole number.*'1e3'/,
      }),
      'for two paths': () => ({ args: ['a', 'b'], code: 2, says: /one path/ }),
    };
    test.each(Object.entries(cases))('%s', async (_, prepare) => {
      const { args, env, code = 1, says } = prepare();
      const ended = await new Run(args, env).ended;
      expect(ended.stderr.trimEnd()).toMatch(says);
      expect(ended.stderr.trimEnd()).toMatch(/^archaeology: [^\n]*$/);
      expect(ended.code).toBe(code);
    });
  });
});

describe('examples/archaeology: sample', () => {
  const at = (...times: number[]) => times.map((time, i) => ({ commit: `commit ${i}`, time }));
  const numbers = (times: number[], count: number) => sample(at(...times), count).map(({ time }) => time);

  test('takes all commits where there are no more than asked for', () => {
    expect(numbers([1, 2, 9], 3)).toEqual([1, 2, 9]);
  });
  test('spreads over time, the first and the last included', () => {
    expect(numbers([0, 1, 2, 3, 10, 20, 29, 30, 31, 40], 5)).toEqual([0, 10, 20, 30, 40]);
  });
  test('takes a commit once, however long nothing followed it', () => {
    expect(numbers([0, 1, 2, 100], 3)).toEqual([0, 2, 100]);
    expect(numbers([0, 1, 2, 3, 4, 100], 5)).toEqual([0, 4, 100]);
  });
  test('takes only the last when asked for one', () => {
    expect(numbers([0, 5, 3], 1)).toEqual([3]);
  });
  test('ends with the last commit, though its clock was behind', () => {
    expect(numbers([0, 50, 100, 20, 60], 3)).toEqual([0, 50, 60]);
  });
});

describe('examples/archaeology: progress', () => {
  function written(
    stream: { isTTY: boolean; columns?: number },
    work: (progress: Progress, wait: (ms: number) => void) => void,
  ): string {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    let text = '';
    const write = (part: string): boolean => ((text += part), true);
    work(new Progress({ ...stream, write } as unknown as NodeJS.WriteStream, 200), (ms) =>
      vi.advanceTimersByTime(ms),
    );
    return text;
  }

  test('is a bar that is drawn anew on a terminal, and gone at the end', () => {
    const text = written({ isTTY: true, columns: 60 }, (progress, wait) => {
      progress.update(0);
      wait(10_000);
      progress.update(50);
      progress.end();
    });
    expect(text.split('\r').map((line) => line.replace('\x1b[K', ''))).toEqual([
      '',
      '░'.repeat(40) + '   0%  0 of 200',
      '█'.repeat(6) + '░'.repeat(18) + '  25%  50 of 200  5.0/s  0:30 left',
      '',
    ]);
  });
  test('is a line for each tenth elsewhere, and none within a second', () => {
    const text = written({ isTTY: false }, (progress, wait) => {
      for (let done = 0; done <= 100; done += 5) {
        wait(400);
        progress.update(done);
      }
      progress.end();
    });
    expect(text.split('\n').map((line) => line.trim().split('  ')[0])).toEqual([
      '10%',
      '20%',
      '30%',
      '40%',
      '50%',
      '',
    ]);
  });
});

describe('examples/archaeology: table', () => {
  const periods = ['2019', '2020', '2021'];
  const samples = [{ commit: 'a'.repeat(40), date: '2021-01-01', lines: [1_000, 0, 30], total: 1_030 }];
  const report = { name: 'x', unit: 'year' as const, periods, samples };

  test('has a column for each period where the width allows it', () => {
    expect(table(report, 80)).toEqual([
      'date        commit      lines   2019  2020  2021',
      '2021-01-01  aaaaaaaaaa  1,030  1,000     ·    30',
    ]);
  });
  test('lets the oldest periods share a column where it does not', () => {
    expect(table(report, 45)).toEqual([
      'date        commit      lines  ≤ 2020  2021',
      '2021-01-01  aaaaaaaaaa  1,030   1,000    30',
    ]);
  });
});
