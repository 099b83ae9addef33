import {
  chmodSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { Deque, Index, open, type ErrorCode } from '../../src/index.js';
import { startProcess, temporaryDirectory, type TestProcess } from '../support/processes.js';
import { randomFrom } from '../support/random.js';
import { contents, failure, isRoot, modes, mountDisk, openStore, raw, seed } from './support.js';

/** A store with a few entries that nobody has open. */
function closedStore(directory = temporaryDirectory()): string {
  const store = open(directory);
  const pairs = new Index<string, string>(store, 'pairs');
  pairs.set('key', 'value');
  store.transaction(() => {
    for (let i = 0; i < 300; i++) pairs.set(`key ${i}`, 'x'.repeat(200));
  });
  store.close();
  return directory;
}

/** Opening fails with this code, in words that name the path, and leaves every file as it was. */
function expectRefused(
  directory: string,
  code: ErrorCode,
  options?: Parameters<typeof open>[1],
  mentions = directory,
): string {
  const before = contents(directory);
  const error = failure(() => {
    const store = open(directory, options);
    // Damage further behind is seen when it is read.
    new Index(store, 'pairs').toMap();
    store.close();
  });
  expect(error).toMatchObject({ name: 'HoldfastError', code });
  expect(error.message).toContain(mentions);
  const after = contents(directory);
  for (const [file, bytes] of before) {
    // The index of the log, and an empty log, are SQLite's own scratch files.
    if (file.endsWith('-shm') || bytes === '') continue;
    expect(after.get(file) === bytes, `${file} is unchanged`).toBe(true);
  }
  return error.message;
}

test('open creates the directory and those above it', () => {
  const directory = join(temporaryDirectory(), 'a', 'b', 'c');
  const store = openStore(directory);
  expect(store.directory).toBe(directory);
  expect(modes(directory)).toHaveProperty(['holdfast.db']);
  for (const path of [directory, join(directory, '..'), join(directory, '..', '..')]) {
    expect(statSync(path).mode & 0o777).toBe(0o700);
  }
});

test('open takes a relative path from the directory of the process, and a file: URL', () => {
  const directory = join(temporaryDirectory(), 'with space');
  const store = openStore(pathToFileURL(directory) as unknown as string);
  expect(store.directory).toBe(directory);
  const cwd = process.cwd();
  onTestFinished(() => {
    process.chdir(cwd);
  });
  process.chdir(directory);
  expect(openStore('.').directory).toBe(directory);
});

test('open leaves the permissions of a directory that exists as they are', () => {
  const directory = temporaryDirectory();
  chmodSync(directory, 0o750);
  openStore(directory);
  expect(statSync(directory).mode & 0o777).toBe(0o750);
});

test.each([0, 0o077, 0o022, 0o007])('every file of a store is private under umask %o', async (umask) => {
  const directory = join(temporaryDirectory(), 'above', 'store');
  const child = startProcess('core-modes.js', directory, umask);
  await child.nextMessage();
  const found = modes(join(directory, '..', '..'));
  const names = Object.keys(found);
  for (const file of ['holdfast.db', 'holdfast.db-wal', 'holdfast.db-shm', 'owners', 'bells']) {
    expect(names).toContain(`above/store/${file}`);
  }
  for (const [file, mode] of Object.entries(found)) {
    const isDirectory = statSync(join(directory, '..', '..', file)).isDirectory();
    expect(mode, file).toBe(isDirectory ? '700' : '600');
  }
  expect(names.filter((file) => /(owners|bells)\/./.test(file))).toHaveLength(2);
  void child.send('end');
  await child.result();
  expect(Object.keys(modes(directory))).toEqual(['bells', 'holdfast.db', 'owners']);
});

test('a store that only reads and writes has no files but its database', () => {
  const store = openStore();
  new Deque(store, 'items').push(1);
  expect(Object.keys(modes(store.directory))).toEqual(['holdfast.db', 'holdfast.db-shm', 'holdfast.db-wal']);
});

test('open with create: false takes a store that exists, and creates nothing', () => {
  const parent = temporaryDirectory();
  const missing = join(parent, 'missing');
  const error = failure(() => open(missing, { create: false }));
  expect(error.code).toBe('ERR_NOT_FOUND');
  expect(error.message).toContain(missing);
  expect(failure(() => open(parent, { create: false })).code).toBe('ERR_NOT_FOUND');
  expect(modes(parent)).toEqual({});
  const store = openStore(closedStore(), { create: false });
  expect(new Index(store, 'pairs').get('key')).toBe('value');
});

test.each([
  [{ readOnly: true }, TypeError, 'options of open() has no option "readOnly"'],
  [{ busyTimout: 1 }, TypeError, '"busyTimout"'],
  [{ durability: 'disk' }, TypeError, 'durability must be one of "process", "power"'],
  [{ readonly: 1 }, TypeError, 'readonly must be true or false'],
  [{ create: 'yes' }, TypeError, 'create must be true or false'],
  [{ readonly: true, create: true }, TypeError, 'readonly: true and create: true exclude each other'],
  [{ busyTimeout: '5 parsecs' }, TypeError, 'busyTimeout must be milliseconds'],
  [{ busyTimeout: -1 }, RangeError, 'busyTimeout must be from 0'],
  [{ busyTimeout: NaN }, RangeError, 'busyTimeout must be from 0'],
  [{ busyTimeout: Infinity }, RangeError, 'busyTimeout must be from 0'],
  [{ clock: 5 }, TypeError, 'clock must be an object'],
  [{ clock: { wall: () => 0 } }, TypeError, 'clock.monotonic must be a function'],
  [[], TypeError, 'must be an object'],
  [null, TypeError, 'must be an object'],
  ['readonly', TypeError, 'must be an object'],
])('open refuses the options %j, and creates nothing', (options, type, message) => {
  const directory = join(temporaryDirectory(), 'store');
  const attempt = () => open(directory, options as never);
  expect(attempt).toThrow(type);
  expect(attempt).toThrow(message);
  expect(modes(join(directory, '..'))).toEqual({});
});

test.each([undefined, null, '', 5, {}, 'a\0b', new URL('https://example.org/')])(
  'open refuses %s for a directory',
  (directory) => {
    expect(() => open(directory as never)).toThrow(TypeError);
  },
);

test('an option that is undefined counts as not given', () => {
  openStore(temporaryDirectory(), { durability: undefined, create: undefined, readonly: undefined });
});

test.each([{}, { create: false }, { readonly: true }])(
  'open %j says that a file is where the directory should be',
  (options) => {
    const parent = temporaryDirectory();
    const file = join(parent, 'file');
    writeFileSync(file, 'mine');
    for (const directory of [file, join(file, 'below')]) {
      const error = failure(() => open(directory, options));
      expect(error.code).toBe('ERR_NOT_A_STORE');
      expect(error.message).toContain(directory);
      expect(error.message).toContain('choose another directory');
    }
    expect(contents(parent)).toEqual(new Map([['file', 'mine']]));
  },
);

test.each([{}, { create: false }, { readonly: true }])(
  'open %j says that a directory is where the database should be',
  (options) => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'holdfast.db'));
    writeFileSync(join(directory, 'holdfast.db', 'mine'), 'mine');
    expect(expectRefused(directory, 'ERR_NOT_A_STORE', options)).toContain('should be a file');
  },
);

