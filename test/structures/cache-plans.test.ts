import Database from 'better-sqlite3';
import { afterAll, expect, test } from 'vitest';
import { migrations } from '../../src/core/schema.js';
import type { Statement } from '../../src/core/statement.js';
import { sql as flights } from '../../src/structures/cache/flight-statements.js';
import { moving } from '../../src/structures/cache/moving-statements.js';
import { sharding } from '../../src/structures/cache/sharding.js';
import { lists, sql } from '../../src/structures/cache/statements.js';

/** It goes through all entries: where the policy is another one. */
const walking = new Set(['rerank']);
/** The few tags of one entry. */
const sorting = new Set(['tags']);

const all: [string, Statement][] = [
  ...Object.entries(sql),
  ...Object.entries({ sharding, ...moving }).map(([name, one]): [string, Statement] => [`move ${name}`, one]),
  ...Object.entries(flights).map(([name, one]): [string, Statement] => [`flight ${name}`, one]),
  ...Object.entries({ ...lists, ...lists.prefix }).flatMap(([name, both]): [string, Statement][] =>
    'forward' in both
      ? [
          [`${name} forward`, both.forward],
          [`${name} reverse`, both.reverse],
        ]
      : [],
  ),
];

const database = new Database(':memory:');
for (const name of ['monotonic', 'wall', 'boot']) database.function(name, () => 0);
database.function('seen', (value: unknown) => value);
for (const { sqlite } of migrations) database.exec(sqlite);
afterAll(() => {
  database.close();
});

test.each(all)('%s goes by an index, and sorts nothing', (name, statement) => {
  const params = Array.from(statement.sqlite.matchAll(/\?/g), () => 1);
  const rows = database.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${statement.sqlite}`);
  const plan = rows.all(...params).map(({ detail }) => detail);
  // The row of the clock is one, and a parameter another.
  const scans = plan.filter(
    (line) => line.startsWith('SCAN') && !/clocks|CONSTANT ROW|json_each|SCAN n$/.test(line),
  );
  if (!walking.has(name)) expect(scans).toEqual([]);
  if (!sorting.has(name)) expect(plan.filter((line) => line.includes('TEMP B-TREE'))).toEqual([]);
});
