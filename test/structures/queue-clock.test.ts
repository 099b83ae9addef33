import { expect, test } from 'vitest';
import { Queue } from '../../src/index.js';
import { until } from './helpers.js';
import { Machine } from './machine.js';

const hour = 3_600_000;

/** What has run by now of jobs `a`, delayed by an hour, and `b`, to run at the moment that is in an hour now. */
async function started(machine: Machine): Promise<{ ran: string[]; settled: () => Promise<void> }> {
  const queue = new Queue<string>(machine.open(), 'jobs');
  queue.add('a', { delay: hour });
  queue.add('b', { runAt: new Date(machine.wall() + hour) });
  return work(queue);
}

function work(queue: Queue<string>): { ran: string[]; settled: () => Promise<void> } {
  const ran: string[] = [];
  queue.work(({ data }) => {
    ran.push(data);
  });
  let probes = 0;
  /** What is due has been looked for. */
  const settled = async (): Promise<void> => {
    await queue.add(`probe ${++probes}`).result();
    await until(() => ran.includes(`probe ${probes}`));
  };
  return { ran, settled };
}

const jobsOf = (ran: readonly string[]): string[] => ran.filter((data) => !data.startsWith('probe')).sort();

test('a wall clock that is set back holds up no delay, and one that is set forward shortens none', async () => {
  for (const jump of [-hour, hour]) {
    const machine = new Machine();
    const { ran, settled } = await started(machine);
    machine.offset += jump;
    await settled();
    // What is to run at a moment goes by the wall clock.
    expect(jobsOf(ran)).toEqual(jump > 0 ? ['b'] : []);
    machine.now += hour;
    await settled();
    expect(jobsOf(ran)).toEqual(jump > 0 ? ['a', 'b'] : ['a']);
    machine.now += hour;
    await settled();
    expect(jobsOf(ran)).toEqual(['a', 'b']);
  }
});

test('a delay goes on over a reboot, for as long as the machine was off', async () => {
  const machine = new Machine();
  const store = machine.open();
  new Queue<string>(store, 'jobs').add('a', { delay: hour });
  store.close();
  machine.reboot(hour / 2);
  const { ran, settled } = work(new Queue<string>(machine.open(), 'jobs'));
  await settled();
  expect(jobsOf(ran)).toEqual([]);
  machine.now += hour / 2;
  await settled();
  expect(jobsOf(ran)).toEqual(['a']);
});

test('a wall clock that was set back while the machine was off costs a delay no more than all of its time', async () => {
  const machine = new Machine();
  const store = machine.open();
  new Queue<string>(store, 'jobs').add('a', { delay: hour });
  store.close();
  machine.reboot(-1_000 * hour);
  const { ran, settled } = work(new Queue<string>(machine.open(), 'jobs'));
  await settled();
  machine.now += hour - 1_000;
  await settled();
  expect(jobsOf(ran)).toEqual([]);
  machine.now += 1_000;
  await settled();
  expect(jobsOf(ran)).toEqual(['a']);
});

test('a job that is retried, and waits for another, runs after that at once, though the wall clock was set back', async () => {
  const machine = new Machine();
  const queue = new Queue<string>(machine.open(), 'jobs', { attempts: 1 });
  const child = queue.add('child');
  const parent = queue.add('parent', { after: [child], runAt: new Date(machine.wall()) });
  const mended = { now: false };
  queue.work(() => {
    if (!mended.now) throw new Error('no');
  });
  await until(() => parent.get()?.state === 'failed');
  machine.offset -= hour;
  mended.now = true;
  queue.retry(parent.id);
  await parent.result();
});