test('open reports paths that the system refuses as errors of the library', () => {
  const parent = temporaryDirectory();
  symlinkSync(join(parent, 'loop'), join(parent, 'loop'));
  expect(failure(() => open(join(parent, 'loop'))).message).toContain(parent);
  expect(failure(() => open(join(parent, 'x'.repeat(300))))).toMatchObject({ code: 'ERR_IO' });
  symlinkSync(join(parent, 'nowhere'), join(parent, 'holdfast.db'));
  expect(failure(() => open(parent)).code).toBe('ERR_NOT_FOUND');
});

test('a directory that is a symbolic link is the directory it points to', () => {
  const directory = closedStore();
  const link = join(temporaryDirectory(), 'link');
  symlinkSync(directory, link);
  expect(new Index(openStore(link), 'pairs').get('key')).toBe('value');
});

const bytes = (length: number): Buffer => {
  const random = randomFrom(seed);
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
};

test.each<[string, (database: string) => void]>([
  ['random bytes', (file) => writeFileSync(file, bytes(20_000))],
  ['a few bytes', (file) => writeFileSync(file, 'hi')],
  ['a text', (file) => writeFileSync(file, 'Dear diary, today was no database.\n'.repeat(100))],
  ['half of its header', (file) => truncateSync(file, 50)],
  ['only its header', (file) => truncateSync(file, 100)],
  ['a part of its first page', (file) => truncateSync(file, 1_000)],
  ['only its first page', (file) => truncateSync(file, 4_096)],
  ['only its first half', (file) => truncateSync(file, Math.floor(statSync(file).size / 2))],
])('open refuses a database that is %s, and changes nothing', (_, garble) => {
  const directory = closedStore();
  garble(join(directory, 'holdfast.db'));
  expect(expectRefused(directory, 'ERR_CORRUPT'), `SEED=${seed}`).toContain('backup');
  expectRefused(directory, 'ERR_CORRUPT', { readonly: true });
  expectRefused(directory, 'ERR_CORRUPT', { create: false });
});

