import { describe, expect, test } from 'vitest';
import { Deque, Index, type AsyncStore } from '../../src/index.js';
import { connected, connectedMany, outcome, rawClient, rows, schemaName, sleep } from './support.js';

/** Two stores on one schema, and an index of each. */
async function two(): Promise<{ store: AsyncStore; mine: Index<AsyncStore, string, number>; others: Index<AsyncStore, string, number> }> {
  const [store, other] = (await connectedMany(2)) as [AsyncStore, AsyncStore];
  return { store, mine: new Index(store, 'i'), others: new Index(other, 'i') };
}
