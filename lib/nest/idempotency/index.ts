export { IdempotencyStoreError, KeyInUseError, MissingMessageIdError } from './errors.js';
export type { IdempotencyModuleOptions } from './idempotency-options.js';
export type { IdempotencyKey, IdempotencyStore, ProtectOptions, ProtectOutcome } from './idempotency-store.js';
export { IdempotencyModule, type IdempotencyOptionsFactory } from './idempotency.module.js';
export { Idempotent, type IdempotentOptions } from './idempotent.decorator.js';
export { MemoryIdempotencyStore, type MemoryIdempotencyStoreOptions } from './memory-idempotency-store.js';
export { PostgresIdempotencyStore, type PostgresIdempotencyStoreOptions } from './postgres-idempotency-store.js';
