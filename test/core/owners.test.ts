import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { Owners } from '../../src/core/owners.js';
import { Deque, open } from '../../src/index.js';
import { startProcess, temporaryDirectory, type TestProcess } from '../support/processes.js';
import { openStore, raw, until } from './support.js';

function newOwners(directory: string): Owners {
  const owners = new Owners(directory);
  onTestFinished(() => {
    owners.close();
  });
  return owners;
}

async function ownerProcess(directory: string): Promise<{ child: TestProcess; token: string }> {
  const child = startProcess('core-owner.js', directory);
  return { child, token: await child.nextMessage() };
}

test('an owner in another process is alive until it closes in good order, and leaves no file', async () => {
  const directory = temporaryDirectory();
  const owners = newOwners(directory);
  const { child, token } = await ownerProcess(directory);
  for (let i = 0; i < 3; i++) expect(owners.isAlive(token)).toBe(true);
  await child.send('close');
  await child.nextMessage();
  expect(owners.isAlive(token)).toBe(false);
  expect(readdirSync(join(directory, 'owners'))).toEqual([]);
});

test('an owner that is killed is dead, whoever asks first', async () => {
  const directory = temporaryDirectory();
  const { child, token } = await ownerProcess(directory);
  const [asked, new_] = [newOwners(directory), newOwners(directory)];
  expect(asked.isAlive(token)).toBe(true);
  await child.kill9();
  expect(asked.isAlive(token)).toBe(false);
  expect(new_.isAlive(token)).toBe(false);
  expect(existsSync(join(directory, 'owners', token))).toBe(true);
  asked.forget(token);
  expect(readdirSync(join(directory, 'owners'))).toEqual([]);
  expect(new_.isAlive(token)).toBe(false);
});

test.skipIf(process.platform === 'win32')('an owner that is stopped is alive', async () => {
  const directory = temporaryDirectory();
  const { child, token } = await ownerProcess(directory);
  child.pause();
  const owners = newOwners(directory);
  for (let i = 0; i < 3; i++) expect(owners.isAlive(token)).toBe(true);
  child.resume();
  expect(owners.isAlive(token)).toBe(true);
});

test.runIf(process.platform === 'linux')(
  'an owner that is a zombie is dead, though its process number still exists',
  async () => {
    const directory = temporaryDirectory();
    const script = fileURLToPath(new URL('../processes/core-owner.js', import.meta.url));
    // A parent that never asks how its child ended.
    const parent = spawn('bash', [
      '-c',
      '"$0" "$1" "$2" & echo $!; exec sleep 1000',
      process.execPath,
      script,
      directory,
    ]);
    onTestFinished(() => void parent.kill('SIGKILL'));
    let output = '';
    parent.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    await until(() => output.split('\n').length === 3);
    // The shell and its child write when they get to it, in either order; a process number is the shorter of the two.
    const [number, token] = output
      .trim()
      .split('\n')
      .sort((a, b) => a.length - b.length) as [string, string];
    const owners = newOwners(directory);
    expect(owners.isAlive(token)).toBe(true);
    process.kill(Number(number), 'SIGKILL');
    await until(() => readFileSync(`/proc/${number}/stat`, 'utf8').includes(') Z '));
    expect(process.kill(Number(number), 0)).toBe(true);
    // Its first thread may be a zombie while others still end.
    await until(() => !owners.isAlive(token));
    expect(process.kill(Number(number), 0)).toBe(true);
  },
);

test('an owner in a worker thread is alive until the thread is terminated', async () => {
  const directory = temporaryDirectory();
  const worker = new Worker(
    `import('${new URL('../../dist/core/owners.js', import.meta.url).href}').then(({ Owners }) => {
       const owners = new Owners(${JSON.stringify(directory)});
       require('node:worker_threads').parentPort.postMessage(owners.token());
       setInterval(() => owners, 1e6);
     })`,
    { eval: true, execArgv: [] },
  );
  onTestFinished(() => void worker.terminate());
  const [token] = (await once(worker, 'message')) as [string];
  const owners = newOwners(directory);
  expect(owners.isAlive(token)).toBe(true);
  const other = await ownerProcess(directory);
  expect(owners.isAlive(other.token)).toBe(true);
  await worker.terminate();
  expect(owners.isAlive(token)).toBe(false);
});

test('owners of one process are alive for each other, each until it closes', async () => {
  const directory = temporaryDirectory();
  const [a, b] = [newOwners(directory), newOwners(directory)];
  const [tokenA, tokenB] = [a.token(), b.token()];
  expect(a.token()).toBe(tokenA);
  expect(tokenA).not.toBe(tokenB);
  expect([a.isAlive(tokenB), b.isAlive(tokenA), a.isAlive(tokenA)]).toEqual([true, true, true]);
  a.close();
  expect(b.isAlive(tokenA)).toBe(false);
  expect(a.isAlive(tokenB)).toBe(true);
  a.close();
  expect(readdirSync(join(directory, 'owners'))).toEqual([tokenB]);
});

