import { outside } from './outside.js';
import type { EmbeddedEngine } from './sqlite.js';
import { listed, Statement } from './statement.js';
import type { ValueFiles } from './value-files.js';

const sql = {
  some: new Statement<[most: number], [file: string]>('SELECT file FROM value_trash LIMIT ?'),
  removed: new Statement<[files: string]>(`DELETE FROM value_trash WHERE file ${listed.sqlite}`),
};

/** How many files are removed before that is written. */
const removedAtOnce = 256;

/**
 * Removes the files of values that are gone. Triggers write their names into `value_trash` in the transaction in which a value goes, so that they are known whoever is
 * killed; once that is committed, whoever sees it removes the files, and then the names.
 */
export class Trash {
  readonly #engine: EmbeddedEngine;
  readonly #files: ValueFiles;
  #watching = false;
  #sweeping: NodeJS.Immediate | undefined;

  constructor(engine: EmbeddedEngine, files: ValueFiles) {
    this.#engine = engine;
    this.#files = files;
  }

  /** From now on it is looked for files to be removed when this store has written something: a store that has seen no file has none to look for. */
  watch(): void {
    this.#watching = true;
  }

  /** After this store has written something. */
  written(): void {
    if (this.#watching) this.sweep();
  }

  /** Removes what is to be removed, in the next turn. */
  sweep(): void {
    if (this.#engine.readonly) return;
    // Until all are gone.
    this.watch();
    this.#sweeping ??= outside(() =>
      setImmediate(() => {
        this.#sweeping = undefined;
        // A full disk, or a store that was closed: the names are still there for whoever looks next.
        this.#sweep().catch(() => undefined);
      }),
    );
  }

  /** Does at once what there is left to do, before the store closes. */
  close(): void {
    if (this.#sweeping === undefined) return;
    clearImmediate(this.#sweeping);
    const files = this.#some();
    for (const file of files) this.#files.remove(file);
    if (files.length > 0) this.#engine.run(sql.removed, [JSON.stringify(files)]);
  }

  async #sweep(): Promise<void> {
    if (this.#engine.closing.aborted) return;
    const files = this.#some();
    const results = await Promise.allSettled(files.map((file) => this.#files.removeSoon(file)));
    // Windows may refuse, as long as somebody reads it.
    const removed = files.filter((_, i) => results[i]?.status === 'fulfilled');
    if (removed.length === 0) return;
    // What this writes has it look again.
    await this.#engine.transactions.writeSoon(
      () => this.#engine.run(sql.removed, [JSON.stringify(removed)]),
      () => this.#engine.check(false),
    );
  }

  #some(): string[] {
    return this.#engine.all(sql.some, [removedAtOnce]).map(([file]) => file);
  }
}
