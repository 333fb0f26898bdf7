export { currentTransaction } from './current-transaction.js';
export { MemoryTransaction } from './memory-transaction.js';
export type { PostgresClient, PostgresExecutor, PostgresPool } from './postgres.js';
export { Transaction } from './transaction.decorator.js';
