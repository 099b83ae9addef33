// @ts-check
// A long computation that is killed, and goes on where it was: `node checkpoints.js` has it killed twice. To do so yourself, and see it go
// on: `node checkpoints.js <directory>`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Cache, open } from 'holdfast';

// Conway's Game of Life: what becomes of these five cells, the R-pentomino, is only known since somebody computed it.
const row = 10_000;
const middle = 5_000 * row + 5_000;
const start = { generation: 0, cells: [1, 2, row, row + 1, 2 * row + 1].map((place) => middle + place) };
const last = 1103;

const [directory, killAt] = process.argv.slice(2);
await (directory === undefined ? main() : compute(directory, Number(killAt)));

/** @param {string} directory @param {number} killAt */
async function compute(directory, killAt) {
  const store = open(directory);
  /** What is a checkpoint must not be evicted. @type {Cache<typeof start>} */
  const checkpoints = new Cache(store, 'checkpoints', { eviction: 'none' });
  let life = checkpoints.get('life') ?? start;
  console.log(`Begins at generation ${life.generation}.`);
  while (life.generation < last) {
    await sleep(1); // Stands for steps that take longer.
    life = next(life);
    // The worst moment: it is computed, and not kept yet.
    if (life.generation === killAt) process.kill(process.pid, 'SIGKILL');
    checkpoints.set('life', life);
    // Whoever reads this may rely on it: that generation is not computed again, whatever happens.
    console.log(`${life.generation}: ${life.cells.length} cells`);
  }
  console.log(drawn(life));
  store.close();
}

/** @param {typeof start} life */
function next({ generation, cells }) {
  /** How many neighbours a place has; and 10 more if it is alive. @type {Map<number, number>} */
  const counts = new Map();
  for (const place of cells)
    for (const line of [-row, 0, row])
      for (const there of [place + line - 1, place + line, place + line + 1])
        counts.set(there, (counts.get(there) ?? 0) + (there === place ? 10 : 1));
  const alive = [...counts].filter(([, count]) => [3, 12, 13].includes(count));
  return { generation: generation + 1, cells: alive.map(([place]) => place) };
}

/** The part around the middle, 2 x 4 cells a character. @param {typeof start} life */
function drawn({ cells }) {
  const dots = [0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80];
  const picture = Array.from({ length: 14 }, () => new Array(56).fill(0x2800));
  for (const place of cells) {
    const [y, x] = [Math.floor(place / row) - 4_980, (place % row) - 4_958];
    const line = picture[y >> 2];
    if (line?.[x >> 1] !== undefined) line[x >> 1] |= dots[(y & 3) * 2 + (x & 1)] ?? 0;
  }
  return picture.map((line) => String.fromCharCode(...line)).join('\n');
}

function main() {
  const directory = mkdtempSync(join(tmpdir(), 'checkpoints-'));
  try {
    const runs = ['300', '800', ''].map((killAt) => {
      const args = [fileURLToPath(import.meta.url), directory, killAt];
      const { stdout, signal } = spawnSync(process.execPath, args, { encoding: 'utf8' });
      const kept = [...stdout.matchAll(/^\d+: \d+ cells$/gm)].map(([line]) => line);
      console.log(`${stdout.split('\n')[0]} ${signal ?? 'Done'} after ${kept.at(-1)}.`);
      return { stdout, kept };
    });
    const kept = runs.flatMap((run) => run.kept);
    console.log(`${kept.length} generations were computed and kept, ${new Set(kept).size} different ones.`);

    let life = start;
    while (life.generation < last) life = next(life);
    const isSame = runs.at(-1)?.stdout.endsWith(`${drawn(life)}\n`);
    console.log(`${isSame ? 'The same as' : 'Not the same as'} without a break:\n${drawn(life)}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
