import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { catalog } from './catalog.js';
import {
  countAll,
  countFinding,
  deadOwnerFinding,
  findOrphans,
  findWrongCounts,
  mendCounts,
  mendOrphans,
  orphanFinding,
  type CheckReport,
  type Finding,
  type FindingCode,
  type WrongCount,
} from './checking.js';
import { fileOf } from './columns.js';
import { HoldfastError, driverCode, translated } from './errors.js';
import { isMissing, namesIn } from './files.js';
import { get, type Script } from './script.js';
import type { EmbeddedEngine } from './sqlite.js';
import { pathsOf, StrayShards, whileInPlace, type Spread } from './sqlite-spread.js';
import { Statement } from './statement.js';
import { bury } from './waiting.js';

/** How often it is counted anew where somebody else mends at the same time. */
const mostTries = 4;
/** How old a file must be that is made and renamed at once, in milliseconds, to be left over. */
const oldAge = 60_000;
/** For how long it is waited for the lock to mend something, in milliseconds. */
const patience = 1_000;
/** How many entries with files are looked at at once. */
const atOnce = 256;

const sql = {
  integrity: new Statement<[], [line: string]>('SELECT integrity_check FROM pragma_integrity_check'),
  /** How often counts were mended: `user_version` has no other use. */
  repairs: new Statement<[], [repairs: number]>('SELECT user_version FROM pragma_user_version'),
  withFiles: new Statement<
    [after: string, most: number],
    [id: number, file: string, value: unknown, kind: string, name: string]
  >(
    `SELECT e.id, e.file, e.value, s.kind, s.name FROM cached_entries e JOIN structures s ON s.id = e.structure
     WHERE e.file > ? ORDER BY e.file LIMIT ?`,
  ),
  /** Whether a file is still of an entry, or is to be removed anyway. */
  known: new Statement<[file: string, file: string], [kind: number]>(
    'SELECT 1 FROM cached_entries WHERE file = ? UNION ALL SELECT 2 FROM value_trash WHERE file = ? ORDER BY 1 LIMIT 1',
  ),
  inFolder: new Statement<[from: string, to: string, from: string, to: string], [file: string]>(
    `SELECT file FROM cached_entries WHERE file > ? AND file < ?
     UNION ALL SELECT file FROM value_trash WHERE file > ? AND file < ?`,
  ),
  forget: new Statement<[file: string]>('DELETE FROM cached_entries WHERE file = ?'),
};

/** Looks for what is not as it should be, and mends it. See {@link Upkeep.check}. */
export class EmbeddedCheck {
  readonly #engine: EmbeddedEngine;
  readonly #directory: string;
  readonly #findings: Finding[] = [];
  #repair: boolean;

  constructor(engine: EmbeddedEngine, repair: boolean) {
    this.#engine = engine;
    this.#directory = engine.directory;
    this.#repair = repair;
  }

  run(): CheckReport {
    const damage = this.#damage();
    // What a damaged database says may be wrong: by that nothing is to be removed.
    if (damage.length > 0) this.#repair = false;
    this.#findings.push(...damage);
    try {
      this.#counts();
      this.#orphans();
      this.#owners();
      this.#missingFiles();
      this.sweep();
      const sums = this.#all();
      return { findings: this.#findings, ...sums };
    } catch (error) {
      if (damage.length === 0 || !isCorrupt(error)) throw error;
      return { findings: this.#findings, structures: 0, entries: 0, files: 0 };
    }
  }

  /** The same for files that nobody needs alone. */
  sweep(): void {
    this.#strayFiles();
    this.#strayShards();
    this.#leftovers();
  }

  /** How much there is, with what is found in the stores that the shards of caches are. */
  #all(): Omit<CheckReport, 'findings'> {
    const { sums, findings } = whileInPlace(this.#engine, (caches) => {
      const reports = caches.flatMap((cache) => this.#shardsOf(cache));
      const sums = reports.reduce((sum, { entries, files }) => {
        return { ...sum, entries: sum.entries + entries, files: sum.files + files };
      }, this.#read(countAll));
      return { sums, findings: reports.flatMap((report) => report.findings) };
    });
    this.#findings.push(...findings);
    return sums;
  }

  #shardsOf(cache: Spread): CheckReport[] {
    return pathsOf(cache)
      .filter((path) => !isMissing(join(this.#directory, path, 'holdfast.db')))
      .map((path) => {
        const report = this.#shard(path);
        const findings = report.findings.map((finding) => ({
          ...finding,
          message: `${path} of cache ${cache.name}: ${finding.message}`,
        }));
        return { ...report, findings };
      });
  }

  #shard(path: string): CheckReport {
    const engine = this.#engine.openInside(path, false);
    try {
      return new EmbeddedCheck(engine, this.#repair).run();
    } finally {
      engine.close();
    }
  }

  #strayShards(): void {
    new StrayShards(this.#engine).each((path) => {
      this.#leftOver('stray-shard', path, () => {
        rmSync(path, { recursive: true, force: true });
      });
    });
  }

