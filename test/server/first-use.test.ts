import { expect, inject, onTestFinished, test } from 'vitest';
import { Deque, Index, connect } from '../../src/postgres.js';
import { schemaName } from './support.js';

test('a transaction that writes to structures which another call made after it began loses nothing', async () => {
  const store = await connect(inject('postgresUrl'), { schema: schemaName() });
  onTestFinished(() => store.close());
  const seen = new Index<string, number>(store, 'seen');
  const index = new Index<string, number>(store, 'new index');
  const deque = new Deque<number>(store, 'new deque');
  await seen.set('a', 1);
  let begun = (): void => undefined;
  const outside = new Promise<void>((resolve) => (begun = resolve))
    .then(() => index.set('outside', 1))
    .then(() => deque.push(1));
  await store.transaction(async () => {
    await seen.get('a');
    begun();
    await outside;
    await index.set('inside', 7);
    await deque.push(7);
  });
  expect(await deque.toArray()).toEqual([1, 7]);
  expect(await index.toMap()).toEqual(
    new Map([
      ['outside', 1],
      ['inside', 7],
    ]),
  );
});
