import { renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HoldfastError } from './errors.js';
import { isMissing, namesIn, syncDirectory } from './files.js';
import type { Held, InnerStores } from './inner.js';
import type { Script } from './script.js';
import type { EmbeddedEngine } from './sqlite.js';
import { goneName, pathsOf, type Spread } from './sqlite-spread.js';
import type { Scope, ScopeOptions } from './store.js';
import type { ValueFiles } from './value-files.js';

interface Sum {
  readonly entries: number;
  readonly bytes: number;
}

/** The stores inside an embedded one, opened at first use. */
export class Inner implements InnerStores<'embedded'> {
  readonly #outer: EmbeddedEngine;
  readonly #engines = new Map<string, EmbeddedEngine>();

  constructor(outer: EmbeddedEngine) {
    this.#outer = outer;
  }

  has(path: string): boolean {
    if (!this.#outer.readonly || this.#engines.has(path)) return true;
    const engine = this.#existing(path);
    if (engine !== undefined) this.#engines.set(path, engine);
    return engine !== undefined;
  }

  absent(options: ScopeOptions): Scope<'embedded'> {
    // No structure is of this kind: whatever is asked of it, there is nothing.
    return this.#outer.scope({ ...options, kind: 'absent' });
  }

  scope(path: string, options: ScopeOptions): Scope<'embedded'> {
    this.#outer.check(true);
    let engine = this.#engines.get(path);
    if (engine === undefined) {
      engine = this.#outer.openInside(path, true);
      this.#engines.set(path, engine);
    }
    return engine.scope(options);
  }

  hold(options: ScopeOptions, path?: string): Held {
    this.#outer.check(false);
    const known = path === undefined ? this.#outer : this.#engines.get(path);
    const parents =
      path === undefined ? [] : parentsOf(path).map((parent) => join(this.#outer.directory, parent));
    return new HeldStore(
      this.#outer,
      this.#outer.openInside(path ?? '', path !== undefined),
      known,
      options,
      parents,
    );
  }

  list(path: string): string[] {
    return namesIn(join(this.#outer.directory, path));
  }

  remove(path: string): void {
    this.#closeIn(path);
    const directory = join(this.#outer.directory, path);
    if (this.#outer.readonly || isMissing(directory)) return;
    try {
      rmSync(this.#renamed(directory), { recursive: true, force: true, maxRetries: 2 });
    } catch {
      // Others have files of it open, and the system is Windows; or they remove it as well.
    }
  }

  /** By its name it is seen that somebody who lives removes it: that may take a while. */
  #renamed(directory: string): string {
    try {
      const name = goneName(directory, this.#outer.presence.token());
      renameSync(directory, name);
      return name;
    } catch {
      // The disk is full, say: what is removed would be in the way of nobody but who looks at it in this moment.
      return directory;
    }
  }

  *joined<T>(
    make: () => readonly IterableIterator<T>[],
    compare?: (a: T, b: T) => number,
  ): IterableIterator<T> {
    if (compare === undefined) for (const sequence of make()) yield* sequence;
    else yield* merged(make(), compare);
  }

  close(): void {
    for (const engine of this.#engines.values()) engine.close();
    this.#engines.clear();
  }

  /** How much there is in the stores that a cache is spread over. */
  sumOf(cache: Spread): Sum {
    const sum = { entries: 0, bytes: 0 };
    for (const path of pathsOf(cache)) {
      const known = this.#engines.get(path);
      const engine = known ?? this.#existing(path);
      for (const { entries, bytes } of engine?.structures() ?? []) {
        sum.entries += entries;
        sum.bytes += bytes;
      }
      if (known === undefined) engine?.close();
    }
    return sum;
  }

  /** `undefined` where nothing was stored yet. */
  #existing(path: string): EmbeddedEngine | undefined {
    try {
      return this.#outer.openInside(path, false);
    } catch (error) {
      if (error instanceof HoldfastError && error.code === 'ERR_NOT_FOUND') return undefined;
      throw error;
    }
  }

  /** Who still uses one of them finds that it is closed, and asks where its data are now. */
  #closeIn(directory: string): void {
    for (const [path, engine] of this.#engines) {
      // One that is in use this very moment is closed with the outer one.
      if (!path.startsWith(`${directory}/`) || engine.transactions.busy) continue;
      this.#engines.delete(path);
      engine.close();
    }
  }
}

function* merged<T>(
  sequences: readonly IterableIterator<T>[],
  compare: (a: T, b: T) => number,
): IterableIterator<T> {
  const heads = sequences.flatMap((sequence) => headOf(sequence));
  while (heads.length > 0) {
    const [first, ...others] = heads;
    if (first === undefined) return;
    const least = others.reduce((a, b) => (compare(b.value, a.value) < 0 ? b : a), first);
    yield least.value;
    heads.splice(heads.indexOf(least), 1, ...headOf(least.sequence));
  }
}

/** The next item of a sequence, if there is one. */
function headOf<T>(
  sequence: IterableIterator<T>,
): { readonly value: T; readonly sequence: IterableIterator<T> }[] {
  const next = sequence.next();
  return next.done === true ? [] : [{ value: next.value, sequence }];
}

function parentsOf(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [] : [parent, ...parentsOf(parent)];
}

class HeldStore implements Held {
  readonly #outer: EmbeddedEngine;
  readonly #engine: EmbeddedEngine;
  readonly #known: EmbeddedEngine | undefined;
  readonly #options: ScopeOptions;
  readonly #parents: readonly string[];

  /**
   * @param known - What others in this process use for the same store.
   * @param parents - The directories that its own is in.
   */
  constructor(
    outer: EmbeddedEngine,
    engine: EmbeddedEngine,
    known: EmbeddedEngine | undefined,
    options: ScopeOptions,
    parents: readonly string[],
  ) {
    this.#outer = outer;
    this.#engine = engine;
    this.#known = known;
    this.#options = options;
    this.#parents = parents;
  }

  get files(): ValueFiles {
    return this.#engine.files;
  }

  async begin(wanted: () => void): Promise<void> {
    await this.#engine.transactions.hold(() => {
      this.#outer.check(false);
      wanted();
    });
    if (this.#known !== undefined) this.#known.held = true;
  }

  drive<T>(script: (structure: number) => Script<T>): T {
    return this.#engine.drive(script(this.#engine.ensure(this.#engine.refOf(this.#options))));
  }

  end(commits: boolean): void {
    if (this.#known !== undefined) this.#known.held = false;
    if (commits) this.#engine.files.settle();
    this.#engine.transactions.end(commits);
    if (!commits) this.#engine.files.disown();
  }

  settle(): void {
    this.#engine.settle();
    for (const parent of this.#parents) syncDirectory(parent);
  }

  close(): void {
    try {
      if (this.#engine.transactions.open) this.end(false);
    } finally {
      this.#engine.close();
    }
  }
}
