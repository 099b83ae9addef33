// @ts-check
import { ended, nextMessage, removeDirectory, startScript, temporaryDirectory } from './temporary.js';

/**
 * One of those that are measured: its module in candidates/queues, and options for it beside where it is.
 *
 * @typedef {object} Candidate
 * @property {string} name
 * @property {string} module
 * @property {'directory' | 'redis' | 'postgres'} on
 * @property {object} [options]
 */

/**
 * What there is: the build of Holdfast; clients of the servers, where there are such.
 *
 * @typedef {object} Places
 * @property {string} build
 * @property {{ readonly port: number, connect(): Promise<{ client: any, close(): void }> }} [redis]
 * @property {{ create(): Promise<string>, drop(url: string): Promise<void> }} [postgres]
 * @property {string} [parent] - Where directories are to be made.
 */

/** Runs `work` with a fresh place for a queue, or a cache: a directory, an empty Redis, a database. @template T @param {Candidate} candidate @param {Places} places @param {(options: object) => Promise<T>} work */
export async function inFreshPlace({ on, options = {} }, { build, redis, postgres, parent }, work) {
  if (on === 'directory') {
    const directory = temporaryDirectory(parent);
    return await work({ build, directory, ...options }).finally(() => removeDirectory(directory));
  }
  if (on === 'redis') {
    if (redis === undefined) throw new TypeError('there is no Redis');
    const { client, close } = await redis.connect();
    await client.flushAll();
    close();
    return await work({ port: redis.port, ...options });
  }
  if (postgres === undefined) throw new TypeError('there is no PostgreSQL');
  const url = await postgres.create();
  return await work({ build, url, ...options }).finally(() => postgres.drop(url));
}

/** A process with the queue open. @param {Candidate} candidate @param {object} options */
export async function startQueue({ name, module }, options) {
  const child = startScript('queue.js', [module, JSON.stringify(options)]);
  /** @param {string} command @param {object} [rest] */
  const ask = async (command, rest = {}) => {
    const answer = nextMessage(child);
    child.send({ command, ...rest });
    return (
      await answer.catch((error) => {
        throw new Error(`${name}, ${command}: ${error.message}`, { cause: error });
      })
    ).result;
  };
  await nextMessage(child);
  return {
    ask,
    async close() {
      await ask('close');
      await ended(child);
    },
  };
}
