// @ts-check
// Holds a lock until it is told to end, or killed.
import { Lock } from 'holdfast';
import { args, openStore, receive, send } from './child.js';

const [location, name = ''] = args;
const store = await openStore(location);
const grant = await new Lock(store, name).acquire();
send('holds it');
await receive();
await grant.release();
await store.close();
