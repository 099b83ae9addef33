import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../support/processes.js';
import { forEachEngine } from '../support/stores.js';
import { deferred, pause, until, withCode } from './helpers.js';
import { handlerUrl, hasBegun, lines, moduleAt, newQueue } from './threads/support.js';

forEachEngine((engine) => {
  describe('a handler in a thread', () => {
    test('gets what is known of its job, and what it returns is the result', async () => {
      const queue = newQueue(await engine.open());
      await using _ = queue.work(handlerUrl, { threads: 1 });
      const data = {
        do: 'facts',
        value: new Map([[1, new Date(0)]]),
        bytes: Uint8Array.of(1, 2),
        none: undefined,
      };
      const handle = await queue.add(data, { name: 'tell', group: 'a' });
      const job = await handle.get();
      expect(await handle.result()).toStrictEqual({
        ...{ id: handle.id, name: 'tell', group: 'a', data, attempt: 1, addedAt: job?.addedAt },
        ...{ isMainThread: false, threadId: expect.any(Number) as number, runs: 1 },
      });
      const again = await (await queue.add({ do: 'facts' })).result();
      expect(again, 'the thread is the same').toMatchObject({ runs: 2, name: undefined });
    });

    test('runs at the same time as others, each in a thread of its own', async () => {
      const queue = newQueue(await engine.open());
      await using _ = queue.work(handlerUrl, { threads: 2 });
      const file = join(temporaryDirectory(), 'go');
      const data = { do: 'wait', file };
      const handles = await queue.addMany([{ data }, { data }, { data }]);
      for (const { id } of handles.slice(0, 2)) await until(hasBegun(queue, id));
      expect(await queue.counts()).toMatchObject({ running: 2, waiting: 1 });
      writeFileSync(file, '');
      const threads = await Promise.all(handles.map((handle) => handle.result()));
      expect(new Set(threads).size).toBe(2);
    });

    test('tells progress and log, all of it and in order, before its job has ended', async () => {
      const queue = newQueue(await engine.open());
      await using _ = queue.work(handlerUrl, { threads: 1 });
      for (let run = 0; run < 20; run++) {
        const progress = [0, { done: new Set([run]) }];
        const handle = await queue.add({ do: 'tell', lines: 50, progress });
        expect(await handle.result()).toBe(undefined);
        expect((await handle.get())?.progress).toEqual({ done: new Set([run]) });
        expect(await lines(queue, handle.id)).toEqual(Array.from({ length: 50 }, (_, n) => `line ${n}`));
      }
    });

    test('fails with what it threw: name, message, stack, code and cause', async () => {
      const queue = newQueue(await engine.open(), { attempts: 2, backoff: { type: 'fixed', delay: 0 } });
      await using _ = queue.work(handlerUrl, { threads: 1 });
      const handle = await queue.add({ do: 'throw' });
      await expect(handle.result()).rejects.toMatchObject({
        ...{ name: 'TypeError', message: 'no such thing', code: 'E_THING' },
        stack: expect.stringContaining('threads/handler.js') as string,
        cause: { name: 'RangeError', message: 'too far' },
      });
      expect(await handle.get()).toMatchObject({ state: 'failed', failures: 2 });
    });

    test.each([
      ['a result', 'return a function', 'result.user.name is a function, which cannot be stored'],
      ['progress', 'tell a function', 'progress.done is a function, which cannot be stored'],
      ['progress that is something else when it is read again', 'tell what changes', 'can’t be stored'],
    ])('fails for %s that can’t be stored', async (_, task, message) => {
      const queue = newQueue(await engine.open());
      await using worker = queue.work(handlerUrl, { threads: 1 });
      const handle = await queue.add({ do: task });
      await expect(handle.result()).rejects.toThrow(message);
      expect(worker.running).toBe(0);
    });

    test('puts its job off without costing an attempt', async () => {
      const queue = newQueue(await engine.open());
      await using _ = queue.work(handlerUrl, { threads: 1 });
      expect(await (await queue.add({ do: 'snooze' })).result()).toEqual({ runs: 2, attempt: 1 });
    });

    test('fails its job, for good if it says so', async () => {
      const queue = newQueue(await engine.open(), { attempts: 2, backoff: { type: 'fixed', delay: 0 } });
      await using _ = queue.work(handlerUrl, { threads: 1 });
      for (const [retry, failures] of [
        [true, 2],
        [false, 1],
      ] as const) {
        const handle = await queue.add({ do: 'fail', retry });
        await expect(handle.result()).rejects.toMatchObject({ message: 'not so', code: 'E_SO' });
        expect(await handle.get()).toMatchObject({ failures });
      }
    });

    test.each([
      ['complete', [], /complete\(\) needs the worker’s store/],
      ['snooze', ['5'], /time must be/],
      ['snooze', [-1], /time must be/],
      ['log', [1], /line must be a string/],
      ['fail', [1, { retries: 1 }], /no option "retries"/],
    ])('is refused what makes no sense there: %s(%j)', async (method, args, message) => {
      const queue = newQueue(await engine.open());
      await using _ = queue.work(handlerUrl, { threads: 1 });
      const handle = await queue.add({ do: 'misuse', method, args });
      await expect(handle.result()).rejects.toThrow(message);
    });

    test('says once what becomes of its job', async () => {
      const queue = newQueue(await engine.open());
      await using _ = queue.work(handlerUrl, { threads: 1 });
      await expect((await queue.add({ do: 'decide twice' })).result()).rejects.toThrow('already said');
    });
  });

  describe('a handler in a thread that is not to go on', () => {
    test('hears of it by its signal when its time is over', async () => {
      const queue = newQueue(await engine.open());
      await using _ = queue.work(handlerUrl, { threads: 1 });
      const handle = await queue.add({ do: 'heed' }, { timeout: 500 });
      await expect(handle.result()).rejects.toThrow(withCode('ERR_TIMEOUT'));
      expect(await lines(queue, handle.id)).toEqual(['waits', 'HoldfastError ERR_TIMEOUT']);
    });

    test('hears of it when somebody cancels its job', async () => {
      const store = await engine.open();
      const queue = newQueue(store);
      await using _ = queue.work(handlerUrl, { threads: 1 });
      const handle = await queue.add({ do: 'heed' });
      await until(hasBegun(queue, handle.id));
      await newQueue(await engine.reopen(store)).cancel(handle.id);
      await expect(handle.result()).rejects.toThrow(withCode('ERR_CANCELLED'));
      expect(await lines(queue, handle.id)).toEqual(['waits', 'HoldfastError ERR_CANCELLED']);
    });

    test('hears of it when its worker stops, and its job goes back', async () => {
      const queue = newQueue(await engine.open());
      const worker = queue.work(handlerUrl, { threads: 1 });
      const handle = await queue.add({ do: 'heed' });
      await until(hasBegun(queue, handle.id));
      await worker.stop({ timeout: 0 });
      expect(await handle.get()).toMatchObject({ state: 'waiting', failures: 0, deaths: 0 });
      expect(await lines(queue, handle.id)).toEqual(['waits', 'HoldfastError ERR_CLOSED']);
    });

    test('loses its thread if it blocks that: its job is cancelled, and the next has a thread', async () => {
      const queue = newQueue(await engine.open());
      await using _ = queue.work(handlerUrl, { threads: 1 });
      const handle = await queue.add({ do: 'block' });
      await until(hasBegun(queue, handle.id));
      await handle.cancel();
      await expect(handle.result()).rejects.toThrow(withCode('ERR_CANCELLED'));
      expect(await (await queue.add({ do: 'facts' })).result()).toMatchObject({ runs: 1 });
    });

    test('does not keep its worker from stopping, and its job goes back', async () => {
      const queue = newQueue(await engine.open());
      const worker = queue.work(handlerUrl, { threads: 2 });
      const handle = await queue.add({ do: 'block' });
      await until(hasBegun(queue, handle.id));
      await worker.stop({ timeout: 0 });
      expect(await handle.get()).toMatchObject({ state: 'waiting', failures: 0, deaths: 0 });
    });

    test('is left behind by a store that closes: its job runs elsewhere', async () => {
      const store = await engine.open();
      const closing = await engine.reopen(store);
      const queue = newQueue(store);
      const worker = newQueue(closing).work(handlerUrl, { threads: 1 });
      const handle = await queue.add({ do: 'block' });
      await until(hasBegun(queue, handle.id));
      await closing.close();
      await using _ = queue.work(() => 'elsewhere');
      expect(await handle.result()).toBe('elsewhere');
      expect(await handle.get()).toMatchObject({ failures: 0, deaths: 0 });
      await worker.stop();
    });
  });

  describe('what costs a job one attempt, and nothing else', () => {
    test('is to block its thread for longer than its timeout', async () => {
      const queue = newQueue(await engine.open(), { attempts: 2, backoff: { type: 'fixed', delay: 0 } });
      await using _ = queue.work(handlerUrl, { threads: 2 });
      const file = join(temporaryDirectory(), 'go');
      const other = await queue.add({ do: 'wait', file });
      await until(hasBegun(queue, other.id));
      const handle = await queue.add({ do: 'block once' }, { timeout: 1_000 });
      const thread = await handle.result();
      expect(await handle.get()).toMatchObject({ failures: 1, errors: [{ error: { code: 'ERR_TIMEOUT' } }] });
      writeFileSync(file, '');
      expect(await other.result()).not.toBe(thread);
      expect(await other.get()).toMatchObject({ failures: 0, deaths: 0 });
    });

    test.each([
      ['to exit', 'exit', { message: 'worker exited with code: 3' }],
      ['to throw outside of the handler', 'crash', { name: 'RangeError', message: 'outside of the handler' }],
      ['to use up the memory of its thread', 'eat', { code: 'ERR_WORKER_OUT_OF_MEMORY' }],
    ])('is %s', async (_, task, cause) => {
      const queue = newQueue(await engine.open(), { attempts: 2, backoff: { type: 'fixed', delay: 0 } });
      const resourceLimits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 8 };
      await using worker = queue.work(handlerUrl, { threads: 2, resourceLimits });
      const file = join(temporaryDirectory(), 'go');
      const other = await queue.add({ do: 'wait', file });
      await until(hasBegun(queue, other.id));
      const handle = await queue.add({ do: task });
      await expect(handle.result()).rejects.toMatchObject({ code: 'ERR_THREAD', cause });
      expect(await lines(queue, handle.id), 'what it told before').toHaveLength(2);
      expect(await handle.get()).toMatchObject({ failures: 2, deaths: 0 });
      expect(await (await queue.add({ do: 'facts' })).result()).toMatchObject({ runs: 1 });
      expect(worker.running).toBe(1);
      writeFileSync(file, '');
      expect(await other.result()).toEqual(expect.any(Number));
      expect(await other.get()).toMatchObject({ failures: 0, deaths: 0 });
    });

    test.each([
      ['when that is known', 0],
      ['before that is known', 300],
    ])(
      'is nothing that a thread does when its job is over, %s; the worker hears of it',
      async (_, blocked) => {
        const heard: unknown[] = [];
        const queue = newQueue(await engine.open());
        await using _worker = queue.work(handlerUrl, { threads: 1, onError: (error) => heard.push(error) });
        const file = join(temporaryDirectory(), 'go');
        const handle = await queue.add({ do: 'crash later', file });
        await until(hasBegun(queue, handle.id));
        writeFileSync(file, '');
        for (const end = performance.now() + blocked; performance.now() < end;);
        expect(await handle.result()).toBe(undefined);
        await until(() => heard.length > 0);
        expect(heard).toMatchObject([{ code: 'ERR_THREAD', cause: { message: 'long after the handler' } }]);
        expect(await (await queue.add({ do: 'facts' })).result()).toMatchObject({ runs: 1 });
      },
    );
  });

  describe('a module that is no handler', () => {
    test.each([
      ['is not there', 'missing.js', { code: 'ERR_MODULE_NOT_FOUND' }],
      ['throws when it is loaded', 'broken.js', { message: 'broken at the start', code: 'E_BROKEN' }],
      ['ends its thread when it is loaded', 'exits.js', { message: 'worker exited with code: 1' }],
      ['has no default function', 'no-handler.js', { name: 'TypeError' }],
    ])('stops its worker, and costs no job an attempt: one that %s', async (_, path, cause) => {
      const heard = deferred<unknown>();
      const queue = newQueue(await engine.open());
      const handle = await queue.add({ do: 'facts' });
      const worker = queue.work(moduleAt(path), { onError: heard.resolve });
      const error = await heard.promise;
      expect(error).toMatchObject({ name: 'HoldfastError', code: 'ERR_NO_HANDLER', cause });
      expect(String(error)).toContain(path);
      await pause(100);
      expect(await handle.get()).toMatchObject({ state: 'waiting', failures: 0, startedAt: undefined });
      await worker.stop();
    });

    test('costs no job an attempt when it was one before, and the job runs when it is one again', async () => {
      const file = join(temporaryDirectory(), 'handler.mjs');
      const good = readFileSync(handlerUrl, 'utf8');
      writeFileSync(file, good);
      const errors: unknown[] = [];
      const queue = newQueue(await engine.open());
      await using _ = queue.work(pathToFileURL(file), { threads: 2, onError: (error) => errors.push(error) });
      const first = await queue.add({ do: 'heed' });
      await until(hasBegun(queue, first.id));
      writeFileSync(file, 'throw new Error("half of it is missing")');
      const second = await queue.add({ do: 'facts' });
      await until(() => errors.length > 1);
      expect(errors[0]).toMatchObject({ message: 'half of it is missing' });
      writeFileSync(file, good);
      expect(await second.result()).toMatchObject({ runs: 1, attempt: 1 });
      expect(await second.get()).toMatchObject({ failures: 0, deaths: 0 });
      await first.cancel();
    });
  });

  test('what work() can’t do with a module is refused at once', async () => {
    const queue = newQueue(await engine.open());
    const work =
      (...args: unknown[]) =>
      (): unknown =>
        Reflect.apply(queue.work, queue, args);
    expect(work('./handler.js')).toThrow(
      /handler must be a function, an object of functions by the names of jobs, or a URL such as new URL\('.\/handler.js', import.meta.url\), not ".\/handler.js"/,
    );
    expect(work(new URL('https://example.org/handler.js'))).toThrow(TypeError);
    expect(work(handlerUrl, { threads: 2, concurrency: 2 })).toThrow('threads or concurrency, not both');
    expect(work(handlerUrl, { threads: 0 })).toThrow(RangeError);
    expect(work(handlerUrl, { thread: 1 })).toThrow(/no option "thread"; it has threads, idleTimeout/);
    expect(work(handlerUrl, { idleTimeout: 'x' })).toThrow(TypeError);
    expect(work(handlerUrl, { resourceLimits: { maxOldGenerationSize: 1 } })).toThrow(TypeError);
    expect(work(handlerUrl, { resourceLimits: { stackSizeMb: 0 } })).toThrow(RangeError);
    expect(work(() => 1, { threads: 1 })).toThrow('no option "threads"');
  });
});
