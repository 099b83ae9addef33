import { describe, expect, test } from 'vitest';
import { Throttle, type Clock, type ThrottleOptions } from '../../src/index.js';
import { seed } from '../core/support.js';
import { open } from '../../src/index.js';
import { temporaryDirectory } from '../support/processes.js';
import { onTestFinished } from 'vitest';
import { randomFrom } from '../support/random.js';

const algorithms = ['gcra', 'sliding-window', 'fixed-window'] as const;
const hour = 3_600_000;

/** A machine whose clocks are set by the test. */
class Machine implements Clock {
  now = 1_000_000;
  offset = 1_700_000_000_000;
  boots = 0;
  readonly directory = temporaryDirectory();
  readonly wall = (): number => this.now + this.offset;
  readonly monotonic = (): number => this.now;
  readonly boot = (): string => `boot ${this.boots}`;

  throttle(options: ThrottleOptions) {
    const store = open(this.directory, { clock: this });
    onTestFinished(() => {
      store.close();
    });
    return new Throttle(store, 'api', options);
  }

  /** The monotonic clock begins anew, and the wall clock goes on where it is set to. */
  reboot(lasted: number, error = 0): void {
    const wall = this.wall() + lasted + error;
    this.boots++;
    this.now = 5_000;
    this.offset = wall - this.now;
  }
}

describe.each(algorithms)('Time, by %s', (algorithm) => {
  const options: ThrottleOptions = { limit: 6, per: '1m', algorithm };
  /** In how much time all is there again, at most. */
  const whole = algorithm === 'sliding-window' ? 120_000 : 60_000;

  test('setting the wall clock, to and fro, neither stalls nor floods', () => {
    const machine = new Machine();
    const throttle = machine.throttle(options);
    const steps = [hour, -hour, -24 * hour, 48 * hour];
    for (const step of steps) {
      throttle.take({ cost: 6 });
      const { retryAfter } = throttle.take();
      machine.offset += step;
      expect(throttle.take()).toMatchObject({ allowed: false, retryAfter });
      machine.now += retryAfter - 1;
      expect(throttle.take()).toMatchObject({ allowed: false, retryAfter: 1 });
      machine.now += 1;
      expect(throttle.take()).toMatchObject({ allowed: true });
      machine.now += whole;
      expect(throttle.peek()).toMatchObject({ remaining: 6 });
    }
  });

  test('who comes back exactly when told to is allowed, and not before', () => {
    const machine = new Machine();
    const random = randomFrom(seed);
    const throttle = machine.throttle({ limit: 7, per: 3333, algorithm });
    for (let i = 0; i < 300; i++) {
      machine.now += Math.floor(random() * 900) + random();
      const cost = 1 + Math.floor(random() * 7);
      const { allowed, retryAfter } = throttle.take({ cost });
      if (allowed) continue;
      machine.now += retryAfter - 1 - 0.01;
      expect(throttle.take({ cost }).allowed, `seed ${seed}, round ${i}`).toBe(false);
      machine.now += 1.01;
      expect(throttle.take({ cost }).allowed, `seed ${seed}, round ${i}`).toBe(true);
    }
  });

  test('over a reboot the time that the machine was off counts, by the wall clock', () => {
    const machine = new Machine();
    machine.throttle(options).take({ cost: 6 });
    machine.reboot(1_000);
    const throttle = machine.throttle(options);
    expect(throttle.take()).toMatchObject({ allowed: false });
    machine.reboot(whole);
    expect(throttle.take({ cost: 6 })).toMatchObject({ allowed: true });
  });

  test('a wall clock that went back over a reboot gives nothing, and takes no more than the time since', () => {
    const machine = new Machine();
    const throttle = machine.throttle(options);
    throttle.take({ cost: 6 });
    const { retryAfter } = throttle.peek();
    machine.reboot(1_000, -hour);
    expect(throttle.take()).toMatchObject({ allowed: false });
    // From the first refusal on the time of the new boot counts.
    machine.now += retryAfter;
    expect(throttle.take()).toMatchObject({ allowed: true });
  });

  test('a wall clock that was an hour ahead before the reboot does not stall for that hour', () => {
    const machine = new Machine();
    machine.offset += hour;
    const throttle = machine.throttle(options);
    throttle.take({ cost: 6 });
    machine.reboot(10, -hour);
    throttle.take();
    machine.now += whole;
    expect(throttle.take({ cost: 6 })).toMatchObject({ allowed: true });
  });

  test('a wall clock far ahead after a reboot fills a key up, and no more', () => {
    const machine = new Machine();
    const throttle = machine.throttle(options);
    throttle.take({ cost: 6 });
    machine.reboot(10, 1000 * hour);
    expect(throttle.take({ cost: 6 })).toMatchObject({ allowed: true });
    expect(throttle.take()).toMatchObject({ allowed: false });
  });

  test('what is swept away was as good as new, whatever the clocks did', () => {
    const machine = new Machine();
    const random = randomFrom(seed);
    const throttle = machine.throttle(options);
    const again = machine.throttle(options);
    const rest = new Map<string, number>();
    for (let i = 0; i < 2_000; i++) {
      machine.now += random() * 200;
      if (random() < 0.1) machine.offset += (random() - 0.5) * hour;
      const key = `key ${Math.floor(random() * 300)}`;
      const used = rest.get(key) ?? -Infinity;
      const answer = (random() < 0.5 ? throttle : again).take({ key, cost: 6 });
      // All was taken at `used`: before a window's time, or GCRA's, nothing like it can be there again.
      if (machine.now - used < 60_000 - 0.01) expect(answer.allowed, `seed ${seed}, round ${i}`).toBe(false);
      if (machine.now - used > whole + 0.01) expect(answer.allowed, `seed ${seed}, round ${i}`).toBe(true);
      if (answer.allowed) rest.set(key, machine.now);
    }
  });
});

