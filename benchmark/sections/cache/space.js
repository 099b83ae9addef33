// How many bytes text-heavy JSON takes on disk, for each way to compress it, against its plain size.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { quantile } from '../../lib/measure.js';
import { conversations, logs, prose } from '../../lib/prose.js';
import { removeDirectory, temporaryDirectory } from '../../lib/temporary.js';

const ways = [undefined, 'gzip', 'deflate', 'zstd', 'brotli', { algorithm: 'brotli', level: 11 }];
const lengths = [4096, 16_384, 65_536];
const shapes = [
  { shape: 'conversations that say each thing once', valuesOf: conversations },
  { shape: 'logs of calls, each of which sends what was said before', valuesOf: logs },
];

function bytesOn(directory) {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return files
    .map((file) => statSync(join(directory, file)))
    .filter((stats) => stats.isFile())
    .reduce((sum, stats) => sum + stats.size, 0);
}

/** Milliseconds. */
function timed(work) {
  const start = performance.now();
  work();
  return performance.now() - start;
}

const optionsOf = (compress) => (compress === undefined ? {} : { compress });

/** Whether this Node can compress so. */
function isThere({ open, Cache }, compress) {
  const directory = temporaryDirectory();
  const store = open(directory);
  try {
    new Cache(store, 'answers', optionsOf(compress)).set('', '');
    return true;
  } catch {
    return false;
  } finally {
    store.close();
    removeDirectory(directory);
  }
}

/** Bytes on disk of values, and the median of what one takes to be stored, and to be read, in nanoseconds. */
function stored({ open, Cache }, values, compress) {
  const directory = temporaryDirectory();
  const opened = (work) => {
    const store = open(directory);
    work(new Cache(store, 'answers', optionsOf(compress)));
    store.close();
    return bytesOn(directory);
  };
  try {
    // The tables themselves take as much as some of the values.
    const empty = opened((cache) => {
      cache.set('', '');
      cache.delete('');
    });
    const sets = [];
    const gets = [];
    const full = opened((cache) => {
      values.forEach((value, n) => sets.push(timed(() => cache.set(n, value))));
      values.forEach((_, n) => gets.push(timed(() => cache.get(n))));
    });
    return { bytes: full - empty, set: quantile(sets, 0.5) * 1e6, get: quantile(gets, 0.5) * 1e6 };
  } finally {
    removeDirectory(directory);
  }
}

/** @param {{ places: import('../../lib/queues.js').Places, progress(what: string): void }} options */
export async function measureSpace({ places: { build }, progress }) {
  const text = prose();
  if (text === undefined) {
    console.error(
      'Space is not measured: there is no npm beside this Node, whose documentation it is measured on.\n',
    );
    return undefined;
  }
  const library = await import(build);
  const measured = ways.filter((one) => isThere(library, one));
  const results = shapes.map(({ shape, valuesOf }) => {
    const rows = measured.map((compress) => {
      const name = typeof compress === 'object' ? `${compress.algorithm}, level ${compress.level}` : compress;
      progress(`cache: space of ${shape}, ${name ?? 'plain'}`);
      return {
        name: name ?? 'not compressed',
        sizes: lengths.map((length) => one(valuesOf(text, length), compress)),
      };
    });
    return { shape, rows };
  });
  return { lengths, bytes: Buffer.byteLength(text), shapes: results };

  function one(values, compress) {
    const plain = values.reduce((sum, value) => sum + Buffer.byteLength(JSON.stringify(value)), 0);
    const { bytes, ...times } = stored(library, values, compress);
    return { ratio: bytes / plain, ...times };
  }
}
