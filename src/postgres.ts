export * from './index.js';
export { connect, type ConnectOptions } from './core/connect.js';
export type { PgClient, PgPool, PgQuery, PgResult } from './core/postgres-driver.js';
