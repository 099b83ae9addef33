import { describe, expect, test } from 'vitest';
import { Throttle, type ThrottleOptions } from '../../src/index.js';
import { pause, rawConnection } from '../structures/helpers.js';
import { inProcesses, startProcess } from '../support/processes.js';
import { forEachEngine } from '../support/stores.js';

type Admission = [before: number, after: number, cost: number];

forEachEngine((engine) => {
  describe('A throttle of several processes', () => {
    const opened = async (options: ThrottleOptions) => {
      const store = await engine.open();
      const raw = await rawConnection(engine, store);
      const state = async () => JSON.stringify(await raw('SELECT used, phase FROM throttles'));
      const location = engine.location(store);
      const throttle = new Throttle(store, 'api', options);
      /** A process that has its place in the line. */
      const inLine = async (...args: string[]) => {
        const before = await state();
        const process = startProcess('sync-throttle-wait.js', location, JSON.stringify(options), ...args);
        while ((await state()) === before) await pause(2);
        return process;
      };
      return { throttle, location, inLine };
    };

    test.each([
      ['take', { limit: 200, per: '1s', burst: 20 }],
      ['take', { limit: 40, per: '500ms' }],
    ] as const)('admits no more than burst + W · rate in any span W: %s, %o', async (how, options) => {
      const { location } = await opened(options);
      const sent = await inProcesses<Admission[]>(
        4,
        'sync-throttle.js',
        location,
        how,
        JSON.stringify(options),
        1_500,
      );
      const { limit, per } = options;
      const burst = 'burst' in options ? options.burst : limit;
      const rate = limit / (per === '1s' ? 1_000 : 500);
      const admitted = sent.flat().toSorted((a, b) => a[0] - b[0]);
      expect(admitted.length).toBeGreaterThan(limit / 4);
      for (let from = 0; from < admitted.length; from++) {
        // Whatever lies wholly between these two moments was admitted between them.
        const [begin] = admitted[from]!;
        let sum = 0;
        for (const [before, after, cost] of admitted.slice(from).toSorted((a, b) => a[1] - b[1])) {
          if (before < begin) continue;
          sum += cost;
          expect(sum).toBeLessThanOrEqual(burst + (after - begin) * rate + 0.01);
        }
      }
    });

    test('keeps the rate while eight wait for their turns', async () => {
      const options = { limit: 200, per: '1s', burst: 2 } as const;
      const { location } = await opened(options);
      const sent = await inProcesses<Admission[]>(
        8,
        'sync-throttle.js',
        location,
        'wait',
        JSON.stringify(options),
        2_000,
      );
      const admitted = sent.flat();
      const first = Math.min(...admitted.map(([before]) => before));
      const last = Math.max(...admitted.map(([, after]) => after));
      const cost = admitted.reduce((sum, one) => sum + one[2], 0);
      // Nobody is ever early; how late somebody is depends on the machine, and does not add up.
      expect(cost).toBeLessThanOrEqual(2 + ((last - first) / 1_000) * 200 + 0.01);
    });

    test('serves who came first first, across processes', async () => {
      const options = { limit: 1, per: '600ms' } as const;
      const { throttle, inLine } = await opened(options);
      // Time for all of them to start.
      await throttle.penalize({ cost: 8 });
      const processes = [];
      for (let i = 0; i < 4; i++) processes.push(await inLine());
      const times = [];
      for (const process of processes) times.push(await process.result<number>());
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      for (let i = 1; i < times.length; i++) expect(times[i]! - times[i - 1]!).toBeGreaterThan(0);
    });

    test('is not held up by one that was killed while it waited', async () => {
      const options = { limit: 1, per: '1s' } as const;
      const { throttle, inLine } = await opened(options);
      // Time enough for the second to stand in line before the first has had its turn, on a busy machine, too.
      await throttle.penalize({ cost: 8 });
      const doomed = await inLine();
      const behind = await inLine();
      await doomed.kill9();
      await behind.result();
    });

    test('gets back the place of one whose store is closed', async () => {
      const options = { limit: 1, per: '1h' } as const;
      const { throttle, inLine } = await opened(options);
      await throttle.take();
      const before = await throttle.peek();
      const leaving = await inLine('close');
      expect((await throttle.peek()).retryAfter).toBeGreaterThan(before.retryAfter + 3_000_000);
      await pause(engine.name === 'server' ? 200 : 0);
      await leaving.send('close');
      expect(await leaving.result()).toBe('ERR_CLOSED');
      expect((await throttle.peek()).retryAfter).toBeLessThanOrEqual(before.retryAfter);
    });
  });
});
