import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { HoldfastError } from './errors.js';
import { namesIn } from './files.js';
import { innerDirectory } from './inner.js';
import type { EmbeddedEngine } from './sqlite.js';
import { Statement } from './statement.js';
import { pauseBlocking } from './timer.js';

/** For how long a directory must be left over, in milliseconds: whoever has moved a cache is about to remove what it moved it from. */
const leftFor = 250;
/** For how long it is tried to keep others from moving a cache, in milliseconds: if it is being moved, nothing of it is left over. */
const patience = 100;

/** In how many stores a cache lies, and which generation of them. */
export interface Spread {
  readonly structure: number;
  readonly shards: number;
  readonly generation: number;
  readonly name: string;
}

/** The name of a directory that is being removed, by the token of the store that does. */
export const goneName = (directory: string, token: string): string => `${directory}.${token}.gone`;
const goneBy = /\.([0-9a-f]+)\.gone$/;

const sql = {
  placed: new Statement<[], [structure: number, shards: number, generation: number, name: string]>(
    `SELECT c.structure, c.shards, c.generation, s.name FROM caches c JOIN structures s ON s.id = c.structure
     WHERE c.shards > 1 OR c.generation > 0`,
  ),
};

/** Those that lie in several stores, or were ever moved. */
function placedCaches(engine: EmbeddedEngine): Spread[] {
  return engine
    .all(sql.placed, [])
    .map(([structure, shards, generation, name]) => ({ structure, shards, generation, name }));
}

const isSpread = ({ shards }: Spread): boolean => shards > 1;

export function spreadCaches(engine: EmbeddedEngine): Spread[] {
  return placedCaches(engine).filter(isSpread);
}

/** The directories of its stores, in that of the store. One that nothing was stored in is not there. */
export const pathsOf = ({ structure, shards, generation }: Spread): string[] =>
  Array.from({ length: shards }, (_, i) => `${innerDirectory(structure, generation)}/${i}`);

/**
 * What `work` makes of the caches that lie in several stores; again where one was moved meanwhile: then it may have found anything. What it
 * asks the store itself belongs inside `work`, too: entries are moved from there, and to there.
 */
export function whileInPlace<T>(engine: EmbeddedEngine, work: (caches: readonly Spread[]) => T): T {
  for (;;) {
    const caches = placedCaches(engine);
    const inPlace = (): boolean => JSON.stringify(placedCaches(engine)) === JSON.stringify(caches);
    try {
      const answer = work(caches.filter(isSpread));
      if (inPlace()) return answer;
    } catch (error) {
      if (inPlace()) throw error;
    }
  }
}

/** Finds the directories of shards that no cache has; `found` is called while nobody can move the cache that it was of. */
export class StrayShards {
  readonly #engine: EmbeddedEngine;

  constructor(engine: EmbeddedEngine) {
    this.#engine = engine;
  }

  each(found: (path: string) => void): void {
    const directory = join(this.#engine.directory, 'shards');
    for (const name of namesIn(directory)) {
      const path = join(directory, name);
      const isLeft = (): boolean => !this.#isOfCache(name) && existsSync(path) && !this.#isInUse(name);
      if (!isLeft() || !stays(() => existsSync(path))) continue;
      this.#whileNobodyMoves(Number(name.split('-', 1)[0]), () => {
        if (isLeft()) found(path);
      });
    }
  }

  /** Whether somebody who moves a cache from there, or to there, holds its lock; or removes it. */
  #isInUse(name: string): boolean {
    const by = goneBy.exec(name)?.[1];
    if (by !== undefined) return this.#engine.presence.lives(by);
    if (this.#engine.readonly) return false;
    try {
      const engine = this.#engine.openInside(`shards/${name}/0`, false);
      try {
        return briefly(engine, () => true) === undefined;
      } finally {
        engine.close();
      }
    } catch (error) {
      // One that can't be opened nobody has locked.
      if (!(error instanceof HoldfastError)) throw error;
      return error.code === 'ERR_BUSY';
    }
  }

  #isOfCache(name: string): boolean {
    return spreadCaches(this.#engine).some((cache) => isDirectoryOf(cache, name));
  }

  /** Whoever moves a cache locks its first shard first, or the whole store where it is not in shards; makes the new ones then; and has said so before it lets go. */
  #whileNobodyMoves(structure: number, work: () => void): void {
    const from = spreadCaches(this.#engine).find((cache) => cache.structure === structure);
    // What only reads can't lock; nor is anything removed then.
    if (this.#engine.readonly) work();
    else if (from === undefined) briefly(this.#engine, work);
    else this.#inShard(from, work);
  }

  #inShard(from: Spread, work: () => void): void {
    const path = innerDirectory(from.structure, from.generation);
    // Made where nothing was stored in it: whoever moves the cache does so, too.
    const engine = this.#engine.openInside(`${path}/0`, true);
    try {
      const inPlace = briefly(engine, () => {
        const caches = spreadCaches(this.#engine);
        if (!caches.some((cache) => isSame(cache, from))) return false;
        work();
        return true;
      });
      // No generation is ever used again: it may be here that it was made anew.
      if (inPlace === false) rmSync(join(this.#engine.directory, path), { recursive: true, force: true });
    } finally {
      engine.close();
    }
  }
}

const isSame = (a: Spread, b: Spread): boolean =>
  a.structure === b.structure && a.generation === b.generation;
const isDirectoryOf = ({ structure, generation }: Spread, name: string): boolean =>
  innerDirectory(structure, generation) === `shards/${name}`;

/** Does something with the write lock, or nothing where that does not come free at once. */
function briefly<T>(engine: EmbeddedEngine, work: () => T): T | undefined {
  engine.check(false);
  return engine.within(patience, () => engine.transactions.write(work));
}

function stays(holds: () => boolean): boolean {
  for (const start = performance.now(); performance.now() - start < leftFor;) {
    pauseBlocking(10);
    if (!holds()) return false;
  }
  return true;
}
