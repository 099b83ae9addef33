import {
  countAll,
  countFinding,
  deadOwnerFinding,
  findDeadOwners,
  findOrphans,
  findWrongCounts,
  mendCounts,
  mendOrphans,
  orphanFinding,
  type CheckReport,
  type Finding,
} from './checking.js';
import { fileOf } from './columns.js';
import type { ServerEngine } from './postgres.js';
import { all, run, type Script } from './script.js';
import { Statement } from './statement.js';
import { bury } from './waiting.js';

/** How many entries are looked at at once. */
const atOnce = 256;

const sizeOf = (file: string): string =>
  `(SELECT CAST(coalesce(sum(octet_length(v.data)), 0) AS bigint) FROM value_chunks v WHERE v.file = ${file})`;
/** Chunks that no entry has, nor anybody who lives writes, and that are not to be removed anyway. */
const isStray = ['cached_entries', 'value_trash', 'value_uses']
  .map((table) => `NOT EXISTS (SELECT 1 FROM ${table} k WHERE k.file = v.file)`)
  .join(' AND ');

/** Chunks are on a server only. An embedded store is never asked these. */
const sql = {
  inChunks: new Statement<
    [after: string, most: number],
    [file: string, value: unknown, size: number, kind: string, name: string]
  >(
    `SELECT e.file, e.value, ${sizeOf('e.file')}, s.kind, s.name FROM cached_entries e JOIN structures s ON s.id = e.structure
     WHERE e.file > ? ORDER BY e.file LIMIT ?`,
  ),
  forget: new Statement<[file: string, size: number]>(
    `DELETE FROM cached_entries WHERE file = ? AND ${sizeOf('cached_entries.file')} = ?`,
  ),
  stray: new Statement<[], [file: string]>(
    `SELECT DISTINCT v.file FROM value_chunks v WHERE ${isStray} LIMIT 1000`,
  ),
  removeStray: new Statement<[file: string]>(`DELETE FROM value_chunks AS v WHERE v.file = ? AND ${isStray}`),
};

/** Looks for what is not as it should be, and mends it. See {@link AsyncUpkeep.check}. */
export async function checkServer(engine: ServerEngine, repair: boolean): Promise<CheckReport> {
  const findings: Finding[] = [];
  for (const look of [counts, orphans, deadOwners, missingChunks, strayChunks])
    findings.push(...(await engine.alone('repair', () => look(repair))));
  return { findings, ...(await engine.alone('repair', countAll)) };
}

/** What was written since they were counted has been counted by those who wrote it: the differences are right though others write. */
function* counts(repair: boolean): Script<Finding[]> {
  const wrong = yield* findWrongCounts();
  if (repair) yield* mendCounts(wrong);
  return wrong.map((one) => countFinding(one, repair));
}

function* orphans(repair: boolean): Script<Finding[]> {
  const findings: Finding[] = [];
  for (const [kind, ids] of yield* findOrphans()) {
    if (repair) yield* mendOrphans(kind, ids);
    findings.push(orphanFinding(kind, ids, repair));
  }
  return findings;
}

function* deadOwners(repair: boolean): Script<Finding[]> {
  const dead = yield* findDeadOwners();
  if (repair) for (const owner of dead) yield* bury(owner);
  return dead.map((owner) => deadOwnerFinding(owner, repair));
}

function* missingChunks(repair: boolean): Script<Finding[]> {
  const findings: Finding[] = [];
  for (let after = ''; ;) {
    const rows = yield* all(sql.inChunks, after, atOnce);
    for (const [file, value, size, kind, name] of rows) {
      if (size === fileOf(value)?.size) continue;
      if (repair) yield* run(sql.forget, file, size);
      findings.push({
        code: 'missing-file',
        message: `${kind} ${name}: chunks of an entry’s value (${file}) are missing`,
        mended: repair,
        structure: { kind, name },
      });
    }
    after = rows.at(-1)?.[0] ?? '';
    if (rows.length < atOnce) return findings;
  }
}

function* strayChunks(repair: boolean): Script<Finding[]> {
  const files = yield* all(sql.stray);
  if (repair) for (const [file] of files) yield* run(sql.removeStray, file);
  return files.map(([file]) => ({
    code: 'stray-file',
    message: `chunks (${file}) are left over: no entry has them, and nobody writes them`,
    mended: repair,
  }));
}
