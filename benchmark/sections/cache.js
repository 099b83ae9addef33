// Caches: what an operation costs, with one process and several, as they grow and are full; a stampede; the space they take.
import { findCaches } from '../lib/caches.js';
import { measureOperations } from './cache/operations.js';

/** @param {{ build: string, quick: boolean, peers: boolean, redis?: any, progress(what: string): void }} given */
export async function measureCache({ build, quick, peers, redis, progress }) {
  const places = { build, redis };
  const candidates = findCaches({ peers, redis });
  const options = { candidates, places, quick, progress };
  return { operations: await measureOperations(options) };
}
