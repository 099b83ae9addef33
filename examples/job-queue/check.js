// @ts-check
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesIn, pageOf } from './files.js';
import { render } from './render.js';
import { digestOf } from './site.js';

/**
 * What is wrong with the pages; nothing, if there is exactly one for each file, made once, of what is in the file.
 *
 * @param {import('./site.js').Site} site
 * @param {string} from
 * @param {string} out
 * @returns {string[]}
 */
export function check(site, from, out) {
  const problems = [];
  const pages = new Set(filesIn(out, '.html'));
  const files = new Set(filesIn(from, '.md'));
  for (const { path, done } of site.pages()) {
    if (!files.delete(path)) continue;
    const text = readFileSync(join(from, path), 'utf8');
    if (done?.digest !== digestOf(text)) problems.push(`${path}: not done`);
    else if (done.times !== 1) problems.push(`${path}: done ${done.times} times`);
    const page = pageOf(path);
    if (!pages.delete(page)) problems.push(`${path}: has no page`);
    else if (readFileSync(join(out, page), 'utf8') !== render(path, text))
      problems.push(`${path}: its page is another`);
  }
  for (const path of files) problems.push(`${path}: nobody knows of it`);
  for (const page of pages) problems.push(`${page}: a page of no file`);
  return problems;
}
