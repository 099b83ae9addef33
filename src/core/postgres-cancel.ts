import { connect } from 'node:net';
import type { PgClient } from './postgres-driver.js';

/** See https://www.postgresql.org/docs/current/protocol-message-formats.html, CancelRequest. */
const cancelRequest = 80_877_102;
const requestBytes = 16;

/** What a client of `pg` knows of its session. */
interface Backend {
  readonly host: string;
  readonly port: number;
  readonly id: number;
  readonly key: number;
}

function backendOf(client: PgClient): Backend | undefined {
  if (!('host' in client && 'port' in client && 'processID' in client && 'secretKey' in client))
    return undefined;
  const { host, port, processID: id, secretKey: key } = client;
  if (typeof host !== 'string' || typeof port !== 'number') return undefined;
  return typeof id === 'number' && typeof key === 'number' ? { host, port, id, key } : undefined;
}

/**
 * Asks the server to cancel what a client waits for; resolves when the server has heard, or can't. Not by `pg_cancel_backend`: that takes a connection more, and the number of the
 * session, which a pooler between makes up. Needs no encryption: the key is good for this alone.
 */
export async function cancel(client: PgClient): Promise<void> {
  const backend = backendOf(client);
  if (backend === undefined) return;
  const { host, port, id, key } = backend;
  const request = Buffer.alloc(requestBytes);
  for (const [i, value] of [requestBytes, cancelRequest, id, key].entries())
    request.writeInt32BE(value, i * 4);
  const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect({ host, port });
  await new Promise<void>((resolve) => {
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    socket.resume().end(request);
    // The caller does not wait for longer either.
    socket.unref();
  });
}