test.each(['DELETE', 'WAL'])(
  'open refuses the database of another program (journal mode %s), and changes nothing',
  (mode) => {
    const directory = temporaryDirectory();
    const db = raw(directory);
    db.pragma(`journal_mode = ${mode}`);
    db.exec('CREATE TABLE mine (a); INSERT INTO mine VALUES (1)');
    db.close();
    expectRefused(directory, 'ERR_NOT_A_STORE');
    expectRefused(directory, 'ERR_NOT_A_STORE', { readonly: true });
  },
);

test('open refuses the database of a program that marks its own', () => {
  const directory = temporaryDirectory();
  const db = raw(directory);
  db.pragma('application_id = 77');
  db.close();
  expectRefused(directory, 'ERR_NOT_A_STORE');
});

test('open refuses a store of a newer version that it could damage, and changes nothing', () => {
  const directory = closedStore();
  const db = raw(directory);
  db.exec('INSERT INTO migrations (id, breaking) VALUES (999, 1)');
  db.close();
  expect(expectRefused(directory, 'ERR_SCHEMA_TOO_NEW')).toContain('999');
  expect(expectRefused(directory, 'ERR_SCHEMA_TOO_NEW', { readonly: true })).toContain('update holdfast');
});

test('open takes a store of a newer version that says it can’t be damaged', () => {
  const directory = closedStore();
  const db = raw(directory);
  db.exec('CREATE TABLE novelties (a); INSERT INTO migrations (id, breaking) VALUES (999, 0)');
  db.close();
  const store = openStore(directory);
  new Index(store, 'pairs').set('key', 'new');
  expect(new Index(store, 'pairs').get('key')).toBe('new');
});

/** What comes of using a directory as a user without rights: the error, or the value read. */
function unprivileged(
  directory: string,
  options: object = {},
  action = 'read',
): Promise<{ code?: string; message: string; value?: string }> {
  return startProcess('core-unprivileged.js', directory, JSON.stringify(options), action).result();
}

test.each([{}, { create: false }, { readonly: true }])(
  'open %j says that access to the directory is denied',
  async (options) => {
    const directory = closedStore();
    const before = contents(directory);
    chmodSync(directory, isRoot ? 0o700 : 0);
    const { code, message } = await unprivileged(directory, options);
    chmodSync(directory, 0o700);
    expect(code).toBe('ERR_PERMISSION');
    expect(message).toContain(directory);
    expect(message).toContain('permissions');
    expect(contents(directory)).toEqual(before);
  },
);

test('open says that it may not create a directory', async () => {
  const parent = temporaryDirectory();
  chmodSync(parent, 0o555);
  const { code, message } = await unprivileged(join(parent, 'new', 'store'));
  expect(code).toBe('ERR_PERMISSION');
  expect(message).toContain(parent);
  expect(modes(parent)).toEqual({});
});

test('open says that it may not write to the directory, or to the database', async () => {
  const directory = closedStore();
  const before = contents(directory);
  chmodSync(join(directory, 'holdfast.db'), 0o666);
  chmodSync(directory, 0o555);
  expect((await unprivileged(directory, {}, 'write')).code).toBe('ERR_PERMISSION');
  chmodSync(join(directory, 'holdfast.db'), 0o444);
  chmodSync(directory, 0o777);
  expect((await unprivileged(directory, {}, 'write')).code).toBe('ERR_PERMISSION');
  chmodSync(join(directory, 'holdfast.db'), isRoot ? 0o600 : 0);
  const { code, message } = await unprivileged(directory, { readonly: true });
  expect(code).toBe('ERR_PERMISSION');
  expect(message).toContain(directory);
  chmodSync(directory, 0o700);
  chmodSync(join(directory, 'holdfast.db'), 0o600);
  expect(contents(directory)).toEqual(before);
});

