import { describe, expect, test } from 'vitest';
import { Throttle, type ThrottleOptions } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';

const algorithms = ['gcra', 'sliding-window', 'fixed-window'] as const;

forEachEngine((engine) => {
  describe.each(algorithms)('%s', (algorithm) => {
    const slow: ThrottleOptions = { limit: 3, per: '1h', algorithm };

    test('as much as the limit is allowed at once, and no more', async () => {
      const throttle = new Throttle(await engine.open(), 'api', slow);
      for (const remaining of [2, 1, 0]) {
        expect(await throttle.take()).toMatchObject({ allowed: true, limit: 3, remaining, retryAfter: 0 });
      }
      const refused = await throttle.take();
      expect(refused).toMatchObject({ allowed: false, limit: 3, remaining: 0 });
      expect(refused.retryAfter).toBeGreaterThan(3_600_000 / 3 - 60_000);
      expect(refused.retryAfter).toBeLessThanOrEqual(3_600_000);
      expect(refused.resetAt.getTime()).toBeGreaterThan(Date.now() + 3_600_000 - 60_000);
      expect(refused.resetAt.getTime()).toBeLessThanOrEqual(Date.now() + 2 * 3_600_000);
    });
  });
});
