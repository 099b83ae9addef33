// @ts-check
// Holds what has a lease, and listens to its signal; then has nothing to do, and is to end by itself.
import { Lock } from 'holdfast';
import { args, openStore, send } from './child.js';

const [location] = args;
const store = await openStore(location);
const grant = await new Lock(store, 'it', { lease: '30s' }).acquire();
grant.signal.addEventListener('abort', () => {});
send({ aborted: grant.signal.aborted });
