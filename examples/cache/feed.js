// @ts-check
// A feed that is kept for a minute, and for a day while its server is down: `node feed.js`. The minutes pass at once, by a clock of its own.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cache, open } from 'holdfast';

/** How much time has passed: as much as we say. */
let passed = 0;
const minute = 60_000;
const clock = {
  wall: () => Date.UTC(2030, 0, 1, 9) + passed,
  monotonic: () => performance.now() + passed,
  boot: () => 'today',
};

const tides = ['Ebb at Bantry', 'Flood at Galway', 'Slack water at Sligo', 'Spring tide at Cork'];
const site = { isDown: false, answered: 0, refused: 0 };
/** Stands for the web: each minute there is news of another tide. */
const server = createServer((_, response) => {
  if (site.isDown) {
    site.refused++;
    response.writeHead(503).end();
    return;
  }
  site.answered++;
  const items = tides.slice(0, 1 + Math.floor(passed / minute)).reverse();
  response.end(
    `<rss><channel>${items.map((t) => `<item><title>${t}</title></item>`).join('')}</channel></rss>`,
  );
});

const directory = mkdtempSync(join(tmpdir(), 'feed-'));
const store = open(directory, { clock });
/** @type {Cache<string[]>} */
const feeds = new Cache(store, 'feeds');

/** The titles of a feed. @param {string} url */
const titles = (url) =>
  feeds.getOrSet(
    url,
    async ({ signal }) => {
      const response = await fetch(url, { signal });
      if (!response.ok) throw new Error(`${url} answers ${response.status}`);
      return [...(await response.text()).matchAll(/<title>(.*?)<\/title>/g)].map(([, title = '']) => title);
    },
    { ttl: '1m', staleFor: '1d' },
  );

try {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const url = `http://127.0.0.1:${port}/tides.xml`;

  await Promise.all(Array.from({ length: 50 }, () => titles(url)));
  await show('50 readers, all at once', url);

  passed += 0.5 * minute;
  await show('Half a minute later', url);

  passed += minute;
  await show('A minute later, the old one at once', url);
  await refreshed(url);
  await show('and the new one, fetched meanwhile', url);

  site.isDown = true;
  passed += 90 * minute;
  await show('The server has been down for an hour and a half', url);
  while (site.refused === 0) await sleep(10);
  await show('It was asked in vain; still', url);

  site.isDown = false;
  await refreshed(url);
  await show('It is up again', url);
} finally {
  store.close();
  server.closeAllConnections();
  server.close();
  rmSync(directory, { recursive: true, force: true });
}

/** @param {string} what @param {string} url */
async function show(what, url) {
  const age = feeds.has(url) ? 'fresh' : 'stale';
  const [newest, ...others] = await titles(url);
  const time = new Date(clock.wall()).toISOString().slice(11, 19);
  console.log(
    `${time} ${what}: ${newest}, and ${others.length} before it (${age}; ${site.answered} fetched so far)`,
  );
}

/** Reads on until somebody has fetched it. @param {string} url */
async function refreshed(url) {
  while (!feeds.has(url)) {
    await titles(url);
    await sleep(10);
  }
}
