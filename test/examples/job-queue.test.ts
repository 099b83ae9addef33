import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { check } from '../../examples/job-queue/check.js';
import { hiccups } from '../../examples/job-queue/files.js';
import { render } from '../../examples/job-queue/render.js';
import { digestOf, Site } from '../../examples/job-queue/site.js';
import { until } from '../structures/helpers.js';
import { inProcesses, temporaryDirectory } from '../support/processes.js';

const main = fileURLToPath(new URL('../../examples/job-queue/main.js', import.meta.url));
const producer = new URL('../../examples/job-queue/producer.js', import.meta.url);
const packages = fileURLToPath(new URL('../../node_modules', import.meta.url));

/** The example at work, as the leader of a process group of its own. */
class Run {
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
  readonly #child;

  constructor(...args: readonly string[]) {
    this.#child = spawn(process.execPath, [main, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const text = { stdout: '', stderr: '' };
    this.#child.stdout.setEncoding('utf8').on('data', (part: string) => (text.stdout += part));
    this.#child.stderr.setEncoding('utf8').on('data', (part: string) => (text.stderr += part));
    this.ended = once(this.#child, 'close').then(([code]: unknown[]) => ({
      code: code as number | null,
      ...text,
    }));
    onTestFinished(() => this.killAll());
  }

  /** Kills it, its producer and its workers, with no chance to clean up. */
  killAll(): void {
    try {
      process.kill(-(this.#child.pid ?? NaN), 'SIGKILL');
    } catch (error) {
      expect(error).toHaveProperty('code', 'ESRCH');
    }
  }
}

const run = (...args: readonly string[]): Run['ended'] => new Run(...args).ended;

const textOf = (number: number): string => `# Page ${number}\n\nThis is *page* ${number}.\n`;

/** Midway: it had begun something. */
const killedMidway = /^[1-9]\d* pages were begun by a worker that was killed, and made by another\.$/m;

/** A folder with Markdown. */
function folderWith(files: number): string {
  const folder = temporaryDirectory();
  mkdirSync(join(folder, 'below'));
  for (let number = 0; number < files; number++) write(folder, number, textOf(number));
  return folder;
}

const nameOf = (number: number): string => `${number % 2 ? 'below/' : ''}${number}.md`;
const write = (folder: string, number: number, text: string): void =>
  writeFileSync(join(folder, nameOf(number)), text);

/** All files but the store. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(folder, join(parentPath, name)))
    .filter((path) => !path.startsWith('.store'))
    .sort();
}

/** Lines that are the same in Markdown and in HTML. */
const plainLines = (text: string): string[] => text.match(/^[A-Za-z][A-Za-z ,.]{20,}[A-Za-z.]$/gm) ?? [];

test('the Markdown that npm has installed becomes pages, one for each file, though a worker is killed and steps fail', async () => {
  const out = temporaryDirectory();
  const { code, stdout, stderr } = await run(`--out=${out}`);
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining('Error') as string });

  const sources = filesIn(packages).filter((path) => /\.md$/i.test(path));
  expect(sources.length).toBeGreaterThan(100);
  expect(filesIn(out)).toEqual(sources.map((path) => `${path}.html`));
  let compared = 0;
  for (const path of sources) {
    const page = readFileSync(join(out, `${path}.html`), 'utf8');
    expect(page).toContain(`Made from <code>${path}</code>`);
    for (const line of plainLines(readFileSync(join(packages, path), 'utf8'))) {
      expect(page, path).toContain(line);
      compared++;
    }
  }
  expect(compared).toBeGreaterThan(1_000);
  const failures = sources.reduce((sum, path) => sum + hiccups(path), 0);
  expect(stdout).toContain(`Publishing failed ${failures} times, on purpose, and was tried again.`);
  expect(stdout).toMatch(/^Killed worker \d+ with [1-4] pages under way: .+\((rendering|publishing)\)/m);
  expect(stdout).toMatch(killedMidway);
  expect(stdout).toMatch(/^Report: \d+ pages under way, \d+ to be tried again, \d+ waiting\.$/m);
  const all = sources.length;
  expect(stdout).toContain(
    `0 waiting, 0 delayed, 0 running, ${all} completed, 0 failed, 0 cancelled\n` +
      `${all} files, ${all} pages: each made once, and of what is in its file.\n`,
  );
});

test('one worker alone that is killed is replaced', async () => {
  const { code, stdout } = await run('--workers=1', `--from=${folderWith(20)}`);
  expect(stdout).toContain('20 files, 20 pages: each made once, and of what is in its file.');
  expect(stdout).toMatch(/^Killed worker/m);
  expect(stdout).toMatch(killedMidway);
  expect(code).toBe(0);
});

