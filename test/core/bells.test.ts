import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { Bells } from '../../src/core/bells.js';
import { startProcess, temporaryDirectory } from '../support/processes.js';
import { until } from './support.js';

function newBells(directory: string): Bells {
  const bells = new Bells(directory);
  onTestFinished(() => {
    bells.close();
  });
  return bells;
}

test('thousands of rings between two processes are all heard', async () => {
  const directory = temporaryDirectory();
  const bells = newBells(directory);
  let answers = 0;
  let hear = (): void => {};
  bells.listen('mine', {}, (rung) => {
    if (!rung) return;
    answers++;
    hear();
  });
  const child = startProcess('core-bell.js', directory, 'yours', 'mine');
  await child.nextMessage();
  for (let i = 0; i < 3_000; i++) {
    // Each ring is answered before the next; a lost one is never made good by the poll, which counts as none.
    const heard = new Promise<void>((resolve) => (hear = resolve));
    expect(bells.ring('yours')).toBe(true);
    await heard;
  }
  expect(answers).toBeGreaterThanOrEqual(3_000);
  await child.send('stop');
  expect(await child.nextMessage<{ rings: number }>()).toMatchObject({ rings: expect.any(Number) });
  // It ends by itself, although its bells were not closed.
  expect(await child.exited).toEqual({ code: 0, signal: null });
});

test('where files can’t be watched there is the poll', async () => {
  const directory = temporaryDirectory();
  const child = startProcess('core-bell.js', directory, 'yours', 'mine', 'blind');
  await child.nextMessage();
  const bells = newBells(directory);
  for (let i = 0; i < 20; i++) {
    bells.ring('yours');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await child.send('stop');
  const { rings, polls } = await child.nextMessage<{ rings: number; polls: number }>();
  expect(rings).toBe(0);
  expect(polls).toBeGreaterThan(0);
  expect((await child.exited).code).toBe(0);
});

test('a bell whose file was deleted can’t be rung, and the poll goes on', async () => {
  const directory = temporaryDirectory();
  const [bells, others] = [newBells(directory), newBells(directory)];
  let polls = 0;
  bells.listen('mine', {}, (rung) => {
    if (!rung) polls++;
  });
  rmSync(join(directory, 'bells', 'mine'));
  expect(others.ring('mine')).toBe(false);
  const before = polls;
  await until(() => polls >= before + 2);
});

test('without a token there is only the poll, and no file', async () => {
  const directory = temporaryDirectory();
  const bells = newBells(directory);
  let polls = 0;
  const listening = bells.listen(undefined, {}, (rung) => {
    expect(rung).toBe(false);
    polls++;
  });
  await until(() => polls >= 2);
  listening.stop();
  expect(readdirSync(directory)).toEqual([]);
});

test('a store’s own bell is heard by all who listen, in the next turn of the event loop', async () => {
  const bells = newBells(temporaryDirectory());
  const heard: string[] = [];
  const listening = bells.listen('mine', {}, () => heard.push('a'));
  bells.listen('mine', {}, () => heard.push('b'));
  bells.overhear('mine', () => heard.push('c'));
  bells.ringOwn();
  // It rings once for all that was rung in this turn.
  bells.ringOwn();
  expect(heard).toEqual([]);
  await nextTurn();
  expect(heard).toEqual(['a', 'b', 'c']);
  listening.stop();
  listening.stop();
  bells.ringOwn();
  await nextTurn();
  expect(heard).toEqual(['a', 'b', 'c', 'b', 'c']);
});

test('what is rung while a store’s own bell rings is heard in the turn after that', async () => {
  const bells = newBells(temporaryDirectory());
  let heard = 0;
  bells.listen('mine', {}, () => {
    if (++heard < 3) bells.ringOwn();
  });
  bells.ringOwn();
  await until(() => heard === 3);
});

test('who stops listening while a bell rings disturbs no other', async () => {
  const bells = newBells(temporaryDirectory());
  const heard: string[] = [];
  const listening = bells.listen('mine', {}, () => {
    heard.push('a');
    listening.stop();
  });
  bells.listen('mine', {}, () => heard.push('b'));
  for (let i = 0; i < 2; i++) {
    bells.ringOwn();
    await nextTurn();
  }
  expect(heard).toEqual(['a', 'b', 'b']);
});

test('once it is closed a store’s own bell, rung before, is heard by nobody', async () => {
  const bells = newBells(temporaryDirectory());
  let heard = 0;
  bells.listen('mine', {}, () => heard++);
  bells.overhear('mine', () => heard++);
  bells.ringOwn();
  bells.close();
  await nextTurn();
  expect(heard).toBe(0);
});

test('a bell can be listened to again after all have stopped', async () => {
  const directory = temporaryDirectory();
  const [bells, others] = [newBells(directory), newBells(directory)];
  for (let i = 0; i < 3; i++) {
    let rings = 0;
    const listening = bells.listen('mine', {}, (rung) => {
      if (rung) rings++;
    });
    others.ring('mine');
    await until(() => rings > 0);
    listening.stop();
  }
});

test('who could not begin to listen is no listener, and the next can', async () => {
  const directory = temporaryDirectory();
  const [bells, others] = [newBells(directory), newBells(directory)];
  writeFileSync(join(directory, 'bells'), 'in the way');
  let failed = 0;
  expect(() => bells.listen('mine', {}, () => failed++)).toThrow(
    expect.objectContaining({ code: 'ERR_NOT_A_STORE' }),
  );
  rmSync(join(directory, 'bells'));
  let rings = 0;
  bells.listen('mine', {}, (rung) => {
    if (rung) rings++;
  });
  others.ring('mine');
  await until(() => rings > 0);
  expect(failed).toBe(0);
});

test('a bell that does not exist can’t be rung', () => {
  const bells = newBells(temporaryDirectory());
  expect(bells.ring('nobody')).toBe(false);
  bells.forget('nobody');
});

test.runIf(process.platform === 'linux')(
  'bells keep few descriptors of others, and none after they were closed',
  () => {
    const directory = temporaryDirectory();
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    const listeners = Array.from({ length: 100 }, () => new Bells(directory));
    listeners.forEach((bells, i) => bells.listen(`bell ${i}`, {}, () => {}).stop());
    const before = descriptors();
    const bells = new Bells(directory);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 100; i++) expect(bells.ring(`bell ${i}`)).toBe(true);
    }
    expect(descriptors() - before).toBeLessThanOrEqual(64);
    bells.close();
    for (const one of listeners) one.close();
    expect(descriptors()).toBeLessThanOrEqual(before);
    expect(readdirSync(join(directory, 'bells'))).toEqual([]);
  },
);
