import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { describe, inject, onTestFinished } from 'vitest';
import { open, type AsyncStore } from '../../src/index.js';
import { connect, type PgPool } from '../../src/postgres.js';
import { temporaryDirectory } from './processes.js';

/** Options for one engine or the other; those of the other engine are left aside. */
export interface EngineOptions {
  readonly embedded?: Parameters<typeof open>[1];
  readonly server?: Parameters<typeof connect>[1];
  /** What a server is asked through, made of its URL; ended when the test has finished. */
  readonly through?: ((url: string) => PgPool) | undefined;
}

/**
 * One of the two engines, for a suite of behaviours that holds on both.
 *
 * Such a suite is written for the server: it awaits every result. To await a plain value gives that value, and
 * `for await` accepts a plain iterable, so the same body is right on the embedded engine; its stores are typed as
 * {@link AsyncStore} for that reason alone. Whether a result is a promise is asked in the suite of each engine.
 *
 * An expected error is awaited in a function, since the embedded engine throws where the server rejects:
 * `await expect(async () => deque.push(NaN)).rejects.toThrow(TypeError)`.
 */
export interface Engine {
  readonly name: 'embedded' | 'server';
  /** A new, empty store. It is closed, and removed, when the test has finished. */
  open(options?: EngineOptions): Promise<AsyncStore>;
  /** A second, independent store on the data of another; the other may be closed already. */
  reopen(store: AsyncStore, options?: EngineOptions): Promise<AsyncStore>;
  /** What a child process needs to open the same store: an argument for `openStore` of `test/processes/child.js`. */
  location(store: AsyncStore): string;
}

/** Where a store's data are. `test/processes/child.js` reads the same, as JSON. */
type Place =
  | { readonly engine: 'embedded'; readonly directory: string }
  | { readonly engine: 'server'; readonly url: string; readonly schema: string };

const places = new WeakMap<AsyncStore, Place>();

/** Both engines, for `describe.each` and the like. */
export const engines: readonly [embedded: Engine, server: Engine] = [
  engine('embedded', () => ({ engine: 'embedded', directory: temporaryDirectory() })),
  engine('server', newSchema),
];

/** Describes the same behaviour of both engines. */
export function forEachEngine(body: (engine: Engine) => void): void {
  for (const engine of engines) describe(engine.name, () => body(engine));
}

function engine(name: Engine['name'], newPlace: () => Place): Engine {
  const placeOf = (store: AsyncStore): Place => {
    const place = places.get(store);
    if (place === undefined) throw new Error(`Not a store of the ${name} engine's open() or reopen().`);
    return place;
  };
  return {
    name,
    open: (options) => openAt(newPlace(), options),
    reopen: (store, options) => openAt(placeOf(store), options),
    location: (store) => JSON.stringify(placeOf(store)),
  };
}

async function openAt(place: Place, options: EngineOptions = {}): Promise<AsyncStore> {
  const store =
    place.engine === 'embedded'
      ? (open(place.directory, options.embedded) as unknown as AsyncStore)
      : await connect(serverAt(place.url, options), { ...options.server, schema: place.schema });
  places.set(store, place);
  onTestFinished(async () => {
    await store.close();
  });
  return store;
}

function serverAt(url: string, { through }: EngineOptions): string | PgPool {
  if (through === undefined) return url;
  const pool = through(url);
  onTestFinished(() => pool.end());
  return pool;
}

/** A schema of the test's own, which `connect` is to create. */
function newSchema(): Place {
  const url = inject('postgresUrl');
  const schema = `test_${randomBytes(8).toString('hex')}`;
  onTestFinished(async () => {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    } finally {
      await client.end();
    }
  });
  return { engine: 'server', url, schema };
}
