import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { temporaryDirectory } from '../support/processes.js';

/** A commit to be made. Its parent is the one before it in the list. */
export interface Change {
  /** When it was written, and committed where `committed` isn't given; such as `2020-03-01`. */
  readonly date: string;
  readonly committed?: string;
  /** Contents by path; `null` removes the file. */
  readonly files: Readonly<Record<string, string | Uint8Array | null>>;
  readonly links?: Readonly<Record<string, string>>;
  /** The commit merged into it, as a number in the list. */
  readonly merge?: number;
  /** The parent, as a number in the list; `-1` for none. */
  readonly parent?: number;
}

/** What git would otherwise take from whoever runs the tests. */
const environment = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1', LC_ALL: 'C' };

export function git(folder: string, ...args: readonly string[]): string {
  return execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8', env: environment, maxBuffer: 1e9 });
}

/** A repository whose HEAD is the last of the commits; without any, it has no commit. */
export function newRepository(changes: readonly Change[], name = 'repository'): string {
  const folder = join(temporaryDirectory(), name);
  mkdirSync(folder);
  git(folder, 'init', '--quiet', '--initial-branch=main');
  addCommits(folder, changes);
  return folder;
}

/** Adds commits to the branch `main`; numbers of commits count from the first of these. */
export function addCommits(folder: string, changes: readonly Change[], onto?: string): void {
  const stream = changes.flatMap((change, i) => commit(change, i, onto));
  execFileSync('git', ['-C', folder, 'fast-import', '--quiet', '--force'], {
    input: Buffer.concat(stream.map((part) => Buffer.concat([Buffer.from(part), Buffer.from('\n')]))),
    env: environment,
  });
}

function commit(change: Change, number: number, onto: string | undefined): (string | Uint8Array)[] {
  const { date, committed = date, files, links = {}, merge, parent = number - 1 } = change;
  const from = parent >= 0 ? `from :${parent + 1}` : onto === undefined ? '' : `from ${onto}`;
  return [
    // A commit of a branch that has commits would get the branch's last for its parent.
    ...(parent < 0 && onto === undefined && number > 0 ? ['reset refs/heads/main'] : []),
    'commit refs/heads/main',
    `mark :${number + 1}`,
    `author Ada <ada@example.org> ${seconds(date)} +0000`,
    `committer Bob <bob@example.org> ${seconds(committed)} +0000`,
    'data 1\n.',
    ...(from === '' ? [] : [from]),
    ...(merge === undefined ? [] : [`merge :${merge + 1}`]),
    ...Object.entries(files).flatMap(([path, content]) =>
      content === null ? [`D ${quoted(path)}`] : file('100644', path, content),
    ),
    ...Object.entries(links).flatMap(([path, target]) => file('120000', path, target)),
  ];
}

function file(mode: string, path: string, content: string | Uint8Array): (string | Uint8Array)[] {
  return [`M ${mode} inline ${quoted(path)}`, `data ${Buffer.from(content).length}`, content];
}

/** A path between quotes, as git reads it; `<ff>` stands for a single byte, so that a name need not be UTF-8. */
function quoted(path: string): string {
  const octal = (byte: number): string => `\\${byte.toString(8).padStart(3, '0')}`;
  const text = [...Buffer.from(path)].map((byte) =>
    byte > 0x22 && byte < 0x7f ? String.fromCharCode(byte) : octal(byte),
  );
  return `"${text.join('').replace(/<([0-9a-f]{2})>/g, (_, hex: string) => octal(Number.parseInt(hex, 16)))}"`;
}

function seconds(date: string): number {
  return Date.parse(`${date}T12:00:00Z`) / 1_000;
}

/** How many lines of each year or month a commit has, counted in the most direct way. */
export function countLines(folder: string, commit: string, unit: 'year' | 'month'): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const entry of git(folder, 'ls-tree', '-r', '-z', commit).split('\0')) {
    const [facts = '', path = ''] = entry.split(/\t(.*)/s);
    const [mode = '', , blob = ''] = facts.split(' ');
    if (!mode.startsWith('100') || git(folder, 'cat-file', 'blob', blob).includes('\0')) continue;
    const blame = git(folder, 'blame', '--line-porcelain', commit, '--', path);
    for (const [, time] of blame.matchAll(/^author-time (\d+)$/gm)) {
      const period = new Date(Number(time) * 1_000).toISOString().slice(0, unit === 'year' ? 4 : 7);
      counts[period] = (counts[period] ?? 0) + 1;
    }
  }
  return counts;
}

/**
 * A `git` that goes first on the PATH. It writes down each file that is blamed, and makes those beyond the first few wait as long
 * as the test holds them.
 */
export class WatchedGit {
  readonly #folder = temporaryDirectory();
  readonly #log = join(this.#folder, 'log');
  readonly #hold = join(this.#folder, 'hold');

  constructor() {
    const real = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim();
    const script = `#!/bin/sh
for last; do case $last in blame) blames=1;; esac; done
if [ -n "$blames" ]; then
  number=1
  until mkdir '${this.#folder}'/number-$number 2> /dev/null; do number=$((number + 1)); done
  printf '%s\\0' "$last" >> '${this.#log}'
  if [ -e '${this.#hold}' ] && [ $number -gt "$(cat '${this.#hold}')" ]; then
    while [ -e '${this.#hold}' ]; do sleep 0.05; done
  fi
fi
exec '${real}' "$@"
`;
    writeFileSync(join(this.#folder, 'git'), script);
    chmodSync(join(this.#folder, 'git'), 0o755);
    writeFileSync(this.#log, '');
  }

  get environment(): NodeJS.ProcessEnv {
    return { PATH: `${this.#folder}${delimiter}${process.env['PATH'] ?? ''}` };
  }

  /** The paths that were blamed, or begun to be, in order. */
  get blamed(): string[] {
    return readFileSync(this.#log, 'utf8').split('\0').slice(0, -1);
  }

  /** Lets so many more go through, and makes the others wait. */
  holdAfter(count: number): void {
    writeFileSync(this.#hold, String(this.blamed.length + count));
  }

  release(): void {
    rmSync(this.#hold, { force: true });
  }
}
