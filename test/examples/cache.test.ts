import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../support/processes.js';

/** The examples resolve `holdfast` to the built package. */
const fileOf = (name: string): string =>
  fileURLToPath(new URL(`../../examples/cache/${name}.js`, import.meta.url));

/** What an example prints; it must leave no temporary files, and nothing to complain about. */
async function run(name: string, ...args: readonly string[]): Promise<string> {
  const TMPDIR = temporaryDirectory();
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [fileOf(name), ...args], {
    env: { ...process.env, TMPDIR, TEMP: TMPDIR },
  });
  expect(stderr).toBe('');
  expect(readdirSync(TMPDIR)).toEqual([]);
  return stdout;
}

/** The paragraphs of what was printed, each without what it took. */
const paragraphs = (stdout: string): string[] => stdout.replaceAll(/^ *[\d.]+ ms: /gm, '').split('\n\n');

const count = (text: string, part: RegExp): number => text.match(part)?.length ?? 0;

test('a model is called once for a prompt: by all callers of all processes, again after an error, and anew while the old answer is served', async () => {
  const [twice = '', many = '', failing = '', later = ''] = paragraphs(await run('model-call'));
  const calls = /process \d+ calls the model/g;
  const holdfast =
    'What a seaweed has in place of roots: it takes nothing from the rock, it just never lets go.';
  expect(count(twice, calls)).toBe(1);
  expect(twice.split('\n').slice(2)).toEqual([
    `${holdfast} (Said on Monday.)`,
    `${holdfast} (Said on Monday.)`,
  ]);

  expect(count(many, calls)).toBe(1);
  const answered =
    /^ {2}Process (\d+), 25 callers: Rarely\. Often it is the rock that gives way\. \(Said on Monday\.\)$/gm;
  expect(new Set([...many.matchAll(answered)].map(([, process]) => process)).size).toBe(4);

  expect(count(failing, calls)).toBe(2);
  expect(failing.split('\n').filter((line) => !line.includes('calls the model'))).toEqual([
    'An error goes to those who wait for it, and is not kept:',
    'Error: 529: the model is overloaded',
    'Some live for 25 years, and have a ring for each in the stalk. (Said on Monday.)',
  ]);

  expect(count(later, calls)).toBe(1);
  expect(later.match(/Said on \w+/g)).toEqual(['Said on Monday', 'Said on Wednesday']);
});

test('fragments of pages are rendered by one of three servers; when an article changes, the pages of all do, and what it is not in stays', async () => {
  const [before = '', after = ''] = paragraphs(await run('page-fragments'));
  const renderings = (text: string): string[] =>
    [...text.matchAll(/server \d+ renders (.+)/g)].map(([, what = '']) => what).sort();
  const page = (dulse: string, rest: string): string =>
    [
      `<nav>Kelp grows half a metre a day | ${dulse}</nav>`,
      '<p>Kelp grows half a metre a day. In summer you could watch it.</p>',
      `<p>${dulse}. ${rest}</p>`,
    ].join('\n');
  expect(renderings(before)).toEqual(['dulse', 'kelp', 'the contents']);
  expect(before).toContain(
    `30 readers, and all have read this:\n${page('Dulse tastes of bacon', 'So they say.')}`,
  );
  expect(before).not.toContain('or this');

  expect(after).toContain('2 fragments are gone, for all servers.');
  expect(renderings(after)).toEqual(['dulse', 'the contents']);
  for (const server of [1, 2, 3])
    expect(after).toContain(
      `Server ${server} now says:\n${page('Dulse does not taste of bacon', 'We have tried it.')}`,
    );
});

test('a feed is fetched once a minute, whoever reads it; the old one is read meanwhile, and while its server is down', async () => {
  expect((await run('feed')).split('\n')).toEqual([
    '09:00:00 50 readers, all at once: Ebb at Bantry, and 0 before it (fresh; 1 fetched so far)',
    '09:00:30 Half a minute later: Ebb at Bantry, and 0 before it (fresh; 1 fetched so far)',
    '09:01:30 A minute later, the old one at once: Ebb at Bantry, and 0 before it (stale; 1 fetched so far)',
    '09:01:30 and the new one, fetched meanwhile: Flood at Galway, and 1 before it (fresh; 2 fetched so far)',
    '10:31:30 The server has been down for an hour and a half: Flood at Galway, and 1 before it (stale; 2 fetched so far)',
    '10:31:30 It was asked in vain; still: Flood at Galway, and 1 before it (stale; 2 fetched so far)',
    '10:31:30 It is up again: Spring tide at Cork, and 3 before it (fresh; 3 fetched so far)',
    '',
  ]);
});

