import { execFile } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

// The package as npm would publish it, installed where nothing of this project is in reach.

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));

interface Manifest {
  readonly version: string;
  readonly dependencies: Record<string, string>;
  readonly bin: Record<string, string>;
}

const manifest = (directory: string): Manifest =>
  JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;

/** The folder of a package that this project has installed. */
const installed = (name: string): string => join(root, 'node_modules', name);
const versionOf = (name: string): string => manifest(installed(name)).version;
/** The file of a program that this project has installed. */
const program = (name: string, bin: string): string =>
  join(installed(name), manifest(installed(name)).bin[bin]!);

let folder: string;
let tarball: string;

const npm = (cwd: string, ...args: string[]) =>
  run('npm', args, { cwd, shell: process.platform === 'win32' });
const node = (...args: string[]) => run(process.execPath, args, { cwd: folder });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-package-'));
  // Without scripts, for `prepack` would take dist/ away for a moment from the tests that run at the same time.
  // It is up to date: `npm test` builds it first.
  const { stdout } = await npm(root, 'pack', '--json', '--ignore-scripts', '--pack-destination', folder);
  const [packed] = JSON.parse(stdout) as [{ filename: string }];
  tarball = join(folder, packed.filename);

  cpSync(new URL('consumer/', import.meta.url), folder, { recursive: true });
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({
      private: true,
      type: 'module',
      // The driver that this project has compiled, for its binary is borrowed below.
      overrides: { 'better-sqlite3': versionOf('better-sqlite3') },
    }),
  );
  const typescript = `typescript-6@npm:typescript@${versionOf('typescript')}`;
  const types = ['@types/node', '@types/pg'].map((name) => `${name}@${versionOf(name)}`);
  await npm(
    folder,
    ...['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'],
    ...[tarball, typescript, 'typescript-7@npm:typescript@7', `pg@${versionOf('pg')}`, ...types],
  );
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

describe('the package', () => {
  test('is sound in what it exports', async () => {
    await succeeds(node(program('publint', 'publint'), 'run', tarball, '--strict'));
  });

  test('resolves, types included, wherever ESM does', async () => {
    await succeeds(node(program('@arethetypeswrong/cli', 'attw'), tarball, '--profile', 'esm-only'));
  });

  test('brings its own dependencies, and no others', () => {
    const { dependencies } = manifest(join(folder, 'node_modules/holdfast'));
    expect(dependencies).toEqual(manifest(root).dependencies);
  });

  // The only test that needs the package as `--ignore-scripts` leaves it; the next one mends it.
  test('says which command to run when the driver was not compiled', async () => {
    const { stdout } = await succeeds(node('unbuilt.js', join(folder, 'unbuilt')));
    expect(JSON.parse(stdout)).toEqual({
      own: true,
      code: 'ERR_NATIVE_MODULE',
      message: expect.stringMatching(/npm (rebuild|install|approve-scripts)\b.*better-sqlite3/) as string,
    });
  });

  test('stores a value and reads it, in plain JavaScript', async () => {
    // Compiling the driver takes minutes, and npm has done it for this project: the same version for the same Node.
    const binary = 'node_modules/better-sqlite3/build/Release/better_sqlite3.node';
    mkdirSync(join(folder, dirname(binary)), { recursive: true });
    copyFileSync(join(root, binary), join(folder, binary));
    const { stdout } = await succeeds(node('main.js', join(folder, 'data')));
    expect(stdout.trim()).toBe('1');
  });

  test('runs a job in a thread', async () => {
    const { stdout } = await succeeds(node('threads.js', join(folder, 'threads')));
    expect(stdout.trim()).toBe('42');
  });
});

describe.each(['typescript-6', 'typescript-7'])('under the strictest options of %s', (compiler) => {
  test.each([
    ['nodenext', 'nodenext'],
    ['bundler', 'esnext'],
  ])('a program type-checks with moduleResolution %s', async (moduleResolution, module) => {
    const configuration = join(folder, `${compiler}.${moduleResolution}.json`);
    const compilerOptions = {
      ...{ target: 'es2023', lib: ['es2023', 'esnext.disposable'], types: ['node'], noEmit: true },
      ...{ module, moduleResolution, strict: true, exactOptionalPropertyTypes: true },
      ...{ noUncheckedIndexedAccess: true, isolatedModules: true, verbatimModuleSyntax: true },
      // The declarations this package publishes are checked too.
      skipLibCheck: false,
    };
    writeFileSync(configuration, JSON.stringify({ compilerOptions, files: ['main.ts'] }));
    await succeeds(node(join(folder, 'node_modules', compiler, 'bin/tsc'), '-p', configuration));
  });
});

/** Gives what a program printed; if it fails, the test fails with that. */
async function succeeds(running: ReturnType<typeof node>): Promise<{ stdout: string; stderr: string }> {
  return running.catch((error: unknown) => {
    const { message, stdout, stderr } = error as Error & { stdout: string; stderr: string };
    throw new Error(`${message}\n${stdout}\n${stderr}`);
  });
}
