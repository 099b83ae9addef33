import { argumentKey } from '../../core/argument-key.js';
import type { Key } from '../../core/key.js';
import {
  atOnce,
  boolean,
  functionOf,
  isAsyncFunction,
  knownKeys,
  nameString,
  shown,
} from '../../core/options.js';
import type { Kind, Result } from '../../core/store.js';
import { resolveProducing, type GetOrSetOptions, type Producing } from './options.js';
import type { Produce } from './parts.js';

/** Options of {@link Cache.memoize}; `A` are the arguments of the function. */
export interface MemoizeOptions<A extends unknown[]> extends Omit<GetOrSetOptions, 'timeout' | 'signal'> {
  /**
   * Under which its results are stored: 1 to 512 characters. Functions with one name share them, in all modules and processes. @defaultValue the name
   * of the function, which a minifier changes
   */
  readonly name?: string | undefined;
  /** Returns, as an array, what the result depends on, in place of the arguments: where that is only some of them, or something else. */
  readonly key?: ((...args: A) => readonly unknown[]) | undefined;
  /** Whether it returns promises: for a function that does so without being `async`. @defaultValue whether it is `async` */
  readonly async?: boolean | undefined;
}

/** A function whose results are cached; `A` are its arguments, `R` is what it returns. Its `this` is that of the function, and no part of the key. */
export interface Memoized<S extends Kind, T, A extends unknown[], R> {
  (this: T, ...args: A): R;
  /** The key under which the result of these arguments is stored in the cache. */
  key(...args: A): Key;
  /** Removes the result of these arguments, like {@link Cache.delete}; tells whether there was one. */
  forget(...args: A): Result<S, boolean>;
  /**
   * Calls the function, and stores what it returns, unless that is removed meanwhile. Nothing else that is being worked out for these arguments is
   * stored then.
   *
   * @throws What the function throws: what was stored stays then; what {@link Cache.set} throws; {@link HoldfastError} `ERR_IN_TRANSACTION` inside a
   * transaction, where it returns a promise.
   */
  readonly refresh: (this: T, ...args: A) => R;
  /** The function itself. */
  readonly original: (this: T, ...args: A) => unknown;
}

/** A cache, as a memoized function uses it. */
export interface Memory<S extends Kind, V> {
  readonly kind: S;
  /** What holds where none is given. */
  readonly ttl: number | null;
  readonly getOrSet: (key: Key, produce: Produce<V>, producing: Producing) => Promise<V>;
  /** The same at once, for what is worked out without waiting: by each who finds none. */
  readonly getOrSetNow: (key: Key, produce: () => V, producing: Producing) => Result<S, V>;
  /** Works a value out and stores it, whatever is there. */
  readonly refresh: Memory<S, V>['getOrSet'];
  /** The same at once. */
  readonly refreshNow: Memory<S, V>['getOrSetNow'];
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
  if (name === '')
    throw new RangeError('memoize() needs a name for a function that has none: memoize(fn, { name })');
  nameString('name', name);
  const producing = resolveProducing(options, memory.ttl);
  boolean('async', isAsync);
  if (partsOf !== undefined) functionOf('key', partsOf);
  const keyOf = (...args: A): Key => {
    const parts: unknown = partsOf === undefined ? args : partsOf(...args);
    if (!Array.isArray(parts))
      throw new TypeError(`key of ${name}() must return an array, not ${shown(parts)}`);
    return argumentKey(name, parts);
  };
  const waits = isAsync || memory.kind === 'server';
  // A hit would give a value in place of it.
  const promised = (): Error =>
    new TypeError(`${name}() returned a promise, and is not async: memoize it with { async: true }`);

  const calling = (soon: Memory<S, V>['getOrSet'], now: Memory<S, V>['getOrSetNow']) =>
    function (this: T, ...args: A): Promise<V> | Result<S, V> {
      const call = (): V | PromiseLike<V> => fn.apply(this, args);
      return waits
        ? (async () => soon(keyOf(...args), call, producing))()
        : now(keyOf(...args), () => atOnce(call(), promised), producing);
    };
  const memoized = calling(memory.getOrSet, memory.getOrSetNow);
  const refresh = calling(memory.refresh, memory.refreshNow);
  const forget = (...args: A): Result<S, boolean> => memory.forget(() => keyOf(...args));
  Object.defineProperty(memoized, 'name', { value: name });
  return Object.assign(memoized, { key: keyOf, forget, refresh, original: fn });
}

/**
 * Decorates methods: `method` is one whose results are to be cached. It may have more parameters than `key` takes, `Args`.
 *
 * On a server only what returns promises: the type of a method can't become another.
 */
export type MemoizeDecorator<S extends Kind, V, Args extends unknown[]> = {
  embedded: DecorateAsync<'embedded', V, Args> & DecorateAtOnce<V, Args>;
  server: DecorateAsync<'server', V, Args>;
}[S];

/** Decorates what returns promises. */
export type DecorateAsync<S extends Kind, V, Args extends unknown[]> = <
  T,
  A extends [...Args, ...unknown[]],
  R extends V,
>(
  method: (this: T, ...args: A) => Promise<R>,
  context: ClassMethodDecoratorContext<T, (this: T, ...args: A) => Promise<R>>,
) => Memoized<S, T, A, Promise<R>>;

/** Decorates what does not. */
export type DecorateAtOnce<V, Args extends unknown[]> = <T, A extends [...Args, ...unknown[]], R extends V>(
  method: (this: T, ...args: A) => R,
  context: ClassMethodDecoratorContext<T, (this: T, ...args: A) => R>,
) => Memoized<'embedded', T, A, R>;

/** Decorates a method: {@link memoize} of it, by default under its own name. @throws `TypeError` for what is no method, and for options that don't exist */
export function decorate<S extends Kind, V, T, A extends unknown[]>(
  memory: Memory<S, V>,
  given: MemoizeOptions<A> = {},
): (
  method: (this: T, ...args: A) => V | PromiseLike<V>,
  context: DecoratorContext,
) => Memoized<S, T, A, Promise<V> | Result<S, V>> {
  if (typeof given !== 'object')
    throw new TypeError('memoize() takes a function, or options to decorate one');
  knownKeys('options of memoize()', given, optionKeys);
  return (method, context: DecoratorContext | undefined) => {
    const decorated: unknown = method;
    if (typeof decorated !== 'function' || context?.kind !== 'method')
      throw new TypeError(
        'memoize() decorates methods, by the decorators of TC39: in TypeScript, without experimentalDecorators',
      );
    const { name } = context;
    const own = typeof name === 'symbol' ? name.description : name;
    return memoize(memory, method, { name: own, ...given });
  };
}
