import { describe, expect, test } from 'vitest';
import { Election, type Holder } from '../../src/index.js';
import { pause, refused, settled, until, waiting, withCode } from '../structures/helpers.js';
import { forEachEngine } from '../support/stores.js';
import { Agent, apart, outside, twoStores, untilWaiting } from './helpers.js';

/** Begins `work` outside of what the caller holds. */
const begin = <T>(work: () => Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => outside(() => void work().then(resolve, reject)));

/** Reads on until what is yielded has this label; gives all labels that came. */
async function untilLabel(
  leaders: AsyncIterator<Holder | undefined>,
  label: string | undefined,
): Promise<(string | undefined)[]> {
  const seen: (string | undefined)[] = [];
  for (;;) {
    const { value, done } = (await leaders.next()) as { value: Holder | undefined; done: boolean };
    if (done) throw new Error(`it ended; there came ${JSON.stringify(seen)}`);
    seen.push(value?.label);
    if (value?.label === label) return seen;
  }
}

forEachEngine((engine) => {
  const opened = async () => {
    const stores = await twoStores(engine);
    return {
      ...stores,
      election: new Election(stores.store, 'it'),
      theirs: new Election(stores.other, 'it'),
    };
  };

  describe('Election', () => {
    test('gives a term to one candidate at a time, in the order in which they came', async () => {
      const { election, theirs, raw } = await opened();
      expect(await election.leader()).toBe(undefined);
      expect(await election.candidates()).toEqual([]);
      const first = await begin(() => election.campaign({ label: 'first' }));
      expect(first.fence).toBe(1n);
      const campaigns = [];
      for (const [i, label] of ['second', 'third', 'fourth'].entries()) {
        campaigns.push(begin(() => (i % 2 === 0 ? theirs : election).campaign({ label })));
        await untilWaiting(raw, i + 1);
      }
      expect((await election.candidates()).map(({ label }) => label)).toEqual(['second', 'third', 'fourth']);
      const fences = [];
      let term = first;
      for (const campaign of campaigns) {
        expect(await term.release()).toBe(true);
        term = await campaign;
        fences.push(term.fence);
      }
      expect(fences).toEqual([2n, 3n, 4n]);
      expect(await theirs.leader()).toMatchObject({ label: 'fourth', fence: 4n, process: process.pid });
      expect(await term.release()).toBe(true);
      expect(await theirs.leader()).toBe(undefined);
    });

    test('lets a candidate give up, which leaves no trace and costs the others nothing', async () => {
      const { election, theirs, raw } = await opened();
      const term = await begin(() => election.campaign());
      await expect(theirs.campaign({ timeout: 0 })).rejects.toThrow(withCode('ERR_TIMEOUT'));
      const controller = new AbortController();
      const aborted = settled(begin(() => theirs.campaign({ signal: controller.signal })));
      await untilWaiting(raw, 1);
      const next = begin(() => theirs.campaign());
      await untilWaiting(raw, 2);
      controller.abort();
      expect((await aborted).status).toBe('rejected');
      await untilWaiting(raw, 1);
      await term.release();
      expect((await next).fence).toBe(2n);
      expect(await waiting(raw)).toBe(0);
    });

    test('elects the next at once when the leader dies, and tells who', async () => {
      const { store, election, raw } = await opened();
      const [first, second] = [await Agent.start(engine, store), await Agent.start(engine, store)];
      const part = { kind: 'Election', name: 'it', options: { lease: '10m' } } as const;
      await first.acquire(part, { label: 'first' }).granted;
      const campaign = second.acquire(part, { label: 'second' });
      await untilWaiting(raw, 1);
      const leaders = election.observe();
      expect((await leaders.next()).value).toMatchObject({
        label: 'first',
        process: first.process.child.pid,
      });
      await first.process.kill9();
      expect((await campaign.granted).fence).toBe(2n);
      await untilLabel(leaders, 'second');
      expect(await election.leader()).toMatchObject({ label: 'second', process: second.process.child.pid });
      await leaders.return?.();
    });

    test('deposes a leader, whose signal aborts, and lets the next lead', async () => {
      const { election, theirs, raw } = await opened();
      expect(await theirs.depose()).toBe(false);
      const term = await begin(() => election.campaign());
      const { signal } = term;
      const campaign = begin(() => theirs.campaign());
      await untilWaiting(raw, 1);
      expect(await theirs.depose()).toBe(true);
      const next = await campaign;
      expect(next.fence).toBe(2n);
      await until(() => signal.aborted);
      expect(signal.reason).toMatchObject({ code: 'ERR_NOT_OWNER' });
      expect(await term.release()).toBe(false);
      expect(await election.leader()).toMatchObject({ fence: 2n });
      expect(await next.release()).toBe(true);
      expect(await theirs.depose()).toBe(false);
    });
  });

  describe('Election.observe', () => {
    test('yields who leads, now and after each change, also when nobody does', async () => {
      const { election, theirs } = await opened();
      const leaders = election.observe();
      expect((await leaders.next()).value).toBe(undefined);
      const term = await begin(() => theirs.campaign({ label: 'a' }));
      expect((await leaders.next()).value).toMatchObject({ label: 'a', fence: 1n });
      await term.release();
      expect((await leaders.next()).value).toBe(undefined);
      const again = await begin(() => theirs.campaign({ label: 'a' }));
      expect((await leaders.next()).value).toMatchObject({ label: 'a', fence: 2n });
      await theirs.depose();
      expect((await leaders.next()).value).toBe(undefined);
      await again.release();
      await leaders.return?.();
    });

    test('yields the present leader first, and only changes after that', async () => {
      const { election, theirs } = await opened();
      const term = await begin(() => election.campaign({ label: 'there' }));
      const leaders = theirs.observe();
      expect((await leaders.next()).value).toMatchObject({ label: 'there' });
      const next = leaders.next();
      expect(await Promise.race([next, pause(300)])).toBe(undefined);
      await term.release();
      expect((await next).value).toBe(undefined);
      await leaders.return?.();
    });

    test('tells several observers, in several stores, of a leader’s death that nobody succeeds', async () => {
      const { store, election, theirs } = await opened();
      const agent = await Agent.start(engine, store);
      await agent.acquire({ kind: 'Election', name: 'it', options: { lease: '10m' } }, { label: 'it' })
        .granted;
      const observers = [election.observe(), theirs.observe(), theirs.observe()];
      for (const leaders of observers) expect((await leaders.next()).value).toMatchObject({ label: 'it' });
      await agent.process.kill9();
      for (const leaders of observers) expect((await leaders.next()).value).toBe(undefined);
      for (const leaders of observers) await leaders.return?.();
    });

    test('tells of a leader whose store closes', async () => {
      const { other, election, theirs } = await opened();
      await begin(() => theirs.campaign({ label: 'it' }));
      const leaders = [election.observe(), election.observe()];
      for (const one of leaders) expect((await one.next()).value).toMatchObject({ label: 'it' });
      await other.close();
      for (const one of leaders) expect((await one.next()).value).toBe(undefined);
      for (const one of leaders) await one.return?.();
    });

    test('ends when its loop is left, and leaves no trace', async () => {
      const { election, raw } = await opened();
      for await (const leader of election.observe()) {
        expect(leader).toBe(undefined);
        expect(await waiting(raw)).toBe(1);
        break;
      }
      await untilWaiting(raw, 0);
      const leaders = election.observe();
      await leaders.next();
      const next = leaders.next();
      await leaders.return?.();
      expect(await settled(next)).toBeTruthy();
      await untilWaiting(raw, 0);
    });

    test('rejects with the signal’s reason, and with ERR_CLOSED when its store closes', async () => {
      const { store, election, theirs, raw } = await opened();
      const controller = new AbortController();
      const aborted = theirs.observe({ signal: controller.signal });
      await aborted.next();
      const next = settled(aborted.next());
      const reason = new Error('enough');
      controller.abort(reason);
      expect(await next).toEqual({ status: 'rejected', reason });
      await untilWaiting(raw, 0);
      const closed = election.observe();
      await closed.next();
      const last = settled(closed.next());
      await store.close();
      expect(await last).toMatchObject({ status: 'rejected', reason: { code: 'ERR_CLOSED' } });
    });

    test('does not stand in the way of who campaigns', async () => {
      const { election, theirs } = await opened();
      const leaders = theirs.observe();
      await leaders.next();
      for (let round = 1n; round <= 3n; round++) {
        const term = await apart(() => election.campaign({ timeout: 10_000 }));
        expect(term.fence).toBe(round);
        await term.release();
      }
      expect(await election.candidates()).toEqual([]);
      await leaders.return?.();
    });

    test('refuses what is no option, at once', async () => {
      const { store, election } = await opened();
      for (const options of [{ signl: 1 }, { signal: 1 }, null, 1])
        expect(() => election.observe(options as never)).toThrow(TypeError);
      for (const options of [{ fair: true }, { leas: 1 }, null, 1])
        expect(() => new Election(store, 'it', options as never)).toThrow(TypeError);
      for (const options of [{ timout: 1 }, { weight: 1 }, { label: 1 }, { signal: 1 }, null])
        await expect(election.campaign(options as never)).rejects.toThrow(TypeError);
      await refused(store, async () => election.campaign({ timeout: -1 }), RangeError);
    });
  });
});
