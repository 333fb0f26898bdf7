export { OutboxStoreError } from './errors.js';
export { MemoryOutboxStore, type MemoryOutboxStoreOptions } from './memory-outbox-store.js';
export type { OutboxModuleOptions, RelayOptions } from './outbox-options.js';
export type {
  FailedMessage,
  OutboxCounts,
  OutboxMessage,
  OutboxStore,
  RelayPublish,
  RelayVerdict,
  StoredMessage,
} from './outbox-store.js';
export { OutboxModule, type OutboxOptionsFactory } from './outbox.module.js';
export { Outbox, type OutboxEntry } from './outbox.js';
export { PostgresOutboxStore, type PostgresOutboxStoreOptions } from './postgres-outbox-store.js';
