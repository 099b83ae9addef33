// @ts-check
// Says what it finds of a lock and a limit, in words of its own: it is not started by `startProcess`, but by a program that fakes its clock.
import { Lock, Throttle } from 'holdfast';
import { args, openStore } from './child.js';

const store = await openStore(args[0]);
const grant = await new Lock(store, 'it', { lease: '30m' }).tryAcquire();
const { allowed, retryAfter } = await new Throttle(store, 'it', { limit: 3, per: '1h' }).take();
await grant?.release();
await store.close();
process.stdout.write(JSON.stringify({ now: Date.now(), isFree: grant !== undefined, allowed, retryAfter }));
