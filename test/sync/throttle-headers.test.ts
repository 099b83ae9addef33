import { expect, test } from 'vitest';
import { Throttle, type ThrottleOptions } from '../../src/index.js';
import { openStore } from '../core/support.js';

const throttled = (name: string, options: ThrottleOptions) => new Throttle(openStore(), name, options);

test('the fields of a response tell the limit, what is left, and when to come back', () => {
  const throttle = throttled('api', { limit: 100, per: '1m' });
  expect(throttle.headers(throttle.take({ cost: 50 }))).toEqual({
    'RateLimit-Policy': '"api";q=100;w=60',
    RateLimit: '"api";r=50;t=30',
  });
  throttle.take({ cost: 50 });
  const refused = throttle.headers(throttle.take({ cost: 10 }));
  expect(refused).toEqual({
    'RateLimit-Policy': '"api";q=100;w=60',
    RateLimit: expect.stringMatching(/^"api";r=0;t=(59|60)$/) as string,
    'Retry-After': expect.stringMatching(/^[56]$/) as string,
  });
  expect(new Headers(refused).get('ratelimit-policy')).toBe('"api";q=100;w=60');
});

test('seconds are rounded up: who comes back then is not early', () => {
  const throttle = throttled('api', { limit: 1, per: 300 });
  throttle.take();
  expect(throttle.headers(throttle.take())).toMatchObject({ 'Retry-After': '1' });
});

test('a window that is not in whole seconds is left out, as no field can tell it', () => {
  const throttle = throttled('api', { limit: 5, per: 1500 });
  expect(throttle.headers(throttle.take())['RateLimit-Policy']).toBe('"api";q=5');
});

test.each([
  ['with "quotes" and \\', '"with \\"quotes\\" and \\\\"'],
  ['grüße', '"default"'],
  ['two\nlines', '"default"'],
])('the policy of %j is named as a string of a structured field', (name, named) => {
  const throttle = throttled(name, { limit: 5, per: '1s' });
  const headers = throttle.headers(throttle.take());
  expect(headers['RateLimit-Policy']).toBe(`${named};q=5;w=1`);
  expect(headers['RateLimit']).toBe(`${named};r=4;t=1`);
  new Headers(headers);
});

test('numbers have no more digits than an integer of a structured field may have', () => {
  const throttle = throttled('api', { limit: Number.MAX_SAFE_INTEGER, per: '1d', algorithm: 'fixed-window' });
  expect(throttle.headers(throttle.take())['RateLimit-Policy']).toBe('"api";q=999999999999999;w=86400');
});
