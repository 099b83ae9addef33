// What must compile, and what must not. Checked by `npm run check`; never run.
import { expectTypeOf } from 'vitest';
import { z } from 'zod';
import {
  NamedQueue,
  Queue,
  type AsyncHandle,
  type AsyncHandler,
  type AsyncNamedHandle,
  type AsyncNamedHandlers,
  type AsyncQueue,
  type AsyncStore,
  type Handle,
  type Handler,
  type Job,
  type JobInfo,
  type NamedHandle,
  type NamedHandlers,
  type Store,
  type TracedEvent,
  type Worker,
} from 'holdfast';

declare const store: Store;
declare const server: AsyncStore;
interface Mail {
  readonly to: string;
}

/* Queue */

const mails = new Queue<Mail, number>(store, 'mails');
const theirs = new Queue<Mail, number>(server, 'mails');
expectTypeOf(mails).toEqualTypeOf<Queue<Mail, number>>();
expectTypeOf(theirs).toEqualTypeOf<AsyncQueue<Mail, number>>();
expectTypeOf(mails.add({ to: '' })).toEqualTypeOf<Handle<Mail, number>>();
expectTypeOf(theirs.add({ to: '' })).toEqualTypeOf<Promise<AsyncHandle<Mail, number>>>();
expectTypeOf(mails.add({ to: '' }).result()).toEqualTypeOf<Promise<number>>();
expectTypeOf(mails.get(1)).toEqualTypeOf<JobInfo<Mail, number> | undefined>();
expectTypeOf(mails.cancel(1)).toEqualTypeOf<boolean>();
expectTypeOf(mails.cancel({ state: 'waiting' })).toEqualTypeOf<number>();
expectTypeOf(theirs.retry({})).toEqualTypeOf<Promise<number>>();
// @ts-expect-error -- no such data
mails.add({ from: '' });
// @ts-expect-error -- no such option
mails.add({ to: '' }, { prio: 1 });
// @ts-expect-error -- a result of another type
mails.work(() => 'text');
mails.work((job) => job.data.to.length);
const mail: Handler<Mail, number> = (job) => {
  expectTypeOf(job).toEqualTypeOf<Job<Mail, number>>();
  return job.complete(() => job.children().length);
};
mails.work(mail);
const theirMail: AsyncHandler<Mail, number> = async (job) =>
  job.complete(async () => (await job.children()).length);
theirs.work(theirMail);
// @ts-expect-error -- on a server children() gives a promise
theirs.work(mail);
// @ts-expect-error -- of another type
const other: Handle<Mail, string> = mails.handle(1);
// What has no result says nothing of it.
const plain: Handle<Mail> = new Queue<Mail>(store, 'plain').handle(1);
export { other, plain };
mails.work({ late: (job) => job.attempt });

const { second } = mails.flow({
  first: { data: { to: '' } },
  second: { data: { to: '' }, after: ['first'] },
});
expectTypeOf(second.result()).toEqualTypeOf<Promise<number>>();
// @ts-expect-error -- there is no third
mails.flow({ first: { data: { to: '' }, after: ['third'] } });

/* A schema says what the data are: what is added may differ from what is stored. */

const schema = z.object({ to: z.string(), copies: z.number().default(1) });
const checked = new Queue(store, 'checked', { schema });
checked.add({ to: '' });
checked.work((job) => {
  expectTypeOf(job.data).toEqualTypeOf<{ to: string; copies: number }>();
});
const results = new Queue<z.output<typeof schema>, string, z.input<typeof schema>>(store, 'x', { schema });
expectTypeOf(results.add({ to: '' }).result()).toEqualTypeOf<Promise<string>>();
// @ts-expect-error -- the schema is of something else
new Queue<number>(store, 'x', { schema });

/* Events tell by their type what else they have. */

declare const traced: TracedEvent;
if (traced.type === 'failed') expectTypeOf(traced.error).toEqualTypeOf<Error | undefined>();
if (traced.type === 'started') expectTypeOf(traced.attempt).toEqualTypeOf<number>();
// @ts-expect-error -- the number is that of the stored one
traced.id satisfies number;

/* NamedQueue */

interface Media {
  resize: { data: { width: number }; result: string };
  mail: { data: Mail };
}
const media = new NamedQueue<Media>(store, 'media', {
  schemas: { resize: z.object({ width: z.number() }), mail: z.object({ to: z.string() }) },
});
expectTypeOf(media.add({ width: 1 }, { name: 'resize' }).result()).toEqualTypeOf<Promise<string>>();
expectTypeOf(media.add({ to: '' }, { name: 'mail' }).result()).toEqualTypeOf<Promise<void>>();
// @ts-expect-error -- the data of another name
media.add({ width: 1 }, { name: 'mail' });
// @ts-expect-error -- no such name
media.add({ width: 1 }, { name: 'crop' });
// @ts-expect-error -- no name
media.add({ width: 1 });
media.addMany([
  { data: { width: 1 }, name: 'resize' },
  { data: { to: '' }, name: 'mail' },
]);
// @ts-expect-error -- the data of another name
media.addMany([{ data: { to: '' }, name: 'resize' }]);
expectTypeOf(
  media.work({
    resize: async (job) => {
      expectTypeOf(job.data).toEqualTypeOf<{ width: number }>();
      return `${job.data.width}`;
    },
    mail: (job) => {
      expectTypeOf(job.data.to).toEqualTypeOf<string>();
    },
  }),
).toEqualTypeOf<Worker>();
// @ts-expect-error -- no handler for mail
media.work({ resize: () => '' });
// @ts-expect-error -- a result of another type
media.work({ resize: () => 1, mail: () => undefined });
const info = media.get(1);
if (info?.name === 'resize') expectTypeOf(info.data).toEqualTypeOf<{ width: number }>();
expectTypeOf(media.handle(1)).toEqualTypeOf<NamedHandle<Media>>();
expectTypeOf(new NamedQueue<Media>(server, 'media').handle(1)).toEqualTypeOf<AsyncNamedHandle<Media>>();
declare const mediaHandlers: NamedHandlers<Media>;
declare const theirMediaHandlers: AsyncNamedHandlers<Media>;
media.work(mediaHandlers);
new NamedQueue<Media>(server, 'media').work(theirMediaHandlers);
media.flow({
  a: { data: { width: 1 }, name: 'resize' },
  b: { data: { to: '' }, name: 'mail', after: ['a'] },
});
// @ts-expect-error -- the data of another name
media.flow({ a: { data: { width: 1 }, name: 'mail' } });
expectTypeOf(new NamedQueue<Media>(server, 'media').counts()).toExtend<Promise<unknown>>();
