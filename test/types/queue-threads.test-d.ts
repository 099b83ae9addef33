import { expectTypeOf } from 'vitest';
import type { AsyncStore, Job, Store, ThreadJob, Worker } from '../../src/index.js';
import { Queue } from '../../src/index.js';

// Checked by the compiler, never run.

interface Picture {
  readonly path: string;
}

declare const store: Store;
declare const server: AsyncStore;

const url = new URL('./render.js', import.meta.url);
const pictures = new Queue<Picture, number>(store, 'pictures');
const theirPictures = new Queue<Picture, number>(server, 'pictures');

expectTypeOf(pictures.work(url)).toEqualTypeOf<Worker>();
expectTypeOf(theirPictures.work(url, { threads: 2 })).toEqualTypeOf<Worker>();
pictures.work(url, { idleTimeout: '5s', resourceLimits: { maxOldGenerationSizeMb: 64 }, prefetch: 1 });
pictures.work(url, {
  stopOn: ['SIGTERM'],
  stopTimeout: '5s',
  onError: (error) => expectTypeOf(error).toBeUnknown(),
});

// A handler for threads is one for the main thread, too.
const render = (job: ThreadJob<Picture>): number => job.data.path.length;
pictures.work(render);
theirPictures.work(render);
expectTypeOf<Job<Picture, number>>().toExtend<ThreadJob<Picture>>();
expectTypeOf<ThreadJob<Picture>['signal']>().toEqualTypeOf<AbortSignal>();

// @ts-expect-error a path is no URL
pictures.work('./render.js');
// @ts-expect-error a function runs in this thread
pictures.work(render, { threads: 2 });
// @ts-expect-error a misspelt option
pictures.work(url, { thread: 2 });
// @ts-expect-error nobody can listen to that
pictures.work(render, { stopOn: ['SIGKILL'] });
// @ts-expect-error of another queue
pictures.work((job: ThreadJob<string>) => job.data.length);
// The store is in another thread.
expectTypeOf<ThreadJob<Picture>>().not.toHaveProperty('complete');