test('asking has not let go of the lock of an owner', async () => {
  const directory = temporaryDirectory();
  const [a, b] = [newOwners(directory), newOwners(directory)];
  const token = a.token();
  for (let i = 0; i < 10; i++) b.isAlive(token);
  b.token();
  b.close();
  // Only another process can tell.
  const script = `import('${new URL('../../dist/core/owners.js', import.meta.url).href}').then(({ Owners }) => {
    process.stdout.write(String(new Owners(${JSON.stringify(directory)}).isAlive('${token}')));
  })`;
  const child = spawn(process.execPath, ['-e', script]);
  let output = '';
  child.stdout.on('data', (text) => (output += String(text)));
  await once(child, 'close');
  expect(output).toBe('true');
});

test('an owner without a file is dead', () => {
  const directory = temporaryDirectory();
  const owners = newOwners(directory);
  expect(owners.isAlive('ab12')).toBe(false);
  owners.token();
  expect(owners.isAlive('ab12')).toBe(false);
  owners.forget('ab12');
});

test('an owner whose file can’t be opened is not taken for dead', () => {
  const directory = temporaryDirectory();
  const owners = newOwners(directory);
  mkdirSync(join(directory, 'owners', 'ab12'), { recursive: true });
  expect(owners.isAlive('ab12')).toBe(true);
});

test('asking after many owners keeps no descriptor', async () => {
  const directory = temporaryDirectory();
  const children = await Promise.all(Array.from({ length: 4 }, () => ownerProcess(directory)));
  const owners = newOwners(directory);
  const open = (): number => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0);
  const before = open();
  for (const { token } of children) expect(owners.isAlive(token)).toBe(true);
  await children[0]!.child.kill9();
  for (const { token } of children) owners.isAlive(token);
  expect(open()).toBeLessThanOrEqual(before);
});

test('a place in line of a process that was killed is given up, with its files', async () => {
  const directory = temporaryDirectory();
  const store = openStore(directory);
  const child = startProcess('core-modes.js', directory, 0o022);
  await child.nextMessage();
  expect(readdirSync(join(directory, 'owners'))).toHaveLength(1);
  await child.kill9();
  const [dead] = readdirSync(join(directory, 'owners'));
  const wait = new Deque<number>(store, 'line').take();
  const tokens = raw(directory).prepare('SELECT token FROM owners').pluck();
  await until(() => tokens.all().length === 1 && tokens.get() !== dead);
  expect(readdirSync(join(directory, 'owners'))).toEqual(tokens.all());
  expect(readdirSync(join(directory, 'bells'))).toEqual(tokens.all());
  new Deque<number>(store, 'line').push(1);
  expect(await wait).toBe(1);
});

test('a process killed in line ahead of others is found by who stands behind it, and its files are removed', async () => {
  const directory = temporaryDirectory();
  const child = startProcess('core-wait.js', directory, 'line');
  await child.nextMessage();
  const store = openStore(directory);
  const db = raw(directory);
  const places = db.prepare('SELECT count(*) FROM waiters').pluck();
  await until(() => places.get() === 1);
  const wait = new Deque<number>(store, 'line').take();
  await until(() => places.get() === 2);
  await child.kill9();
  await until(() => places.get() === 1);
  expect(readdirSync(join(directory, 'owners'))).toHaveLength(1);
  expect(readdirSync(join(directory, 'bells'))).toHaveLength(1);
  new Deque<number>(store, 'line').push(1);
  expect(await wait).toBe(1);
});

test('closing a store removes its owner, its places in line and its files', async () => {
  const directory = temporaryDirectory();
  const store = open(directory);
  const wait = new Deque(store, 'line').take();
  await until(() => existsSync(join(directory, 'bells')));
  store.close();
  await expect(wait).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  expect(readdirSync(join(directory, 'owners'))).toEqual([]);
  expect(readdirSync(join(directory, 'bells'))).toEqual([]);
  const db = raw(directory);
  for (const table of ['owners', 'waiters'])
    expect(db.prepare(`SELECT count(*) FROM ${table}`).pluck().get()).toBe(0);
  expect(db.prepare('SELECT sum(waiting) FROM structures').pluck().get()).toBe(0);
});

test('files of owners and bells that were deleted by hand are no failure', async () => {
  const directory = temporaryDirectory();
  const store = open(directory);
  const wait = new Deque<number>(store, 'line').take();
  const places = raw(directory).prepare('SELECT count(*) FROM waiters').pluck();
  await until(() => places.get() === 1);
  rmSync(join(directory, 'owners'), { recursive: true });
  rmSync(join(directory, 'bells'), { recursive: true });
  const child = startProcess('core-push.js', directory, 'line', 7);
  await child.result();
  expect(await wait).toBe(7);
  store.close();
});
