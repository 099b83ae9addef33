import { randomBytes } from 'node:crypto';
import { createServer, connect as connectSocket, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { inject, onTestFinished } from 'vitest';
import { connect } from '../../src/postgres.js';
import type { AsyncStore } from '../../src/index.js';

export { sleep };

export function schemaName(): string {
  const schema = `test_${randomBytes(8).toString('hex')}`;
  onTestFinished(async () => {
    const client = await rawClient();
    await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  });
  return schema;
}

export async function rawClient(): Promise<Client> {
  const client = new Client({ connectionString: inject('postgresUrl') });
  await client.connect();
  client.on('error', () => undefined);
  onTestFinished(() => void client.end());
  return client;
}

export async function connected(
  schema: string,
  url = inject('postgresUrl'),
  connections = 10,
): Promise<AsyncStore> {
  const store = await connect(url, { schema, connections });
  onTestFinished(() => void store.close().catch(() => undefined));
  return store;
}

/** How a promise ends within some time. */
export async function outcome(promise: Promise<unknown>, ms = 5000): Promise<unknown> {
  return Promise.race([
    promise.then(
      (value) => ({ value }),
      (error: unknown) => ({ error: (error as { code?: string }).code ?? String(error) }),
    ),
    sleep(ms, 'pending'),
  ]);
}

export interface Link {
  readonly client: Socket;
  readonly server: Socket;
}

/** A proxy in front of the server; `sees` is asked of all that clients send, and may handle it itself by returning true. */
export async function proxy(sees: (data: Buffer, link: Link) => boolean): Promise<string> {
  const url = new URL(inject('postgresUrl'));
  const links = new Set<Link>();
  const { port, hostname } = url;
  const server = createServer((client) => {
    const link: Link = { client, server: connectSocket(Number(port), hostname) };
    links.add(link);
    client.on('error', () => undefined);
    link.server.on('error', () => undefined);
    client.on('data', (data) => {
      if (!sees(data, link)) link.server.write(data);
    });
    link.server.on('data', (data) => client.write(data));
    client.on('close', () => link.server.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const { client, server: other } of links) {
      client.destroy();
      other.destroy();
    }
    server.close();
  });
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as { port: number }).port);
  return url.href;
}

/** A schema, and a proxy that loses the answer to the first commit of what `marks` says, once it is armed: the server has it, the client loses the connection. */
export async function losing(marks: (text: string) => boolean): Promise<{
  readonly schema: string;
  readonly url: string;
  readonly lost: () => number;
  arm(): void;
}> {
  const schema = schemaName();
  const marked = new Set<Link>();
  let armed = false;
  let lost = 0;
  const url = await proxy((data, link) => {
    const text = data.toString('latin1');
    if (armed && marks(text)) marked.add(link);
    if (lost > 0 || !marked.has(link) || !text.includes('COMMIT')) return false;
    lost++;
    link.server.write(data);
    link.server.pause();
    setTimeout(() => link.client.destroy(), 100);
    return true;
  });
  return { schema, url, lost: () => lost, arm: () => void (armed = true) };
}
