// @ts-check
// The process that adds the jobs: `node producer.js <folder with Markdown> <folder for pages>`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesIn } from './files.js';
import { Site } from './site.js';

const [from = '', out = ''] = process.argv.slice(2);
const site = new Site(out);
for (const path of filesIn(from, '.md')) site.add(path, readFileSync(join(from, path), 'utf8'));
site.close();
