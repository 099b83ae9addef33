// @ts-check
import { Index, Queue, open } from 'holdfast';

/**
 * @import { Job } from 'holdfast'
 * @import { FileVersion } from './history.js'
 * @import { Lines } from './blame.js'
 *
 * @typedef {object} Survey What a run asks for.
 * @property {string} boundary Git blame says something else where a clone's history is cut off at another place.
 * @property {string} head
 * @property {number} samples How many were asked for.
 *
 * @typedef {object} Plan
 * @property {number} versions How many file versions the samples have.
 * @property {number} leftOut How many files couldn't be looked at, for their names.
 */

/**
 * What is known and what is to be done, shared by all processes of all runs.
 *
 * Nothing here is true only as long as some process lives. Each change takes it from one sound state to another, in one
 * transaction, so that whoever is killed at whatever moment leaves the rest to the next.
 */
export class Findings {
  #store;
  /** @type {[head: string, samples: number]} */
  #survey;
  /** @type {Index<[blob: string, path: string, commit: string], Lines>} What git blame said. Kept for good. */
  #results;
  /** @type {Index<[head: string, samples: number], Plan>} Which surveys are in the totals, but for what is still in their queues. */
  #plans;
  /** @type {Index<[head: string, samples: number, sample: string], Lines>} How many lines survive at a sample. */
  #totals;
  /** @type {Queue<FileVersion>} What is still to be blamed for this survey, and for no other. */
  #queue;

  /**
   * @param {string} directory
   * @param {Survey} survey
   */
  constructor(directory, { boundary, head, samples }) {
    // Planning is one transaction, which in a huge repository takes a while.
    this.#store = open(directory, { busyTimeout: '2m' });
    this.#survey = [head, samples];
    /** @param {string} name */
    const named = (name) => (boundary === '' ? name : `${name} (${boundary})`);
    this.#results = new Index(this.#store, named('results'));
    this.#plans = new Index(this.#store, named('plans'));
    this.#totals = new Index(this.#store, named('totals'));
    this.#queue = new Queue(this.#store, named(`blame ${head} ${samples}`), {
      keep: { completed: { count: 0 } },
      // However often a run is killed in its midst, no file is to blame for that.
      maxDeaths: Number.MAX_SAFE_INTEGER,
    });
  }

  /** The plan, if an earlier run has made it. */
  get plan() {
    return this.#plans.get(this.#survey);
  }

  /**
   * Plans the survey: lines that are known go to the totals, for the rest there are jobs. All or nothing, and once.
   *
   * @param {readonly FileVersion[]} versions
   * @param {number} leftOut
   * @returns {Plan}
   */
  makePlan(versions, leftOut) {
    return this.#store.transaction(() => {
      if (this.plan) return this.plan;
      /** @type {Map<string, Lines>} */
      const totals = new Map();
      const unknown = versions.filter((version) => {
        const lines = this.#results.get(key(version));
        if (lines) for (const sample of version.samples) totals.set(sample, sum(totals.get(sample), lines));
        return !lines;
      });
      for (const [sample, lines] of totals) this.#totals.set([...this.#survey, sample], lines);
      this.#queue.addMany(unknown.map((version) => ({ data: version })));
      const plan = { versions: versions.length, leftOut };
      this.#plans.set(this.#survey, plan);
      return plan;
    });
  }

  /** How many file versions are still to be blamed. */
  get left() {
    const { waiting, delayed, running } = this.#queue.counts();
    return waiting + delayed + running;
  }

  /** Waits until none is. */
  finished() {
    return this.#queue.idle();
  }

  /**
   * Has file versions blamed in this process, one at a time, until the store is closed.
   *
   * @param {(job: Job<FileVersion>) => Promise<void>} work
   */
  work(work) {
    this.#queue.work(work);
  }

  /**
   * What is known of a file version: another survey may have had it blamed meanwhile.
   *
   * @param {FileVersion} version
   */
  result(version) {
    return this.#results.get(key(version));
  }

  /**
   * Completes a job: keeps the result, and adds its lines to the totals, once, however often the job ran.
   *
   * @param {Job<FileVersion>} job
   * @param {Lines} lines
   */
  complete(job, lines) {
    job.complete(() => {
      this.#results.set(key(job.data), lines);
      for (const sample of job.data.samples)
        this.#totals.update([...this.#survey, sample], (total) => sum(total, lines));
    });
  }

  /**
   * How many lines of each month survive at a sample.
   *
   * @param {string} sample
   * @returns {Lines}
   */
  totals(sample) {
    return this.#totals.get([...this.#survey, sample]) ?? {};
  }

  close() {
    this.#store.close();
  }
}

/** @param {FileVersion} version @returns {[blob: string, path: string, commit: string]} */
function key({ blob, path, commit }) {
  return [blob, path, commit];
}

/** @param {Lines | undefined} total @param {Lines} more */
function sum(total = {}, more) {
  const lines = { ...total };
  for (const [month, count] of Object.entries(more)) lines[month] = (lines[month] ?? 0) + count;
  return lines;
}
