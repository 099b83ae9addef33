import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { Deque, Index, open } from '../../src/index.js';
import { startProcess, temporaryDirectory } from '../support/processes.js';
import { randomFrom } from '../support/random.js';
import { seed } from './support.js';

/** As `core-writer.js` makes them. */
const text = (i: number): string => `${i}:`.padEnd(i % 97 === 0 ? 20_000 : (i * 37) % 300, 'x');

/** What the structures hold after the writer's transactions 1 to n: grown step by step. */
class Model {
  readonly pairs = new Map<number, string>();
  items: string[] = [];
  last = 0;

  advance(n: number): void {
    while (this.last < n) {
      const i = ++this.last;
      this.pairs.set(i, text(i));
      this.items.push(text(i));
      if (i % 3 === 0) this.items.shift();
      if (i % 5 === 0) this.pairs.set(i - 1, text(i + 1));
      if (i % 7 === 0) this.pairs.delete(i - 2);
      if (i % 11 === 0) this.items[0] = text(i);
    }
  }
}

const bytesOfTexts = (texts: Iterable<string>): number => {
  let sum = 0;
  for (const one of texts) sum += one.length;
  return sum;
};

test('a writer killed 50 times loses nothing it acknowledged, and leaves nothing half done', async () => {
  const directory = temporaryDirectory();
  const file = join(temporaryDirectory(), 'acknowledged');
  const random = randomFrom(seed);
  const model = new Model();
  for (let round = 1; round <= 50; round++) {
    const hint = `SEED=${seed} round ${round}`;
    const writer = startProcess('core-writer.js', directory, file);
    await writer.nextMessage();
    await new Promise((resolve) => setTimeout(resolve, random() ** 2 * 60));
    await writer.kill9();

    const acknowledged = Number(readFileSync(file, 'utf8').trimEnd().split('\n').at(-1));
    const store = open(directory);
    const last = new Index<string, number>(store, 'counters').get('last') ?? 0;
    // One more may have been committed and not yet noted.
    expect(last, hint).toBeGreaterThanOrEqual(acknowledged);
    expect(last, hint).toBeLessThanOrEqual(acknowledged + 1);
    model.advance(last);
    const pairs = new Index<number, string>(store, 'pairs').toMap();
    expect(
      pairs.size === model.pairs.size && [...model.pairs].every(([i, one]) => pairs.get(i) === one),
      hint,
    ).toBe(true);
    const items = new Deque<string>(store, 'items').toArray();
    expect(items.length === model.items.length && items.every((one, i) => one === model.items[i]), hint).toBe(
      true,
    );
    expect(store.structures(), hint).toEqual([
      { kind: 'deque', name: 'items', entries: items.length, bytes: bytesOfTexts(items) },
      { kind: 'index', name: 'counters', entries: 1, bytes: expect.any(Number) },
      {
        kind: 'index',
        name: 'pairs',
        entries: pairs.size,
        bytes: bytesOfTexts(pairs.values()) + 8 * pairs.size,
      },
    ]);
    store.close();

    const db = new Database(join(directory, 'holdfast.db'));
    const sums = db
      .prepare(
        'SELECT s.size, s.bytes, count(*), sum(e.bytes) FROM structures s JOIN entries e ON e.structure = s.id GROUP BY s.id',
      )
      .raw()
      .all() as number[][];
    expect(sums, hint).toHaveLength(2);
    for (const [size, bytes, count, sum] of sums) expect([size, bytes], hint).toEqual([count, sum]);
    if (round % 5 === 0) expect(db.pragma('integrity_check', { simple: true }), hint).toBe('ok');
    db.close();
  }
  // The kills came in the midst of writing.
  expect(model.last).toBeGreaterThan(200);
});
