import { inspect } from 'node:util';
import * as types from 'node:util/types';
import { DefaultDeserializer, DefaultSerializer } from 'node:v8';
import { maxDepth } from './plain.js';

/**
 * A value in V8's own format, the one of `structuredClone`. It is versioned, and later versions of Node read it.
 *
 * One difference: a view of a part of a buffer is stored as that part alone. `structuredClone` copies the whole buffer,
 * which for a small Buffer is a pool of 8 KiB with other people's data in it. Views of whole buffers go on sharing them.
 *
 * @param what - The name of the value in errors.
 * @throws TypeError when something in the value can't be carried, naming the path to it; RangeError when it nests more
 * than 1000 levels deep.
 */
export function serialize(value: unknown, what = 'value'): Uint8Array {
  new Check(what).value(value);
  const serializer = new ValueSerializer();
  try {
    serializer.writeHeader();
    serializer.writeValue(value);
  } catch (error) {
    if (isStackOverflow(error)) throw error;
    if (serializer.refused) new Check(what, serializer.refused).value(value);
    // What the check has not foreseen, such as a detached ArrayBuffer. An error of the user's own getter is the cause.
    const message = error instanceof Error ? error.message : String(error);
    throw new TypeError(`${what} cannot be stored: ${message}`, { cause: error });
  }
  return serializer.releaseBuffer();
}

/**
 * The value that {@link serialize} wrote. Shares no memory with `bytes`.
 *
 * @throws Error when the bytes are garbled, or written by a newer V8.
 */
export function deserialize(bytes: Uint8Array): unknown {
  const deserializer = new ValueDeserializer(bytes);
  deserializer.readHeader();
  return deserializer.readValue();
}

/** Whether an error says that the stack is full, which is no fault of the data. */
export function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message === 'Maximum call stack size exceeded';
}

/** The kinds of views by their place in this list. Written to disk: append only. */
const views = [
  'DataView', 'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array',
  'Uint32Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array', 'Float16Array',
]; // prettier-ignore

/** What follows the kind: the view's own bytes, or the buffer as a value of its own. */
const ownBytes = 0;
const wholeBuffer = 1;

/** The default one writes a Buffer as Buffer, and each view as its own bytes. */
class ValueSerializer extends DefaultSerializer {
  /** The object for which writing ended, if it was one of these. */
  refused: object | undefined;

  /** Called by V8 for views, and for native objects that it knows nothing about. */
  _writeHostObject(view: object): void {
    if (!ArrayBuffer.isView(view)) {
      this.refused = view;
      throw new TypeError('it has a native part');
    }
    this.writeUint32(views.indexOf(kindOfView(view)));
    if (showsWholeBuffer(view)) {
      this.writeUint32(wholeBuffer);
      this.writeValue(view.buffer);
    } else {
      this.writeUint32(ownBytes);
      this.writeUint32(view.byteLength);
      this.writeRawBytes(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
    }
  }
}

class ValueDeserializer extends DefaultDeserializer {
  _readHostObject(): object {
    const kind = views[this.readUint32()] ?? 'unknown view';
    const buffer = this.readUint32() === ownBytes ? this.#bytes() : (this.readValue() as unknown);
    const View = (globalThis as unknown as Record<string, (new (buffer: unknown) => object) | undefined>)[
      kind
    ];
    if (View === undefined) throw new TypeError(`this version of Node has no ${kind}`);
    return new View(buffer);
  }

  /** A copy: the default one returns a window into the source, which keeps that from being freed. */
  #bytes(): ArrayBuffer {
    return new Uint8Array(this.readRawBytes(this.readUint32())).buffer;
  }
}

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;

/** The name of the built-in kind, which `constructor.name` is not for a Buffer or another subclass. */
function kindOfView(view: ArrayBufferView): string {
  return (Reflect.get(typedArray, Symbol.toStringTag, view) as string | undefined) ?? 'DataView';
}

function showsWholeBuffer(view: ArrayBufferView): boolean {
  const { buffer } = view;
  // A view of the whole of a buffer that can grow need not grow with it; the format has no place to tell.
  return types.isArrayBuffer(buffer) && view.byteLength === buffer.byteLength && !isResizable(buffer);
}

function isResizable(buffer: ArrayBuffer): boolean {
  return (buffer as ArrayBuffer & { resizable?: boolean }).resizable === true;
}

/** A way from a value to one inside: a property, an index, or in words. */
type Step = string | number | { readonly words: string };

/** One walk through a value to refuse what can't be carried, since V8 doesn't tell where it met it. */
class Check {
  readonly #seen = new Set<object>();
  readonly #openErrors = new Set<object>();
  readonly #path: Step[] = [];
  readonly #what: string;
  readonly #refused: object | undefined;

  /** @param refused - An object which is known not to be carried. */
  constructor(what: string, refused?: object) {
    this.#what = what;
    this.#refused = refused;
  }

