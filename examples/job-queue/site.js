// @ts-check
// What the processes share: the jobs, what they are about, and what is done.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Index, Queue, open } from 'holdfast';

/**
 * @import { Job } from 'holdfast'
 *
 * @typedef {{ path: string }} Page What a job is about.
 * @typedef {{ digest: string, job: number }} Source A file, as it was when the job was added that is to make its page.
 * @typedef {{ digest: string, times: number }} Done What a page was made of, and how often.
 */

export class Site {
  #store;
  /** @type {Index<string, Source>} */
  #sources;
  /** @type {Index<string, Done>} */
  #done;
  /** @type {Queue<Page>} */
  #queue;
  /** @type {Queue<null>} */
  reports;

  /** @param {string} folder - Where the pages go. */
  constructor(folder) {
    this.#store = open(join(folder, '.store'));
    this.#sources = new Index(this.#store, 'sources');
    this.#done = new Index(this.#store, 'done');
    this.#queue = new Queue(this.#store, 'pages', {
      attempts: 5,
      backoff: { type: 'exponential', delay: '50ms' },
      timeout: '30s',
      // All, to be counted in the end.
      keep: { completed: {} },
    });
    this.reports = new Queue(this.#store, 'reports', { keep: { completed: { count: 0 } } });
  }

  /**
   * Adds a job for a file that is new, or has changed: both are entered, or neither. Where a job for it runs already, it runs once more
   * then; where one has failed, it is tried again.
   *
   * @param {string} path
   * @param {string} text
   */
  add(path, text) {
    const digest = digestOf(text);
    this.#store.transaction(() => {
      const known = this.#sources.get(path);
      if (known?.digest === digest) this.#queue.retry(known.job);
      else {
        const { id } = this.#queue.add({ path }, { key: path, onDuplicate: 'again' });
        this.#sources.set(path, { digest, job: id });
      }
    });
  }

  /** @param {(job: Job<Page>) => Promise<void>} make @param {number} concurrency */
  work(make, concurrency) {
    return this.#queue.work(make, { concurrency });
  }

  /**
   * Completes a job, and counts its page: once, however often the job ran.
   *
   * @param {Job<Page>} job
   * @param {string} text - What the page was made of.
   */
  complete(job, text) {
    const digest = digestOf(text);
    job.complete(() => {
      this.#done.update(job.data.path, (done) => ({
        digest,
        times: done?.digest === digest ? done.times + 1 : 1,
      }));
    });
  }

  /** Waits until no job is left. */
  idle() {
    return this.#queue.idle();
  }

  /** How many jobs are left. */
  get left() {
    const { waiting, delayed, running } = this.#queue.counts();
    return waiting + delayed + running;
  }

  counts() {
    return this.#queue.counts();
  }

  /** What is known of the jobs of all files, at one moment. */
  jobs() {
    return this.#store.transaction(() =>
      [...this.#sources].flatMap(([, { job }]) => this.#queue.get(job) ?? []),
    );
  }

  /** All files, with what their pages were made of. @returns {Iterable<{ path: string, digest: string, done: Done | undefined }>} */
  *pages() {
    for (const [path, { digest }] of this.#sources) yield { path, digest, done: this.#done.get(path) };
  }

  close() {
    this.#store.close();
  }
}

/** @param {string} text */
export function digestOf(text) {
  return createHash('sha256').update(text).digest('hex');
}
