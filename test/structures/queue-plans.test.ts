import Database from 'better-sqlite3';
import { afterAll, describe, expect, test } from 'vitest';
import { migrations } from '../../src/core/schema.js';
import type { Statement } from '../../src/core/statement.js';
import { sql as atOnce } from '../../src/structures/queue/at-once-statements.js';
import { sql as children } from '../../src/structures/queue/child-statements.js';
import { sql as events } from '../../src/structures/queue/event-statements.js';
import { sql as keys } from '../../src/structures/queue/key-statements.js';
import { sql as groups } from '../../src/structures/queue/group-statements.js';
import { finding, sql as listing } from '../../src/structures/queue/list-statements.js';
import { sql as standing } from '../../src/structures/queue/standing.js';
import { sql } from '../../src/structures/queue/statements.js';

/** These sort what there are few of: those who wait, those of a group that have a place, the children of one job, the notes of a page; a stage, so as not to walk past all other jobs. */
const sorted = new Set<string>([
  'observers',
  'group evict',
  'child failed',
  'list notes',
  'delayed 0',
  'delayed 1',
  'running 0',
  'completed 0',
  'failed 0',
  'cancelled 0',
]);

const named = (what: string, statements: Readonly<Record<string, Statement>>): [string, Statement][] =>
  Object.entries(statements).map(([name, statement]) => [`${what} ${name}`, statement]);

const all: [string, Statement][] = [
  ...Object.entries(sql),
  ['addOne', atOnce.addOne],
  ...named('group', groups),
  ...named('standing', standing),
  ...named('child', children),
  ...named('key', keys),
  ...named('event', events),
  ...named('list', listing),
  ...Object.entries(finding).flatMap(([state, statements]) =>
    statements.map((statement, i): [string, Statement] => [`${state} ${i}`, statement]),
  ),
];

/** The tables alone: whether there are rows does not matter to SQLite, as long as nobody runs ANALYZE. */
const database = new Database(':memory:');
for (const name of ['monotonic', 'wall', 'boot']) database.function(name, () => 0);
database.function('seen', (value: unknown) => value);
for (const { sqlite } of migrations) database.exec(sqlite);
afterAll(() => {
  database.close();
});

function plan(statement: Statement): string[] {
  const params = Array.from(statement.sqlite.matchAll(/\?/g), () => 1);
  const rows = database.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${statement.sqlite}`);
  return rows.all(...params).map(({ detail }) => detail);
}

describe('the statements of Queue on SQLite', () => {
  test.each(all)('%s finds its rows by an index, in their order', (name, statement) => {
    const details = plan(statement);
    // The one row of `clocks`, constants, the numbers of a list, and what a subquery gives that has a limit.
    const scans = details.filter((detail) => /^SCAN (?!clocks|CONSTANT ROW|json_each|taken\b)/.test(detail));
    expect(scans).toEqual([]);
    if (!sorted.has(name)) expect(details.filter((detail) => detail.includes('TEMP B-TREE'))).toEqual([]);
  });

  test('a claim reads ready jobs in order, from the index that has only those', () => {
    expect(plan(sql.claim).join('\n')).toContain('SEARCH r USING COVERING INDEX jobs_ready (structure=?)');
    expect(plan(sql.ready).join('\n')).toContain('SEARCH jobs USING INDEX jobs_ready (structure=?)');
  });
});
