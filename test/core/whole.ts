import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { Cache, Deque, Index, type Store } from '../../src/index.js';

/** Fails unless a store is as one of the transactions of `core-transfer.js` has left it, its values whole; tells which one. */
export function checkTransfers(store: Store, hint: string): number {
  const accounts = new Index<string, number>(store, 'accounts');
  const last = accounts.get('last') ?? 0;
  expect((accounts.get('a') ?? 0) + (accounts.get('b') ?? 0), hint).toBe(0);
  expect(accounts.get('a') ?? 0, hint).toBe((last * (last + 1)) / 2);
  const log = new Deque<number>(store, 'log');
  expect([log.size, log.at(-1) ?? 0, log.at(0) ?? 1], hint).toEqual([last, last, 1]);
  for (const [key, value] of new Cache<string>(store, 'cache').entries()) {
    if (typeof key !== 'string' || !key.startsWith('large')) continue;
    const [n = ''] = value.split(' ', 1);
    expect(value === `${n} `.repeat(2000) && Number(n) <= last, `${hint} ${key}`).toBe(true);
  }
  return last;
}

/** The last number that a writer has noted. */
export function lastNoted(file: string): number {
  return Number(readFileSync(file, 'utf8').trimEnd().split('\n').at(-1));
}
