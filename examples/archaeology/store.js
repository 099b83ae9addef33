// @ts-check
import { Deque, Index, open } from 'holdfast';

/**
 * @import { Store } from 'holdfast'
 * @import { FileVersion } from './history.js'
 * @import { Lines } from './blame.js'
 *
 * @typedef {[blob: string, path: string, commit: string]} Task A file version: it is blamed once, for all samples that have it.
 *
 * @typedef {object} Survey
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
  /** @type {Store} */
  #store;
  /** @type {Index<Task, Lines>} What git blame said. Kept for good. */
  #results;
  /** @type {Index<Task, string[]>} What is still to be blamed, and to which samples its lines are then added. */
  #pending;
  /** @type {Index<[sample: string, month: string], number>} How many lines survive. */
  #totals;
  /** @type {Index<string, true>} The samples whose file versions are all in the totals, or pending. */
  #planned;
  /** @type {Index<[head: string, samples: number], Survey>} What was planned together. */
  #surveys;
  /** @type {Deque<Task>} Hands pending tasks to whoever has time. What it loses with a killed process is still pending. */
  #tasks;

  /**
   * @param {string} directory
   * @param {string} boundary Git blame says something else where a clone's history is cut off at another place.
   */
  constructor(directory, boundary) {
    // Planning is one transaction, which in a huge repository takes a while.
    this.#store = open(directory, { busyTimeout: '2m' });
    /** @param {string} name */
    const named = (name) => (boundary === '' ? name : `${name} (${boundary})`);
    this.#results = new Index(this.#store, named('results'));
    this.#pending = new Index(this.#store, named('pending'));
    this.#totals = new Index(this.#store, named('totals'));
    this.#planned = new Index(this.#store, named('planned'));
    this.#surveys = new Index(this.#store, named('surveys'));
    this.#tasks = new Deque(this.#store, named('tasks'));
  }

  /**
   * What an earlier run has planned for the same samples.
   *
   * @param {string} head
   * @param {number} samples
   */
  survey(head, samples) {
    return this.#surveys.get([head, samples]);
  }

  /**
   * Enters what the samples need: lines that are known go to the totals, the rest becomes pending. All or nothing, and once for
   * each sample.
   *
   * @param {string} head
   * @param {readonly string[]} samples
   * @param {number} wished How many samples were asked for.
   * @param {readonly FileVersion[]} versions
   * @param {number} leftOut
   */
  plan(head, samples, wished, versions, leftOut) {
    const survey = { versions: versions.length, leftOut };
    this.#store.transaction(() => {
      const fresh = new Set(samples.filter((sample) => !this.#planned.has(sample)));
      /** @type {Totals} */
      const known = new Totals();
      for (const version of versions) {
        const into = version.samples.filter((sample) => fresh.has(sample));
        if (into.length === 0) continue;
        /** @type {Task} */
        const task = [version.blob, version.path, version.commit];
        const lines = this.#results.get(task);
        if (lines) known.add(into, lines);
        else this.#pending.update(task, (others = []) => [...others, ...into]);
      }
      this.#addToTotals(known);
      for (const sample of fresh) this.#planned.set(sample, true);
      this.#surveys.set([head, wished], survey);
    });
    return survey;
  }

  /**
   * The tasks that are still to be done for some of these samples.
   *
   * @param {ReadonlySet<string>} samples
   * @returns {Task[]}
   */
  unfinished(samples) {
    /** @type {Task[]} */
    const tasks = [];
    for (const [task, into] of this.#pending)
      if (into.some((sample) => samples.has(sample))) tasks.push(task);
    return tasks;
  }

  /** How many tasks are pending, also those of samples that nobody asks for now. */
  get pending() {
    return this.#pending.size;
  }

  /** How many tasks wait in the deque. */
  get waiting() {
    return this.#tasks.size;
  }

  /**
   * Hands out these tasks, and no others.
   *
   * @param {readonly Task[]} tasks
   */
  handOut(tasks) {
    this.#store.transaction(() => {
      this.#tasks.clear();
      this.putBack(tasks);
    });
  }

  /**
   * Hands out these tasks again.
   *
   * @param {readonly Task[]} tasks
   */
  putBack(tasks) {
    this.#tasks.pushMany(tasks);
  }

  /**
   * Waits for a task.
   *
   * @param {AbortSignal} signal
   */
  take(signal) {
    return this.#tasks.take({ signal });
  }

  /**
   * Whether the task is still to be done: after a death it may have been handed out twice.
   *
   * @param {Task} task
   */
  isPending(task) {
    return this.#pending.has(task);
  }

  /**
   * Completes a task: keeps the result, and adds its lines to the totals. If another process was faster, nothing happens.
   *
   * @param {Task} task
   * @param {Lines} lines
   */
  complete(task, lines) {
    this.#store.transaction(() => {
      const samples = this.#pending.pop(task);
      if (samples === undefined) return;
      this.#results.set(task, lines);
      const totals = new Totals();
      totals.add(samples, lines);
      this.#addToTotals(totals);
    });
  }

  /**
   * How many lines of each month survive at a sample.
   *
   * @param {string} sample
   * @returns {Lines}
   */
  totals(sample) {
    /** @type {Lines} */
    const lines = {};
    for (const [[, month], count] of this.#totals.range({ prefix: [sample] })) lines[month] = count;
    return lines;
  }

  close() {
    this.#store.close();
  }

  /** @param {Totals} more */
  #addToTotals(more) {
    const keys = more.keys();
    const before = this.#totals.getMany(keys);
    this.#totals.setMany(keys.map((key, i) => [key, (before[i] ?? 0) + more.get(key)]));
  }
}

/** Sums in memory, so that each total is written once in a transaction. */
class Totals {
  /** @type {Map<string, Map<string, number>>} */
  #sums = new Map();

  /**
   * @param {readonly string[]} samples
   * @param {Lines} lines
   */
  add(samples, lines) {
    for (const sample of samples) {
      const sums = this.#sums.get(sample) ?? new Map();
      this.#sums.set(sample, sums);
      for (const [month, count] of Object.entries(lines)) sums.set(month, (sums.get(month) ?? 0) + count);
    }
  }

  /** @returns {[sample: string, month: string][]} */
  keys() {
    return [...this.#sums].flatMap(([sample, sums]) =>
      [...sums.keys()].map((month) => /** @type {[string, string]} */ ([sample, month])),
    );
  }

  /** @param {readonly [sample: string, month: string]} key */
  get([sample, month]) {
    return this.#sums.get(sample)?.get(month) ?? 0;
  }
}
