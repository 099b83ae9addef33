// Caches: what an operation costs, with one process and several, as they grow and are full; a stampede; large streams; the space they take.
import { findCaches } from '../lib/caches.js';
import { measureGrowth } from './cache/growth.js';
import { measureMix } from './cache/mix.js';
import { measureOperations } from './cache/operations.js';
import { measureFull, measureUses } from './cache/policies.js';
import { measureSpace } from './cache/space.js';
import { measureStampede } from './cache/stampede.js';
import { measureStreams } from './cache/streams.js';

/** @param {{ build: string, quick: boolean, peers: boolean, redis?: any, progress(what: string): void }} given */
export async function measureCache({ build, quick, peers, redis, progress }) {
  const places = { build, redis };
  const candidates = findCaches({ peers, redis });
  const options = { candidates, places, quick, progress };
  return {
    operations: await measureOperations(options),
    uses: await measureUses(options),
    full: await measureFull(options),
    mix: await measureMix(options),
    stampede: await measureStampede(options),
    growth: await measureGrowth(options),
    streams: await measureStreams(options),
    space: await measureSpace(options),
  };
}
