import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Child processes of tests run the built package: builds it anew if a source is newer than it.
 *
 * `npm test` has built it already, and strictly. For somebody who runs one test with `npx vitest` an error of types
 * elsewhere is printed but does not stop the test, as everywhere in vitest.
 */
export default function setup(): void {
  if (newest(join(root, 'src'), '.ts') <= newest(join(root, 'dist'), '.js')) return;
  run('typescript', 'bin/tsc', '-p', 'tsconfig.build.json');
  run('rolldown', 'bin/cli.mjs', '--config');
}

function run(name: string, script: string, ...options: string[]): void {
  const folder = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
  spawnSync(process.execPath, [join(folder, script), ...options], { cwd: root, stdio: 'inherit' });
}

/** When the newest of a folder's files with this ending was written; 0 if there is none. */
function newest(folder: string, ending: string): number {
  let files: string[];
  try {
    files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
  const times = files
    .filter((file) => file.endsWith(ending))
    .map((file) => statSync(join(folder, file)).mtimeMs);
  return Math.max(0, ...times);
}