  #damage(): Finding[] {
    const found = (line: string): Finding => ({
      code: 'integrity',
      message: `the database is damaged; restore it from a backup (${line})`,
      mended: false,
    });
    try {
      const lines = this.#engine.all(sql.integrity, []).map(([line]) => line);
      return lines.filter((line) => line !== 'ok').map(found);
    } catch (error) {
      if (!isCorrupt(error)) throw error;
      return [found(error.message)];
    }
  }

  /**
   * Counts are compared in one read, which keeps nobody from writing, and the differences added in a transaction of their own, unless somebody else
   * has mended in between.
   */
  #counts(): void {
    for (let tries = mostTries; ; tries--) {
      const { wrong, before } = this.#read(function* () {
        return { before: yield* repairs(), wrong: yield* findWrongCounts() };
      });
      const mended = wrong.length > 0 && this.#mend(() => this.#mendCounts(wrong, before));
      if (this.#repair && wrong.length > 0 && !mended && tries > 1) continue;
      this.#findings.push(...wrong.map((one) => countFinding(one, mended)));
      return;
    }
  }

  #mendCounts(wrong: readonly WrongCount[], before: number): boolean {
    const engine = this.#engine;
    return this.#write(function* () {
      if ((yield* repairs()) !== before) return false;
      yield* mendCounts(wrong);
      engine.exec(`PRAGMA user_version = ${before + 1}`);
      return true;
    });
  }

  #orphans(): void {
    for (const [orphans, ids] of this.#read(findOrphans)) {
      const mended = this.#mend(() => this.#write(() => mendOrphans(orphans, ids)));
      this.#findings.push(orphanFinding(orphans, ids, mended));
    }
  }

  /** Who leaves in good order may do so between any two steps of this. */
  #owners(): void {
    const { presence } = this.#engine;
    const rows = this.#engine.all(catalog.owners, []);
    for (const [id, token] of rows) {
      if (presence.lives(token) || this.#engine.get(catalog.tokenOf, [id]) === undefined) continue;
      const mended = this.#mend(() => {
        this.#write(() => bury(id));
        presence.sweep(token);
      });
      this.#findings.push(deadOwnerFinding(id, mended));
    }
    const known = new Set(rows.map(([, token]) => token));
    for (const folder of ['owners', 'bells'])
      for (const token of namesIn(join(this.#directory, folder))) {
        const path = join(this.#directory, folder, token);
        if (known.has(token) || temporary.test(token) || presence.lives(token) || isMissing(path)) continue;
        this.#leftOver('dead-owner', path, () => presence.sweep(token));
      }
  }

  #missingFiles(): void {
    let after = '';
    for (;;) {
      const rows = this.#engine.all(sql.withFiles, [after, atOnce]);
      for (const [, file, value, kind, name] of rows) {
        if (this.#isWhole(file, value)) continue;
        // It is removed behind its entry: it may have been looked for in between.
        const [row] = this.#engine.all(sql.known, [file, file]);
        if (row?.[0] !== 1) continue;
        const mended = this.#mend(() => this.#engine.run(sql.forget, [file]));
        const path = this.#pathOf(file);
        const message = `${kind} ${name}: ${path}, the file of an entry’s value, is missing or was cut short`;
        this.#findings.push({
          code: 'missing-file',
          message,
          mended,
          structure: { kind, name },
          path,
        });
      }
      after = rows.at(-1)?.[1] ?? '';
      if (rows.length < atOnce) return;
    }
  }

  #isWhole(file: string, value: unknown): boolean {
    try {
      return statSync(this.#pathOf(file)).size === fileOf(value)?.size;
    } catch (error) {
      if (driverCode(error) === 'ENOENT') return false;
      throw translated(error, this.#pathOf(file));
    }
  }

  /** The files first, then their entries: what is committed in between is found. */
  #strayFiles(): void {
    const values = join(this.#directory, 'values');
    for (const folder of namesIn(values)) {
      const names = namesIn(join(values, folder));
      // '0' comes behind '/'.
      const bounds = [`${folder}/`, `${folder}0`] as const;
      const known = new Set(this.#engine.all(sql.inFolder, [...bounds, ...bounds]).map(([file]) => file));
      for (const name of names) {
        const file = `${folder}/${name}`;
        if (!known.has(file)) this.#strayFile(file, name.split('-', 1)[0] ?? '');
      }
    }
  }

  /** What a store that lives has written may be about to be committed. Once it is dead, its files have entries or never will. */
  #strayFile(file: string, token: string): void {
    if (this.#engine.presence.lives(token)) return;
    if (this.#engine.get(sql.known, [file, file]) !== undefined) return;
    const path = this.#pathOf(file);
    this.#leftOver('stray-file', path, () => rmSync(path, { force: true }));
  }

  /** What an interrupted creation, backup or restore has left. */
  #leftovers(): void {
    for (const folder of ['', 'owners', 'bells'])
      for (const name of namesIn(join(this.#directory, folder))) {
        const path = join(this.#directory, folder, name);
        const isLeft = name.endsWith('.partial') || (temporary.test(name) && isOld(path));
        if (isLeft) this.#leftOver('stray-file', path, () => rmSync(path, { recursive: true, force: true }));
      }
  }

  #leftOver(code: FindingCode, path: string, remove: () => unknown): void {
    let mended = this.#repair;
    try {
      if (mended) mended = remove() !== false;
    } catch {
      mended = false;
    }
    this.#findings.push({ code, message: `${path} is left over, and nobody needs it`, mended, path });
  }

  #pathOf(file: string): string {
    return join(this.#directory, 'values', file);
  }

  /**
   * Mends something; tells whether it could. Others may keep the lock for long, say to move a cache: what can't be mended now is told, and mended the next time.
   *
   * @param work - Answers `false` where it has not.
   */
  #mend(work: () => unknown): boolean {
    if (!this.#repair) return false;
    const mended = this.#engine.within(patience, () => work() !== false);
    if (mended === undefined) this.#repair = false;
    return mended === true;
  }

  #read<T>(script: () => Script<T>): T {
    const engine = this.#engine;
    engine.check(true);
    return engine.transactions.read(() => engine.drive(script()));
  }

  #write<T>(script: () => Script<T>): T {
    const engine = this.#engine;
    engine.check(false);
    return engine.transactions.write(() => engine.drive(script()));
  }
}

/** What is made under such a name is linked or renamed at once. */
const temporary = /\.[0-9a-f]{16}\.new$/;

function* repairs(): Script<number> {
  return (yield* get(sql.repairs))?.[0] ?? 0;
}

const isCorrupt = (error: unknown): error is HoldfastError =>
  error instanceof HoldfastError && error.code === 'ERR_CORRUPT';

function isOld(path: string): boolean {
  try {
    return Date.now() - statSync(path).mtimeMs > oldAge;
  } catch (error) {
    if (driverCode(error) === 'ENOENT') return false;
    throw translated(error, path);
  }
}
