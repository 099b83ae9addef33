// @ts-check
// An HTTP server whose requests express-rate-limit counts in the store; says where it listens, and ends when told to.
import { once } from 'node:events';
import express from 'express';
import { rateLimit } from 'express-rate-limit';
import { HoldfastStore } from 'holdfast/express-rate-limit';
import { args, openStore, receive, send } from './child.js';

const [location, windowMs] = args;
const store = await openStore(location);
const app = express();
app.use(
  rateLimit({
    windowMs: Number(windowMs),
    limit: 5,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    store: new HoldfastStore(store, { prefix: 'web' }),
  }),
);
app.get('/', (_, response) => {
  response.send('served');
});
const server = app.listen(0, '127.0.0.1');
await once(server, 'listening');
const address = server.address();
send(typeof address === 'object' && address !== null ? address.port : undefined);
await receive();
server.closeAllConnections();
server.close();
await store.close();
