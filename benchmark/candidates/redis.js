// Redis over loopback, one awaited command for each operation, keys in a hash and items in a list; the server is started for the
// benchmark. `appendonly yes, appendfsync everysec`: a change survives the death of the server, and not always the loss of power.
import { createServer } from 'node:net';
import { ended, startProgram } from '../lib/temporary.js';

/** @returns {Promise<number>} A port of the loopback interface that was free just now. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** @param {string} directory @param {number} port @returns {Promise<import('node:child_process').ChildProcess | undefined>} */
async function startServer(directory, port) {
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', directory, '--save', ''];
  const child = startProgram('redis-server', [...args, '--appendonly', 'yes', '--appendfsync', 'everysec']);
  const started = await new Promise((resolve) => {
    child.once('spawn', () => resolve(true));
    child.once('error', () => resolve(false));
  });
  return started ? child : undefined;
}

/** A client of the server at a port of the loopback interface, once it is there. */
export async function connected(createClient, port) {
  const socket = {
    host: '127.0.0.1',
    port,
    reconnectStrategy: (tries) => (tries < 100 ? 50 : new Error('Redis did not start')),
  };
  const client = createClient({ socket });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** @param {{ missing: string[] }} report - Told what is not there. */
export async function redis(report, directory) {
  const { createClient } = await import('redis').catch(() => ({ createClient: undefined }));
  if (createClient === undefined) return void report.missing.push('the npm package redis');
  const port = await freePort();
  const server = await startServer(directory, port);
  if (server === undefined) return void report.missing.push('redis-server on the PATH');
  return {
    name: 'Redis',
    port,
    isAsync: true,
    async connect() {
      const client = await connected(createClient, port);
      return { client, close: () => client.destroy() };
    },
    async open() {
      const client = await connected(createClient, port);
      return {
        batch: (work) => work(),
        get: (key) => client.hGet('entries', key),
        set: (key, value) => client.hSet('entries', key, value),
        delete: (key) => client.hDel('entries', key),
        setAll: (entries) => {
          const multi = client.multi();
          for (const [key, value] of entries) multi.hSet('entries', key, value);
          return multi.exec();
        },
        getObject: async (key) => JSON.parse(await client.hGet('objects', key)),
        setObject: (key, value) => client.hSet('objects', key, JSON.stringify(value)),
        push: (value) => client.rPush('items', value),
        shift: () => client.lPop('items'),
        async close() {
          client.destroy();
          await ended(server, 'SIGTERM');
        },
      };
    },
  };
}