  value(value: unknown): void {
    if (typeof value === 'function' || typeof value === 'symbol') this.#refuse(`is ${describe(value)}`);
    if (typeof value !== 'object' || value === null) return;
    if (this.#openErrors.has(value)) this.#refuse('is an Error inside itself'); // V8 writes it and can't read it
    if (this.#seen.has(value)) return;
    if (this.#path.length >= maxDepth) this.#tooDeep();
    this.#seen.add(value);
    if (value === this.#refused || isOpaque(value)) this.#refuse(`is ${describe(value)}`);
    this.#inside(value);
  }

  #inside(value: object): void {
    if (types.isMap(value)) this.#map(value);
    else if (types.isSet(value)) this.#set(value);
    else if (types.isNativeError(value)) this.#error(value);
    else if (!isLeaf(value)) this.#properties(value);
  }

  #step(step: Step, value: unknown): void {
    if (isHarmless(value)) return;
    this.#path.push(step);
    this.value(value);
    this.#path.pop();
  }

  #properties(value: object): void {
    const isArray = Array.isArray(value);
    for (const key of Object.keys(value)) {
      this.#step(isArray && /^\d+$/.test(key) ? Number(key) : key, (value as Record<string, unknown>)[key]);
    }
  }

  #map(map: Map<unknown, unknown>): void {
    let i = 0;
    for (const [key, value] of Map.prototype.entries.call(map) as Iterable<[unknown, unknown]>) {
      this.#step({ words: `.keys()[${i}]` }, key);
      const isPrimitive = typeof key !== 'object' && typeof key !== 'function';
      if (!isHarmless(value))
        this.#step({ words: isPrimitive ? `.get(${inspect(key)})` : `.values()[${i}]` }, value);
      i++;
    }
  }

  #set(set: Set<unknown>): void {
    let i = 0;
    for (const value of Set.prototype.values.call(set)) this.#step({ words: `.values()[${i++}]` }, value);
  }

  /** V8 carries the name, message, stack and cause of an error, and no other property. */
  #error(error: Error): void {
    if (!Object.hasOwn(error, 'cause')) return;
    this.#openErrors.add(error);
    this.#step('cause', error.cause);
    this.#openErrors.delete(error);
  }

  #refuse(reason: string): never {
    throw new TypeError(`${this.#what}${formatPath(this.#path)} ${reason}, which cannot be stored`);
  }

  #tooDeep(): never {
    throw new RangeError(
      `${this.#what}${formatPath(this.#path.slice(0, 5))}… is nested too deep: at most ${maxDepth} levels can be stored`,
    );
  }
}

/** Whether nothing can be wrong with a value: saves a step for most. */
function isHarmless(value: unknown): boolean {
  return (
    value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol')
  );
}

/** Whether V8 carries an object without looking at its properties. */
function isLeaf(value: object): boolean {
  return (
    types.isDate(value) ||
    types.isRegExp(value) ||
    types.isBoxedPrimitive(value) ||
    types.isAnyArrayBuffer(value) ||
    ArrayBuffer.isView(value)
  );
}

/**
 * Objects whose state is not in properties, by the tag that their class gives them. V8 refuses most of them itself; those of
 * the web it would silently write as empty objects on Node 20, and a WebAssembly.Module so that it can't be read.
 */
const opaque = new Set([
  'Promise', 'WeakMap', 'WeakSet', 'WeakRef', 'FinalizationRegistry', 'Generator', 'AsyncGenerator', 'Module', 'Arguments',
  'Array Iterator', 'Map Iterator', 'Set Iterator', 'String Iterator', 'RegExp String Iterator', 'Iterator Helper', 'Atomics',
  'SharedArrayBuffer', 'WebAssembly.Module', 'WebAssembly.Memory', 'WebAssembly.Instance', 'WebAssembly.Table',
  'WebAssembly.Global', 'Intl.Collator', 'Intl.DateTimeFormat', 'Intl.DisplayNames', 'Intl.ListFormat', 'Intl.Locale',
  'Intl.NumberFormat', 'Intl.PluralRules', 'Intl.RelativeTimeFormat', 'Intl.Segmenter',
  'AbortController', 'AbortSignal', 'Blob', 'DOMException', 'Event', 'EventTarget', 'File', 'FormData', 'Headers',
  'MessageChannel', 'MessagePort', 'ReadableStream', 'Request', 'Response', 'TransformStream', 'URL', 'URLSearchParams',
  'WritableStream', 'CryptoKey',
]); // prettier-ignore

function isOpaque(value: object): boolean {
  if (types.isProxy(value) || types.isSymbolObject(value)) return true;
  const tag = tagOf(value);
  if (!opaque.has(tag)) return false;
  // A class of the application may use the same tag. Some of these classes have no global name.
  const global: unknown = Reflect.get(globalThis, tag);
  return typeof global !== 'function' || value instanceof global;
}

function tagOf(value: object): string {
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}

function describe(value: unknown): string {
  if (typeof value !== 'object' || value === null) return `a ${typeof value}`;
  const name = types.isProxy(value) ? 'Proxy' : nameOf(value);
  return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name}`;
}

function nameOf(value: object): string {
  const { constructor } = value as { constructor?: unknown };
  const tag = tagOf(value);
  return tag === 'Object' && typeof constructor === 'function' ? constructor.name : tag;
}

/** A path as it would stand in code behind a name: `.user['first name'].tags[2]`. */
function formatPath(path: readonly Step[]): string {
  const steps = path.map((step) => {
    if (typeof step === 'number') return `[${step}]`;
    if (typeof step === 'object') return step.words;
    return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(step) ? `.${step}` : `[${inspect(step)}]`;
  });
  return steps.join('');
}
