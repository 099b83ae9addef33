// Redis over loopback, one awaited command for each operation.
import { connected } from '../redis.js';

export async function openCache({ port }) {
  const { createClient } = await import('redis');
  const client = await connected(createClient, port);
  return {
    isAsync: true,
    get: (key) => client.get(key),
    set: (key, value) => client.set(key, value),
    setFor: (key, value, ttl) => client.set(key, value, { PX: ttl }),
    delete: (key) => client.del(key),
    getMany: (keys) => client.mGet(keys),
    setMany: (entries) => client.mSet(entries),
    add: (key, value) => client.set(key, value, { NX: true }),
    touch: (key, ttl) => client.pExpire(key, ttl),
    increment: (key) => client.incr(key),
    fill: (entries) => client.mSet(entries),
    close: () => client.destroy(),
  };
}
