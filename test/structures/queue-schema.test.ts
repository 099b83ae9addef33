import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { NamedQueue, Queue, type AsyncNamedQueue } from '../../src/index.js';
import { forEachEngine } from '../support/stores.js';
import { withCode } from './helpers.js';

interface Media {
  resize: { data: { width: number }; result: string };
  mail: { data: { to: string } };
}

forEachEngine((engine) => {
  describe('a schema', () => {
    const schema = z.object({ to: z.email(), copies: z.number().default(1) });

    test('is asked before anything is stored, and what it makes of the data is', async () => {
      const queue = new Queue(await engine.open(), 'mails', { schema });
      const handle = await queue.add({ to: 'ada@example.org' });
      expect(await handle.get()).toMatchObject({ data: { to: 'ada@example.org', copies: 1 } });
      await expect(async () => queue.add({ to: 'nobody' })).rejects.toThrow(withCode('ERR_INVALID_DATA'));
      await expect(async () => queue.add({ to: 'nobody' })).rejects.toThrow(/to: Invalid email/);
      await expect(async () => queue.add({ to: 'nobody' })).rejects.toMatchObject({
        cause: [{ path: ['to'] }],
      });
      await expect(async () =>
        queue.addMany([{ data: { to: 'bob@example.org' } }, { data: { to: 'nobody' } }]),
      ).rejects.toThrow(withCode('ERR_INVALID_DATA'));
      await expect(async () => queue.flow({ a: { data: { to: 'nobody' } } })).rejects.toThrow(
        withCode('ERR_INVALID_DATA'),
      );
      expect(await queue.counts()).toMatchObject({ waiting: 1 });
    });

    test('that is none, or answers later, is refused', async () => {
      const store = await engine.open();
      // @ts-expect-error -- no schema
      expect(() => new Queue(store, 'x', { schema: {} })).toThrow(/schema must be a schema/);
      const later = new Queue(store, 'x', { schema: z.string().refine(async () => true) });
      await expect(async () => later.add('x')).rejects.toThrow(/at once/);
      expect(await later.counts()).toMatchObject({ waiting: 0 });
    });
  });

  describe('named jobs', () => {
    const schemas = { resize: z.object({ width: z.number() }), mail: z.object({ to: z.string() }) };

    test('go to the handler of their name', async () => {
      const media: AsyncNamedQueue<Media> = new NamedQueue<Media>(await engine.open(), 'media', { schemas });
      const resized = await media.add({ width: 64 }, { name: 'resize' });
      const [mailed] = await media.addMany([{ data: { to: 'ada' }, name: 'mail' }]);
      const sent: string[] = [];
      await using _ = media.work({
        resize: (job) => `${job.data.width} px`,
        mail: async (job) => {
          sent.push(job.data.to);
        },
      });
      await expect(resized.result()).resolves.toBe('64 px');
      await expect(mailed?.result()).resolves.toBeUndefined();
      expect(sent).toEqual(['ada']);
    });

    test('have a schema each', async () => {
      const media: AsyncNamedQueue<Media> = new NamedQueue<Media>(await engine.open(), 'media', { schemas });
      // @ts-expect-error -- other data
      await expect(async () => media.add({ to: 'ada' }, { name: 'resize' })).rejects.toThrow(/width/);
      // @ts-expect-error -- no such name
      await expect(async () => media.add({ to: 'ada' }, { name: 'toString' })).rejects.toThrow(
        /no schema for jobs with the name "toString"/,
      );
      // @ts-expect-error -- no name
      await expect(async () => media.add({ to: 'ada' })).rejects.toThrow(/no schema/);
      expect(await media.counts()).toMatchObject({ waiting: 0 });
    });

    test('without a handler fail, and are tried again as others are', async () => {
      const store = await engine.open();
      const queue = new Queue<string>(store, 'jobs', { attempts: 1 });
      const job = await queue.add('x', { name: 'other' });
      const done: string[] = [];
      await using _ = queue.work({ known: (known) => void done.push(known.data) });
      await expect(job.result()).rejects.toThrow(/no handler for jobs with the name "other"/);
      await (await queue.add('y', { name: 'known' })).result();
      expect(done).toEqual(['y']);
      // @ts-expect-error -- no function
      expect(() => queue.work({ known: 1 })).toThrow(/the handler of known/);
      // @ts-expect-error -- neither
      expect(() => queue.work('known')).toThrow(TypeError);
    });
  });
});
