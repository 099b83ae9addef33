import { expect, test } from 'vitest';
import { Cache } from '../../src/index.js';
import { connected, losing, outcome, proxy, schemaName, sleep, type Link } from './proxy.js';

test.each(['the same store', 'another'])(
  'a flight whose claim was committed, but whose answer was lost, does not hold up %s',
  async (who) => {
    const { schema, url, lost, arm } = await losing((text) => /INSERT INTO \S*cache_flights/.test(text));
    const cache = new Cache<number>(await connected(schema, url), 'c');
    const there = new Cache<number>(await connected(schema), 'c');
    await cache.set('other', 1);
    arm();
    expect(await outcome(cache.getOrSet('k', () => 1))).toEqual({ error: 'ERR_CONNECTION' });
    expect(lost()).toBe(1);
    const asked = (who === 'another' ? there : cache).getOrSet('k', () => 2);
    expect(await outcome(asked, 20_000)).toEqual({ value: 2 });
  },
);

test('a value that was worked out when the answer to storing it was lost is there, or worked out again', async () => {
  const { schema, url, lost, arm } = await losing((text) => /DELETE FROM \S*cache_flights/.test(text));
  const cache = new Cache<number>(await connected(schema, url), 'c');
  const there = new Cache<number>(await connected(schema), 'c');
  await cache.set('other', 1);
  arm();
  await outcome(cache.getOrSet('k', () => 1));
  expect(lost()).toBe(1);
  expect(
    await outcome(
      there.getOrSet('k', () => 1),
      20_000,
    ),
  ).toEqual({ value: 1 });
});

test('what works a value out when the connection that shows that it lives is lost gives the others no wrong one, and holds nobody up', async () => {
  const schema = schemaName();
  const listening = new Set<Link>();
  const url = await proxy((data, link) => {
    if (data.toString('latin1').includes('LISTEN')) listening.add(link);
    return false;
  });
  const cache = new Cache<number>(await connected(schema, url), 'c');
  const there = new Cache<number>(await connected(schema), 'c');
  const slow = cache.getOrSet('k', async () => {
    await sleep(2_500);
    return 1;
  });
  await sleep(300);
  for (const { client, server } of listening) {
    client.destroy();
    server.destroy();
  }
  const value = there.getOrSet('k', () => 2, { timeout: 8_000 });
  expect(await outcome(value, 9_000)).toEqual({ value: 2 });
  expect(await outcome(slow, 9_000)).toEqual({ value: 1 });
  expect(await there.get('k')).toBe(2);
  await there.delete('k');
  expect(
    await outcome(
      cache.getOrSet('k', () => 3, { timeout: 4_000 }),
      5_000,
    ),
  ).toEqual({ value: 3 });
});

test('many keys are worked out at once on few connections', async () => {
  const cache = new Cache<number>(await connected(schemaName(), undefined, 2), 'c');
  const all = Promise.all(
    Array.from({ length: 60 }, (_, i) => cache.getOrSet(`k${i}`, () => cache.getOrSet(`inner${i}`, () => i))),
  );
  expect(await outcome(all, 15_000)).toEqual({ value: Array.from({ length: 60 }, (_, i) => i) });
});
