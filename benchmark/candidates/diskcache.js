// DiskCache, the library of Python, where `import diskcache` works for the `python3` on the PATH.
import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { removeDirectory, temporaryDirectory } from '../lib/temporary.js';

const script = fileURLToPath(new URL('../processes/diskcache_lock.py', import.meta.url));

const python = async (...args) =>
  JSON.parse((await promisify(execFile)('python3', [script, ...args.map(String)])).stdout);

export const hasDiskCache = () => spawnSync('python3', ['-c', 'import diskcache']).status === 0;

/** @returns {Promise<number>} Nanoseconds to take the lock and give it back, with nobody else about. */
export async function diskCacheAlone(cycles) {
  const directory = temporaryDirectory();
  try {
    return (await python('alone', directory, cycles)) * 1000;
  } finally {
    removeDirectory(directory);
  }
}

/** Several processes that want the lock without pause. */
export async function diskCacheContended(processes, hold, seconds) {
  const directory = temporaryDirectory();
  try {
    const start = Date.now() / 1000 + 1;
    const results = await Promise.all(
      Array.from({ length: processes }, () => python('contend', directory, start, seconds, hold)),
    );
    const counts = results.map(({ count }) => count);
    return {
      throughput: counts.reduce((sum, count) => sum + count, 0) / seconds,
      longest: Math.max(...results.map(({ longest }) => longest)),
      unfairness: Math.max(...counts) / Math.max(1, Math.min(...counts)),
    };
  } finally {
    removeDirectory(directory);
  }
}