test('goes on where it was when all of its processes were killed', async () => {
  const [from, out] = [folderWith(60), temporaryDirectory()];
  const first = new Run(`--from=${from}`, `--out=${out}`);
  await until(() => filesIn(out).filter((path) => path.endsWith('.html')).length >= 10);
  first.killAll();
  await first.ended;

  const { code, stdout } = await run(`--from=${from}`, `--out=${out}`);
  const [, left] = /^Pages to make: (\d+)$/m.exec(stdout) ?? [];
  expect(Number(left)).toBeLessThan(60);
  expect(stdout).toContain('60 completed, 0 failed');
  expect(stdout).toContain('60 files, 60 pages: each made once, and of what is in its file.');
  expect(code).toBe(0);
});

test('makes again only the pages of files that have changed', async () => {
  const [from, out] = [folderWith(12), temporaryDirectory()];
  await run(`--from=${from}`, `--out=${out}`);
  write(from, 7, '# Another page 7\n');
  const { code, stdout } = await run(`--from=${from}`, `--out=${out}`);
  expect(stdout).toContain('Pages to make: 1\n');
  expect(stdout).toContain('12 files, 12 pages: each made once');
  expect(readFileSync(join(out, `${nameOf(7)}.html`), 'utf8')).toContain('<h1>Another page 7</h1>');
  expect(code).toBe(0);
});

test('two producers at once add one job for each file', async () => {
  const [from, out] = [folderWith(50), temporaryDirectory()];
  const site = new Site(out);
  onTestFinished(() => site.close());
  await inProcesses(2, producer, from, out);
  expect(site.counts()).toMatchObject({ waiting: 50, delayed: 0, running: 0 });
});

test('a file that changes while its job waits or runs has one page, of its last text', async () => {
  const site = new Site(temporaryDirectory());
  onTestFinished(() => site.close());
  let text = '';
  const change = (to: string): void => site.add('a.md', (text = to));
  change('first');
  change('second');
  expect(site.left).toBe(1);
  const made: string[] = [];
  site.work(async (job) => {
    made.push(text);
    if (text === 'second') {
      change('third');
      change('fourth');
      site.complete(job, 'second');
    } else site.complete(job, text);
  }, 4);
  await site.idle();
  expect(made).toEqual(['second', 'fourth']);
  expect([...site.pages()]).toEqual([
    { path: 'a.md', digest: digestOf('fourth'), done: { digest: digestOf('fourth'), times: 1 } },
  ]);
});

test('says which page could not be made, and makes it in the next run', async () => {
  const [from, out] = [folderWith(3), temporaryDirectory()];
  mkdirSync(join(out, '0.md.html'));
  const failed = await run(`--from=${from}`, `--out=${out}`);
  expect(failed).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('2 completed, 1 failed') as string,
    stderr: expect.stringMatching(
      /^0\.md: failed for good: E\w+.*\n0\.md: not done\n0\.md: has no page$/m,
    ) as string,
  });
  rmSync(join(out, '0.md.html'), { recursive: true });
  expect(await run(`--from=${from}`, `--out=${out}`)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('3 completed, 0 failed') as string,
  });
});

test('the check finds a page that is missing, surplus, another, or was made twice', async () => {
  const [from, out] = [folderWith(8), temporaryDirectory()];
  expect((await run(`--from=${from}`, `--out=${out}`)).code).toBe(0);
  const site = new Site(out);
  onTestFinished(() => site.close());
  expect(check(site, from, out)).toEqual([]);

  rmSync(join(out, `${nameOf(0)}.html`));
  cpSync(join(out, `${nameOf(2)}.html`), join(out, `${nameOf(1)}.html`));
  writeFileSync(join(out, 'surplus.html'), '');
  write(from, 4, 'changed\n');
  write(from, 8, 'new\n');
  const worker = site.work(async (job) => site.complete(job, textOf(6)), 1);
  // Entered as another, it is made once more; and then once more from the same text.
  for (const text of ['a', 'b']) {
    site.add(nameOf(6), text);
    await site.idle();
  }
  await worker.stop();
  expect(check(site, from, out).sort()).toEqual(
    [
      '0.md: has no page',
      'below/1.md: its page is another',
      '4.md: not done',
      '4.md: its page is another',
      '6.md: done 3 times',
      '8.md: nobody knows of it',
      'surplus.html: a page of no file',
    ].sort(),
  );
});

test('a page runs nothing and loads nothing, whatever is in the file', () => {
  const page = render('<a&b>.md', '# Title <img src=x onerror=alert(1)>\n\n<script>alert(1)</script>\n');
  expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
  expect(page).toContain('<title>Title &lt;img src=x onerror=alert(1)&gt;</title>');
  expect(page).toContain('Made from <code>&lt;a&amp;b&gt;.md</code>');
});

test('numbers that make no sense are refused, with what would', async () => {
  expect(await run('--workers=0')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/0 is no whole number from 1 to 64[^]*Usage:/) as string,
  });
  expect(await run('--wokers=2')).toMatchObject({ code: 2 });
  for (const from of [temporaryDirectory(), '/nowhere'])
    expect(await run(`--from=${from}`)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`${from} has no Markdown in it`) as string,
    });
});
