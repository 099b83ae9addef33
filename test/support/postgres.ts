import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the PostgreSQL of this run listens, with its password. */
    postgresUrl: string;
  }
}

/** Starts one real PostgreSQL for the whole run; the function it returns stops it and removes its files. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Detached, so that Ctrl-C does not reach it: it stops by itself once this process is gone, however it goes.
  const keeper = fork(new URL('./postgres-keeper.js', import.meta.url), [], { detached: true, execArgv: [] });
  const exited = once(keeper, 'exit');
  const url = await Promise.race([
    once(keeper, 'message').then(([message]: unknown[]) => String(message)),
    exited.then(() => {
      throw new Error('PostgreSQL did not start: see above.');
    }),
  ]);
  project.provide('postgresUrl', url);
  return async () => {
    keeper.disconnect();
    await exited;
  };
}