describe('Over any span of time W', () => {
  /** One admission: when, and how much. */
  type Admission = readonly [time: number, cost: number];

  const run = (options: ThrottleOptions, withWaits: boolean): Admission[] => {
    const machine = new Machine();
    const random = randomFrom(seed);
    const throttles = [1, 2, 3].map(() => machine.throttle(options));
    const admitted: Admission[] = [];
    for (let i = 0; i < 1_500; i++) {
      if (random() < 0.7) machine.now += random() < 0.05 ? random() * 20_000 : random() * 200;
      if (random() < 0.1) machine.offset += (random() - 0.5) * 4 * hour;
      const throttle = throttles[Math.floor(random() * 3)]!;
      const cost = 1 + Math.floor(random() * 4);
      if (!withWaits || random() < 0.8) {
        if (throttle.take({ cost }).allowed) admitted.push([machine.now, cost]);
      } else if (random() < 0.2) throttle.penalize({ cost });
    }
    return admitted;
  };

  test.each([
    { limit: 10, per: '1s', burst: 10 },
    { limit: 100, per: '10s', burst: 5 },
    { limit: 3, per: '700ms', burst: 20 },
  ] as const)(
    'gcra admits at most burst + W · rate, several stores and a restless wall clock: %o',
    (options) => {
      const admitted = run(options, true);
      const per = { '1s': 1_000, '10s': 10_000, '700ms': 700 }[options.per];
      const rate = options.limit / per;
      for (let from = 0; from < admitted.length; from++) {
        let sum = 0;
        for (let to = from; to < Math.min(admitted.length, from + 200); to++) {
          sum += admitted[to]![1];
          const span = admitted[to]![0] - admitted[from]![0];
          expect(sum, `seed ${seed}`).toBeLessThanOrEqual(options.burst + span * rate + 1e-3);
        }
      }
      expect(admitted.length).toBeGreaterThan(50);
    },
  );

  test('a fixed window admits at most the limit, counted from its first take', () => {
    const admitted = run({ limit: 10, per: '1s', algorithm: 'fixed-window' }, false);
    let start = -Infinity;
    let sum = 0;
    for (const [time, cost] of admitted) {
      if (time - start >= 1_000) [start, sum] = [time, 0];
      sum += cost;
      expect(sum, `seed ${seed}`).toBeLessThanOrEqual(10);
    }
  });

  test('a sliding window admits at most twice the limit in any of its spans, and about the limit where it comes evenly', () => {
    const admitted = run({ limit: 10, per: '1s', algorithm: 'sliding-window' }, false);
    for (let from = 0; from < admitted.length; from++) {
      let sum = 0;
      for (let to = from; to < admitted.length && admitted[to]![0] - admitted[from]![0] < 1_000; to++)
        sum += admitted[to]![1];
      expect(sum, `seed ${seed}`).toBeLessThanOrEqual(20);
    }
    const machine = new Machine();
    const throttle = machine.throttle({ limit: 100, per: '1s', algorithm: 'sliding-window' });
    let taken = 0;
    for (let i = 0; i < 10_000; i++) {
      machine.now += 1;
      if (throttle.take().allowed) taken++;
    }
    expect(taken).toBeGreaterThan(940);
    expect(taken).toBeLessThanOrEqual(1_100);
  });
});
