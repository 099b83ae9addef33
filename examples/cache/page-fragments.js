// @ts-check
// A page, put together from fragments that three servers cache together: `node page-fragments.js`. Whatever is rendered is rendered by one
// of them, and when an article changes, the fragments it is in are gone for all.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Cache, Index, open } from 'holdfast';

const [directory] = process.argv.slice(2);
await (directory === undefined ? main() : serve(directory));

/** One of the servers. @param {string} directory */
async function serve(directory) {
  const store = open(directory);
  /** @type {Index<string, string>} */
  const articles = new Index(store, 'articles');
  /** @type {Cache<string>} */
  const fragments = new Cache(store, 'fragments', { ttl: '1h', maxBytes: '100MiB' });

  /** Renders a fragment, for all servers. @param {string} name @param {string[]} tags @param {() => string} render */
  const fragment = (name, tags, render) =>
    fragments.getOrSet(
      name,
      async () => {
        console.log(`    server ${process.pid} renders ${name}`);
        await sleep(50);
        return render();
      },
      { tags },
    );
  const page = () => {
    const ids = [...articles.keys()];
    const titles = () => ids.map((id) => articles.get(id)?.split('.')[0]);
    return Promise.all([
      fragment('the contents', ['all articles'], () => `<nav>${titles().join(' | ')}</nav>`),
      ...ids.map((id) => fragment(id, [id], () => `<p>${articles.get(id)}</p>`)),
    ]);
  };

  const server = createServer(async (request, response) => {
    const id = request.url?.slice(1) ?? '';
    if (request.method === 'PUT') {
      const body = await text(request);
      // The article, and what was made of it: both at once, or neither.
      const gone = store.transaction(() => {
        articles.set(id, body);
        return fragments.invalidate([id, 'all articles']);
      });
      response.end(`${gone} fragments`);
    } else response.end((await page()).join('\n'));
  });
  server.listen(0, '127.0.0.1', () => process.send?.(server.address()));
  await once(process, 'disconnect');
  server.closeAllConnections();
  server.close();
  store.close();
}

async function main() {
  const directory = mkdtempSync(join(tmpdir(), 'page-fragments-'));
  const servers = [1, 2, 3].map(() => fork(fileURLToPath(import.meta.url), [directory]));
  try {
    const urls = await Promise.all(
      servers.map(async (server) => `http://127.0.0.1:${(await once(server, 'message'))[0].port}/`),
    );
    const get = async (/** @type {string} */ url) => (await fetch(url)).text();
    const put = async (/** @type {string} */ id, /** @type {string} */ body) =>
      (await fetch(`${urls[0]}${id}`, { method: 'PUT', body })).text();
    await put('kelp', 'Kelp grows half a metre a day. In summer you could watch it.');
    await put('dulse', 'Dulse tastes of bacon. So they say.');

    console.log('Ten readers at each of three servers:');
    const readers = urls.flatMap((url) => Array.from({ length: 10 }, () => get(url)));
    const pages = new Set(await Promise.all(readers));
    console.log(`  ${readers.length} readers, and all have read this:\n${[...pages].join('\nor this:\n')}`);

    const gone = await put('dulse', 'Dulse does not taste of bacon. We have tried it.');
    console.log(`\nThe first server gets another article on dulse: ${gone} are gone, for all servers.`);
    for (const [i, url] of urls.entries()) console.log(`  Server ${i + 1} now says:\n${await get(url)}`);
  } finally {
    for (const server of servers) server.disconnect();
    await Promise.all(servers.map((server) => server.exitCode ?? once(server, 'exit')));
    rmSync(directory, { recursive: true, force: true });
  }
}
