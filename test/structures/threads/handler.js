// @ts-check
// A handler for threads, which does what the job's data say.
import { existsSync, writeFileSync } from 'node:fs';
import { isMainThread, threadId } from 'node:worker_threads';
import { setTimeout as sleep } from 'node:timers/promises';

/** What is here is the thread's own. */
let runs = 0;

/** @type {Record<string, (job: import('holdfast').ThreadJob<any>) => unknown>} */
const tasks = {
  facts: ({ id, name, group, data, attempt, addedAt }) => ({
    ...{ id, name, group, data, attempt, addedAt },
    ...{ isMainThread, threadId, runs },
  }),
  tell(job) {
    for (let i = 0; i < job.data.lines; i++) job.log(`line ${i}`);
    for (const value of job.data.progress) job.progress(value);
  },
  throw() {
    const cause = new RangeError('too far');
    throw Object.assign(new TypeError('no such thing', { cause }), { code: 'E_THING' });
  },
  'return a function': () => ({ user: { name: () => 'Ada' } }),
  'tell a function': (job) => job.progress({ done: () => 1 }),
  'tell what changes'(job) {
    let reads = 0;
    job.progress({
      get value() {
        return reads++ === 0 ? 1 : new SharedArrayBuffer(1);
      },
    });
  },
  snooze(job) {
    if (runs === 1) job.snooze(1);
    return { runs, attempt: job.attempt };
  },
  fail: (job) => job.fail(Object.assign(new Error('not so'), { code: 'E_SO' }), { retry: job.data.retry }),
  'decide twice'(job) {
    job.snooze(1);
    job.fail(new Error('no'));
  },
  misuse: (job) => /** @type {any} */ (job)[job.data.method](...job.data.args),
  async heed(job) {
    job.log('waits');
    await new Promise((resolve) => job.signal.addEventListener('abort', resolve));
    const { name, code } = job.signal.reason;
    job.log(`${name} ${code}`);
    throw job.signal.reason;
  },
  block(job) {
    job.log('blocks');
    for (;;);
  },
  'block once'(job) {
    if (job.attempt === 1) for (;;);
    return threadId;
  },
  exit(job) {
    job.log('exits');
    process.exit(3);
  },
  crash(job) {
    job.log('crashes');
    setTimeout(() => {
      throw new RangeError('outside of the handler');
    });
    return sleep(600_000);
  },
  async 'crash later'(job) {
    await tasks['wait']?.(job);
    setTimeout(() => {
      throw new RangeError('long after the handler');
    });
  },
  eat(job) {
    job.log('eats');
    const eaten = [];
    for (;;) eaten.push(Array.from({ length: 1_000 }, (_, n) => ({ n })));
  },
  async wait(job) {
    job.log('waits');
    while (!existsSync(job.data.file)) await sleep(5);
    return threadId;
  },
  beat({ data }) {
    let beats = 0;
    setInterval(() => writeFileSync(data.file, `${beats++}`), 2);
  },
};

/** @param {import('holdfast').ThreadJob<{ do: string }>} job */
export default function handler(job) {
  runs++;
  return tasks[job.data.do]?.(job);
}