test('embeddings are kept as half floats: a tenth of their JSON, found by likeness all the same, and none is made twice', async () => {
  const stdout = await run('embeddings');
  const [first = '', again = ''] = stdout.split('Again: ');
  expect(first).toContain('is like these (11 calls of the model)');
  expect(again).toContain('is like these (0 calls of the model)');
  const found = (text: string): string[] => text.match(/^ {2}\d\.\d{3} .+$/gm) ?? [];
  expect(found(first)).toHaveLength(3);
  expect(found(first)[0]).toMatch(/A holdfast is how seaweed clings to a rock\./);
  expect(found(again)).toEqual(found(first));

  const [half = 0, full = 0, json = 0] = [...stdout.matchAll(/(\d+) bytes/g)].map(([, bytes]) =>
    Number(bytes),
  );
  // Of 1024 numbers, and a key.
  expect(half).toBeGreaterThan(2 * 1024);
  expect(half).toBeLessThan(2.2 * 1024);
  expect(full).toBeGreaterThan(4 * 1024);
  expect(json).toBeGreaterThan(9 * half);
  const [, likeness] = /its likeness to what it was is (\d\.\d+)/.exec(stdout) ?? [];
  expect(Number(likeness)).toBeGreaterThan(0.99999);
  expect(Number(likeness)).toBeLessThan(1);
});

test('embeddings of a question that is given are looked for', async () => {
  const stdout = await run('embeddings', 'which birds open shells?');
  expect(stdout).toMatch(/^First: "which birds open shells\?".+\n {2}\d\.\d+ Herring gulls drop shells/);
});

test('a computation that is killed before it could keep a step goes on with that one, and ends as without a break', async () => {
  const lines = (await run('checkpoints')).split('\n');
  expect(lines.slice(0, 5)).toEqual([
    'Begins at generation 0. SIGKILL after 299: 161 cells.',
    'Begins at generation 299. SIGKILL after 799: 228 cells.',
    // That it is stable then, with 116 cells, has been known since 1969.
    'Begins at generation 799. Done after 1103: 116 cells.',
    '1103 generations were computed and kept, 1103 different ones.',
    'The same as without a break:',
  ]);
});

test('a computation that is killed at any moment computes nothing again that it has reported', async () => {
  const directory = temporaryDirectory();
  const whole = await promisify(execFile)(process.execPath, [fileOf('checkpoints'), temporaryDirectory()]);
  let reported: string[] = [];
  let kills = 0;
  for (const lines of [2, 50, 100, 150, Infinity]) {
    const seen = await linesOfKilled(directory, lines);
    expect(seen.begins).toBeGreaterThanOrEqual(reported.length);
    // One more at most: it was kept, but to report it there was no time.
    expect(seen.begins).toBeLessThanOrEqual(reported.length + 1);
    if (seen.begins > reported.length) reported.push('kept, and not reported');
    reported = [...reported, ...seen.generations];
    kills += Number(seen.signal === 'SIGKILL');
  }
  expect(kills).toBeGreaterThan(0);
  expect(reported).toHaveLength(1103);
  const wanted = whole.stdout.split('\n').slice(1, 1104);
  for (const [i, line] of reported.entries()) if (/^\d/.test(line)) expect(line).toBe(wanted[i]);
  expect(reported.filter((line) => !/^\d/.test(line)).length).toBeLessThanOrEqual(4);
});

/** Has it computed in `directory`, and kills it when it has printed so many lines, unless it has ended. */
async function linesOfKilled(
  directory: string,
  most: number,
): Promise<{ begins: number; generations: string[]; signal: unknown }> {
  const child = spawn(process.execPath, [fileOf('checkpoints'), directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  const lines: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    lines.push(line);
    if (lines.length === most) child.kill('SIGKILL');
  }
  const [, signal] = (await exit) as unknown[];
  const begins = Number(/\d+/.exec(lines[0] ?? '')?.[0]);
  return { begins, generations: lines.filter((line) => /^\d+: \d+ cells$/.test(line)), signal };
}
