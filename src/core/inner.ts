import type { Script } from './script.js';
import type { Kind, Scope, ScopeOptions, Sequence } from './store.js';
import type { ValueFiles } from './value-files.js';

/** Where the stores are that a structure is spread over, in the directory of its own, with `/` on every system. A generation is never used again. */
export const innerDirectory = (structure: number, generation: number): string =>
  `shards/${structure}-${generation}`;

/** Watches over a structure that may have been moved into another database, for the scope of it that is there. */
export interface Guard {
  /**
   * Throws where it has been. Called in each transaction when it has its lock, also in one that only reads; and where a statement by itself has found nothing.
   *
   * @param writes - Whether something is to be changed.
   */
  check(writes: boolean): void;
  /**
   * Whether a statement needs it as well that finds something, or changes something, by itself. Without it, such a statement must find and change
   * nothing where the structure was moved.
   */
  readonly always: boolean;
}

/** Stores in directories below a store's own: each a whole one, with the options of that. */
export interface InnerStores<K extends Kind> {
  /** Whether there is a store at `path`, or one is made there at its first use: not where nothing can be written. */
  has(path: string): boolean;
  /** A structure in the store at `path`, which is opened, and made where it is missing, and closed with the outer one, or when it is removed. */
  scope(path: string, options: ScopeOptions): Scope<K>;
  /** The same of one that is not there, and can't be made: nothing was ever stored in it. */
  absent(options: ScopeOptions): Scope<K>;
  /** A connection of its own to the store at `path`, which is made where it is missing; without a path to the outer one. */
  hold(options: ScopeOptions, path?: string): Held;
  /** The names in a directory; none where there is none. */
  list(path: string): string[];
  /** Removes a directory with all that is in it, and closes the stores there. What the system does not let go stays. */
  remove(path: string): void;
  /** One sequence behind the other; with `compare`, in that order, if each is. `make` is called when the first item is asked for. */
  joined<T>(make: () => readonly Sequence<K, T>[], compare?: (a: T, b: T) => number): Sequence<K, T>;
}

/** A connection that keeps all others from writing, for longer than one turn of the event loop: it has one transaction after the other, each open until it is ended. */
export interface Held {
  /** Waits for the write lock without blocking the event loop, until `wanted` throws. Whoever writes in this process meanwhile, blocking, gets `ERR_BUSY` at once. */
  begin(wanted: () => void): Promise<void>;
  /** Files of values beside its database. Those that are adopted go again with what is not committed. */
  readonly files: ValueFiles;
  /** Runs a script to its end in the transaction that is open. */
  drive<T>(script: (structure: number) => Script<T>): T;
  end(commits: boolean): void;
  /** Has all that was committed on the disk, whatever the durability. */
  settle(): void;
  /** Undoes what was not committed. */
  close(): void;
}