test('open says that the disk can only be read, and changes nothing', async () => {
  const disk = mountDisk(4_000_000);
  const directory = closedStore(disk ? join(disk.directory, 'store') : undefined);
  if (disk === undefined) {
    // Nearest to it where no disk may be mounted.
    chmodSync(directory, 0o555);
    expect((await unprivileged(directory)).code).toBe('ERR_PERMISSION');
    chmodSync(directory, 0o700);
    return;
  }
  disk.remount('ro');
  expect(expectRefused(directory, 'ERR_READONLY')).toContain('choose another directory');
  expectRefused(directory, 'ERR_READONLY', { create: false });
  const elsewhere = join(disk.directory, 'new', 'store');
  expect(failure(() => open(elsewhere))).toMatchObject({ code: 'ERR_READONLY' });
  expect(failure(() => open(elsewhere, { create: false }))).toMatchObject({ code: 'ERR_NOT_FOUND' });
  // SQLite needs to make the log's index even to read.
  expectRefused(directory, 'ERR_PERMISSION', { readonly: true });
});

test('16 processes that open a brand-new directory at the same instant all succeed', async () => {
  const parent = temporaryDirectory();
  const children = Array.from({ length: 16 }, (_, key) => ({ key, child: startProcess('core-open.js') }));
  for (let round = 0; round < 16; round++) {
    const directory = join(parent, `store ${round}`, 'of', 'all');
    await Promise.all(children.map(({ child }) => child.nextMessage()));
    for (const { key, child } of children) void child.send({ directory, key });
    await Promise.all(children.map(({ child }) => child.nextMessage()));
    const store = open(directory);
    expect(new Index(store, 'openers').size, `round ${round}`).toBe(16);
    store.close();
    expect(readdirSync(directory).filter((file) => file.endsWith('.new'))).toEqual([]);
  }
});

test('processes killed while they create a store keep nobody from opening it', async () => {
  const parent = temporaryDirectory();
  const random = randomFrom(seed);
  const start = (): TestProcess => startProcess('core-open.js');
  let children = Array.from({ length: 10 }, start);
  for (let round = 0; round < 8; round++) {
    const directory = join(parent, `store ${round}`);
    await Promise.all(children.map((child) => child.nextMessage()));
    children.forEach((child, key) => void child.send({ directory, key }));
    const [victims, others] = [children.slice(0, 3), children.slice(3)];
    for (const victim of victims) {
      await new Promise((resolve) => setTimeout(resolve, random() * 8));
      victim.child.kill('SIGKILL');
    }
    await Promise.all(victims.map((victim) => victim.exited));
    for (const child of others) await child.nextMessage();
    const store = open(directory);
    const openers = new Index<number, number>(store, 'openers');
    for (let key = 3; key < 10; key++) expect(openers.has(key), `SEED=${seed} round ${round}`).toBe(true);
    store.close();
    children = [...victims.map(start), ...others];
  }
});

test('a process killed at any step of its life leaves a store that opens, and no half of a transaction', async () => {
  const parent = temporaryDirectory();
  let steps = 0;
  for (let ended = false; !ended;) {
    const batch = await Promise.all(
      [1, 2, 3].map(async (n) => {
        const directory = join(parent, String(steps + n));
        const { code, signal } = await startProcess('core-die-at.js', directory, steps + n).exited;
        return { directory, code, signal };
      }),
    );
    for (const { directory, code, signal } of batch) {
      expect(code === 0 ? null : signal).toBe(code === 0 ? null : 'SIGKILL');
      ended ||= code === 0;
      const store = open(directory);
      expect(new Index(store, 'pairs').size).toBe(new Deque(store, 'items').size);
      new Deque(store, 'empty').push('for whoever comes');
      // What the dead had waited for is not lost on them.
      expect(await new Deque(store, 'empty').take({ timeout: '20s' })).toBe('for whoever comes');
      store.close();
      const db = new Database(join(directory, 'holdfast.db'));
      expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
      db.close();
    }
    steps += 3;
  }
  expect(steps).toBeGreaterThan(20);
});
