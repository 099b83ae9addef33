import { Queue, type AsyncQueue, type AsyncStore, type QueueOptions } from '../../../src/index.js';

/** The URL of a file beside this one. */
export const moduleAt = (path: string): URL => new URL(`./${path}`, import.meta.url);
export const handlerUrl = moduleAt('handler.js');

/** What `handler.js` is to do. */
export interface Task {
  readonly do: string;
  readonly [more: string]: unknown;
}

export const newQueue = (store: AsyncStore, ...rest: [options?: QueueOptions]): AsyncQueue<Task, unknown> =>
  new Queue<Task, unknown>(store, 'jobs', ...(rest.length > 0 ? rest : [{ attempts: 1 }]));

/** Whether the handler of a job has said that it has begun. */
export const hasBegun = (queue: AsyncQueue<Task, unknown>, id: number) => async () =>
  ((await queue.get(id))?.log.length ?? 0) > 0;

/** What a job has logged. */
export const lines = async (queue: AsyncQueue<Task, unknown>, id: number): Promise<string[] | undefined> =>
  (await queue.get(id))?.log.map(({ line }) => line);
