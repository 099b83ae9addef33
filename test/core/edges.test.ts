import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { mkdirSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { Index, open } from '../../src/index.js';
import { temporaryDirectory } from '../support/processes.js';
import { outcome, sleep } from '../server/proxy.js';

function blocked(directory: string): Database.Database {
  const database = new Database(join(directory, 'holdfast.db'));
  onTestFinished(() => void database.close());
  return database;
}

test('a watch that is aborted while another holds the write lock throws the reason, and leaves no trace', async () => {
  const directory = temporaryDirectory();
  const store = open(directory, { busyTimeout: 100 });
  onTestFinished(() => store.close());
  const index = new Index<string, number>(store, 'i');
  index.set('a', 1);
  const abort = new AbortController();
  const watch = index.watch('a', { signal: abort.signal });
  await watch.next();
  const other = blocked(directory);
  other.exec('BEGIN IMMEDIATE');
  const next = outcome(watch.next());
  await sleep(20);
  const reason = Object.assign(new Error('enough'), { code: 'REASON' });
  abort.abort(reason);
  const ended = await next;
  other.exec('ROLLBACK');
  await sleep(1200);
  expect({ ended, waiters: other.prepare('SELECT count(*) FROM waiters').pluck().get() }).toEqual({
    ended: { error: 'REASON' },
    waiters: 0,
  });
});

test('an iteration does not yield what was rolled back', () => {
  const store = open(temporaryDirectory());
  onTestFinished(() => store.close());
  const index = new Index<string, number>(store, 'i');
  index.set('a', 1);
  let keys: IterableIterator<string> | undefined;
  store.transaction(() => {
    try {
      store.transaction(() => {
        index.set('b', 2);
        keys = index.keys();
        keys.next();
        throw new Error('rolled back');
      });
    } catch {
      // The inner transaction alone is undone.
    }
    expect([...(keys ?? [])]).toEqual([]);
  });
});

test('a pipe in the place of the database is refused at once', () => {
  const directory = temporaryDirectory();
  mkdirSync(directory, { recursive: true });
  execFileSync('mkfifo', [join(directory, 'holdfast.db')]);
  const library = pathToFileURL(join(import.meta.dirname, '../../dist/index.js')).href;
  const results = ['{}', '{ readonly: true }'].map((options) => {
    const script = `import { open } from ${JSON.stringify(library)};
      try { open(${JSON.stringify(directory)}, ${options}); } catch (error) { console.log(error.code); }`;
    const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      timeout: 4000,
      killSignal: 'SIGKILL',
      encoding: 'utf8',
    });
    return signal ?? stdout.trim();
  });
  expect(results).toEqual(['ERR_NOT_A_STORE', 'ERR_NOT_A_STORE']);
});
