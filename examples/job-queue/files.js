// @ts-check
import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { dirname, join, relative, sep } from 'node:path';
import { digestOf } from './site.js';

/** How long it takes to publish a page, in milliseconds. */
const publishing = 100;

/** The files in a folder and all below it whose name ends so, with paths from there. @param {string} folder @param {string} end */
export function filesIn(folder, end) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.toLowerCase().endsWith(end))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll(sep, '/'))
    .sort();
}

/** Where the page of a file is. @param {string} path */
export function pageOf(path) {
  return `${path}.html`;
}

/** How often it fails to publish this page, before it works: as a server would that is busy now and then. @param {string} path */
export function hiccups(path) {
  const chance = Number.parseInt(digestOf(path).slice(0, 8), 16) / 2 ** 32;
  return chance < 0.03 ? 2 : chance < 0.15 ? 1 : 0;
}

/**
 * Puts a page in its place; nobody ever sees half of it. Done again, it does no harm.
 *
 * @param {string} out
 * @param {string} path
 * @param {string} html
 * @param {{ attempt: number, signal: AbortSignal }} job
 */
export async function publish(out, path, html, { attempt, signal }) {
  await sleep(publishing, undefined, { signal });
  if (attempt <= hiccups(path)) throw new Error(`${path}: busy, on purpose, at attempt ${attempt}`);
  const file = join(out, pageOf(path));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.tmp`, html);
  renameSync(`${file}.tmp`, file);
}
