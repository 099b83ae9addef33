// @ts-check
// Holds the write lock of a store's database, with a change that is not committed, until it gets a message.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { args, receive, send } from './child.js';

const db = new Database(join(args[0] ?? '', 'holdfast.db'));
db.exec('BEGIN IMMEDIATE');
db.exec("INSERT INTO structures (kind, name) VALUES ('index', 'of the other process')");
send('held');
await receive();
db.exec('ROLLBACK');
db.close();
send('released');
