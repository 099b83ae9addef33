import { argumentKey } from '../../core/argument-key.js';
import type { Key } from '../../core/key.js';
import {
  boolean,
  functionOf,
  isAsyncFunction,
  isThenable,
  knownKeys,
  nameString,
} from '../../core/options.js';
import type { Kind, Result } from '../../core/store.js';
import type { GetOrSetOptions, SetOptions } from './options.js';

/** Options of {@link Cache.memoize}; `A` are the arguments of the function. */
export interface MemoizeOptions<A extends unknown[]> extends Omit<GetOrSetOptions, 'timeout' | 'signal'> {
  /** Under which its results are stored: 1 to 512 characters. Functions with one name share them. @defaultValue the name of the function */
  readonly name?: string | undefined;
  /** What the result depends on, as an array: in place of the arguments, where that is less, or else. */
  readonly key?: ((...args: A) => readonly unknown[]) | undefined;
  /** Whether it returns promises: for a function that does so without being `async`. @defaultValue whether it is `async` */
  readonly async?: boolean | undefined;
}

/** A function whose results are cached; `A` are its arguments, `R` is what it returns. Its `this` is that of the function, and no part of the key. */
export interface Memoized<S extends Kind, T, A extends unknown[], R> {
  (this: T, ...args: A): R;
  /** The key under which the result of these arguments is stored in the cache. */
  key(...args: A): Key;
  /** Removes the result of these arguments; tells whether there was one. */
  forget(...args: A): Result<S, boolean>;
  /** Calls the function, and stores what it returns. */
  readonly refresh: (this: T, ...args: A) => R;
  /** The function itself. */
  readonly original: (this: T, ...args: A) => unknown;
}

/** A cache, as a memoized function uses it. */
export interface Memory<S extends Kind, V> {
  readonly kind: S;
  getOrSet(key: Key, produce: () => V | PromiseLike<V>, options: GetOrSetOptions): Promise<V>;
  /** The same at once, for what is worked out without waiting: by each who finds none. */
  getOrSetNow(key: Key, produce: () => V, options: GetOrSetOptions): Result<S, V>;
  /** Stores a value, and gives it back. */
  keep(key: Key, value: V, options: SetOptions): Result<S, V>;
  /** The same once the value is there. */
  keepSoon(key: Key, value: V | PromiseLike<V>, options: SetOptions): Promise<V>;
  /** Deletes an entry; tells whether there was one. */
  forget(key: () => Key): Result<S, boolean>;
}

const optionKeys = ['name', 'key', 'async', 'ttl', 'tags', 'staleFor', 'refreshAhead', 'errorTtl'];

/** A function that gives what is in the cache for its arguments, and calls `fn` where there is nothing. */
export function memoize<S extends Kind, V, T, A extends unknown[]>(
  memory: Memory<S, V>,
  fn: (this: T, ...args: A) => V | PromiseLike<V>,
  given: MemoizeOptions<A> = {},
): Memoized<S, T, A, Promise<V> | Result<S, V>> {
  functionOf('fn', fn);
  knownKeys('options of memoize()', given, optionKeys);
  const { name = fn.name, key: partsOf, async: isAsync = isAsyncFunction(fn), ...options } = given;
  nameString('name', name);
  boolean('async', isAsync);
  if (partsOf !== undefined) functionOf('key', partsOf);
  const { ttl, tags } = options;
  const keyOf = (...args: A): Key => argumentKey(name, partsOf === undefined ? args : partsOf(...args));
  const waits = isAsync || memory.kind === 'server';

  function memoized(this: T, ...args: A): Promise<V> | Result<S, V> {
    if (!waits) return memory.getOrSetNow(keyOf(...args), () => atOnce(fn.apply(this, args), name), options);
    return (async () => memory.getOrSet(keyOf(...args), () => fn.apply(this, args), options))();
  }
  function refresh(this: T, ...args: A): Promise<V> | Result<S, V> {
    if (!waits) return memory.keep(keyOf(...args), atOnce(fn.apply(this, args), name), { ttl, tags });
    return (async () => memory.keepSoon(keyOf(...args), fn.apply(this, args), { ttl, tags }))();
  }
  const forget = (...args: A): Result<S, boolean> => memory.forget(() => keyOf(...args));
  Object.defineProperty(memoized, 'name', { value: name });
  return Object.assign(memoized, { key: keyOf, forget, refresh, original: fn });
}

/** @throws `TypeError` for a promise: a hit would give a value in its place. */
function atOnce<V>(value: V | PromiseLike<V>, name: string): V {
  if (isThenable(value))
    throw new TypeError(`${name}() returned a promise, and is not async: memoize it with { async: true }`);
  return value;
}
