import { expect, test } from 'vitest';
import { Cache } from '../../src/index.js';
import { connected, outcome, proxy, schemaName, type Link } from './proxy.js';

test('a flight whose claim was committed, but whose answer was lost, holds nobody up', async () => {
  const schema = schemaName();
  const claiming = new Set<Link>();
  let lost = 0;
  const url = await proxy((data, link) => {
    const text = data.toString('latin1');
    if (text.includes('INSERT INTO') && text.includes('.cache_flights')) claiming.add(link);
    if (lost === 0 && claiming.has(link) && text.includes('COMMIT')) {
      lost++;
      link.server.write(data);
      link.server.pause();
      setTimeout(() => link.client.destroy(), 100);
      return true;
    }
    return false;
  });
  const store = await connected(schema, url);
  const cache = new Cache<number>(store, 'c');
  expect(await outcome(cache.getOrSet('k', () => 1))).toEqual({ error: 'ERR_CONNECTION' });
  expect(lost).toBe(1);
  expect(
    await outcome(
      cache.getOrSet('k', () => 2, { timeout: 4_000 }),
      6_000,
    ),
  ).toEqual({ value: 2 });
});

test('the same holds for others', async () => {
  const schema = schemaName();
  const claiming = new Set<Link>();
  let lost = 0;
  const url = await proxy((data, link) => {
    const text = data.toString('latin1');
    if (text.includes('INSERT INTO') && text.includes('.cache_flights')) claiming.add(link);
    if (lost === 0 && claiming.has(link) && text.includes('COMMIT')) {
      lost++;
      link.server.write(data);
      link.server.pause();
      setTimeout(() => link.client.destroy(), 100);
      return true;
    }
    return false;
  });
  const cache = new Cache<number>(await connected(schema, url), 'c');
  const there = new Cache<number>(await connected(schema), 'c');
  expect(await outcome(cache.getOrSet('k', () => 1))).toEqual({ error: 'ERR_CONNECTION' });
  expect(lost).toBe(1);
  expect(
    await outcome(
      there.getOrSet('k', () => 3, { timeout: 4_000 }),
      6_000,
    ),
  ).toEqual({ value: 3 });
});
