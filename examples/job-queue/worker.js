// @ts-check
// One of the processes that make pages: `node worker.js <folder with Markdown> <folder for pages>`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { publish } from './files.js';
import { render } from './render.js';
import { Site } from './site.js';

/** @typedef {{ step: 'rendering' | 'publishing', worker: number }} Told What a job tells of its progress. */

const [from = '', out = ''] = process.argv.slice(2);
const site = new Site(out);

// The main process lets go when there is no more to do; or it has died. What is under way goes back.
process.once('disconnect', () => site.close());
process.on('SIGINT', () => {});
if (process.connected) site.work(make, 4);

/** @param {import('holdfast').Job<import('./site.js').Page>} job */
async function make(job) {
  const { path } = job.data;
  job.progress({ step: 'rendering', worker: process.pid });
  const text = readFileSync(join(from, path), 'utf8');
  const html = render(path, text);
  job.progress({ step: 'publishing', worker: process.pid });
  await publish(out, path, html, job);
  site.complete(job, text);
}
