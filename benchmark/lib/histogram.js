// @ts-check
/** Buckets are a fiftieth of a factor of e wide: two percent. Those of processes/diskcache_cache.py are given the same. */
export const buckets = 50;

/** How often something took how long. */
export class Histogram {
  /** @type {Record<string, number>} By bucket. */
  counts = {};
  longest = 0;

  /** @param {number} nanoseconds */
  add(nanoseconds) {
    const bucket = Math.round(Math.log(Math.max(1, nanoseconds)) * buckets);
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    if (nanoseconds > this.longest) this.longest = nanoseconds;
  }

  /** @param {{ counts: Record<string, number>, longest: number }} other */
  merge({ counts, longest }) {
    for (const [bucket, count] of Object.entries(counts))
      this.counts[bucket] = (this.counts[bucket] ?? 0) + count;
    this.longest = Math.max(this.longest, longest);
  }

  /** Nanoseconds. @param {number} part - From 0 to 1. */
  quantile(part) {
    const sorted = Object.entries(this.counts)
      .map(([bucket, count]) => ({ bucket: Number(bucket), count }))
      .sort((a, b) => a.bucket - b.bucket);
    const total = sorted.reduce((sum, { count }) => sum + count, 0);
    let below = 0;
    for (const { bucket, count } of sorted) {
      below += count;
      if (below >= part * total) return Math.exp(bucket / buckets);
    }
    return NaN;
  }
}
