import { HoldfastError } from '../../core/errors.js';
import { all, get, owner, run, type Script } from '../../core/script.js';
import { nothing, type Kind, type Scope } from '../../core/store.js';
import type { FileRef, FileWriter } from '../../core/value-files.js';
import { sql } from './chunk-statements.js';

/** How many bytes a row takes: each is one call to the server, and is in memory here and there. */
const chunkSize = 512 * 1024;
/** How many values a transaction removes. */
const removedAtOnce = 4;

const takenForDead = (): HoldfastError =>
  new HoldfastError('ERR_CONNECTION', 'the connection to the server was lost in the midst of a stream');

/** A value that is being written in chunks: what a file is on an embedded store. Nobody removes them as long as this store lives. */
export class Chunks<S extends Kind> implements FileWriter {
  readonly #scope: Scope<S>;
  readonly #use: number;
  readonly #name: string;
  #pieces: Uint8Array[] = [];
  #pending = 0;
  #place = 0;
  #size = 0;

  private constructor(scope: Scope<S>, use: number, name: string) {
    this.#scope = scope;
    this.#use = use;
    this.#name = name;
  }

  static async begin<S extends Kind>(scope: Scope<S>): Promise<Chunks<S>> {
    const [use, name] = await scope.soon(function* () {
      return (yield* get(sql.begin, yield* owner())) ?? [0, ''];
    });
    return new Chunks(scope, use, name);
  }

  /** In rows of one size, whatever the piece has: one of 250 MB could not be read again. */
  async write(piece: Uint8Array): Promise<void> {
    this.#size += piece.byteLength;
    for (let done = 0; done < piece.byteLength;) {
      const part = piece.subarray(done, done + chunkSize - this.#pending);
      this.#pieces.push(part);
      this.#pending += part.byteLength;
      done += part.byteLength;
      if (this.#pending >= chunkSize) await this.#flush();
    }
  }

  async end(): Promise<FileRef> {
    if (this.#pending > 0) await this.#flush();
    return { name: this.#name, size: this.#size };
  }

  /** In the transaction that stores the entry: from then on that keeps the chunks. */
  *settle(): Script<void> {
    if ((yield* run(sql.unuse, this.#use)) === 0) throw takenForDead();
  }

  /** What can't be removed now is found by `check`. */
  async abandon(): Promise<void> {
    const [use, name] = [this.#use, this.#name];
    await this.#scope
      .soon(function* () {
        yield* run(sql.remove, name);
        yield* run(sql.unuse, use);
      })
      .catch(nothing);
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#pending = 0;
    const place = this.#place++;
    const name = this.#name;
    await this.#scope.soon(function* () {
      yield* run(sql.add, name, place, bytes);
    });
  }
}

/** Gives the chunks of a value one after the other, but for the first. */
export function chunksOf<S extends Kind>(
  scope: Scope<S>,
  { name, size }: FileRef,
  first: Uint8Array,
): () => Promise<Uint8Array | undefined> {
  let place = 0;
  let left = size - first.byteLength;
  return async () => {
    if (left === 0) return undefined;
    place++;
    const chunk = await scope.one(
      sql.chunk,
      nothing,
      () => [name, place],
      (row) => row?.[0],
    );
    if (chunk === undefined) throw takenForDead();
    left -= chunk.byteLength;
    return chunk;
  };
}

/** Removes the chunks of some values that are gone; tells of how many. */
export function* removeSome(): Script<number> {
  const files = yield* all(sql.trash, removedAtOnce);
  for (const [file] of files) {
    yield* run(sql.remove, file);
    yield* run(sql.removed, file);
  }
  return files.length;
}
