/** What OutboxModule is configured with, and its check. */
import { ConfigurationError } from '../errors.js';
import {
  faultsOf,
  isBoolean,
  isFilledName,
  isMilliseconds,
  isOneOf,
  isRecord,
  isWhole,
  type Check,
} from '../option-checks.js';
import type { OutboxStore } from './outbox-store.js';

/** How the relay of a process publishes what is in the store. */
export interface RelayOptions {
  /** Milliseconds between two looks into the store, where nothing wakes it. Default 1 000. */
  interval?: number | undefined;
  /** Messages of a round. Default 200. */
  batch?: number | undefined;
  /** Milliseconds that the broker has to confirm a message. Default 10 000. */
  publishTimeout?: number | undefined;
  /** How often a message that the broker refuses is tried until it is set aside. Default 10. */
  attempts?: number | undefined;
  /** Milliseconds before the first retry; each further one waits twice as long. Default 1 000. */
  initialDelay?: number | undefined;
  /** The longest wait before a retry, in milliseconds. Default 60 000. */
  maxDelay?: number | undefined;
  /**
   * What becomes of the later messages of a key one of whose messages was set aside: they go on (`skip`, the default), or wait
   * until somebody calls `retry` or `discard` (`block`).
   */
  onFailure?: 'skip' | 'block' | undefined;
  /** Milliseconds that it goes on at the end of the application, where there is something to publish. Default 5 000. */
  drainTimeout?: number | undefined;
}

export interface OutboxModuleOptions {
  /** Where messages wait: MemoryOutboxStore, PostgresOutboxStore, or one of your own. */
  store: OutboxStore<never>;
  /** Name of the connection that the relay publishes over. Default `default`. */
  connection?: string | undefined;
  /** False: this process only adds; the relay of another one publishes. Default: a relay with its defaults. */
  relay?: boolean | RelayOptions | undefined;
}

export const relayDefaults = {
  interval: 1_000,
  batch: 200,
  publishTimeout: 10_000,
  attempts: 10,
  initialDelay: 1_000,
  maxDelay: 60_000,
  onFailure: 'skip',
  drainTimeout: 5_000,
} as const;

const atLeast =
  (minimum: number): Check =>
  (value) =>
    typeof value === 'number' && value < minimum ? `must be at least ${String(minimum)}` : isMilliseconds(value);

const relayChecks: Readonly<Record<keyof RelayOptions, Check>> = {
  interval: atLeast(10),
  batch: isWhole(1, 10_000),
  // A round must be over before PostgreSQL takes its relay for gone.
  publishTimeout: isWhole(1, 30_000),
  attempts: isWhole(1, 1_000_000),
  initialDelay: atLeast(1),
  maxDelay: atLeast(1),
  onFailure: isOneOf('skip', 'block'),
  drainTimeout: isMilliseconds,
};

const storeMethods = ['add', 'relay', 'failed', 'retry', 'discard', 'count'] as const;

const isOutboxStore: Check = (value) => {
  const missing = storeMethods.find((name) => typeof (value as Partial<OutboxStore> | null)?.[name] !== 'function');
  return missing === undefined ? undefined : `must be a store: it has no method "${missing}"`;
};

/** Throws ConfigurationError with all faults. */
export function checkOutboxOptions(options: OutboxModuleOptions): void {
  const isRelay: Check = (value) => (isRecord(value) ? faultsOf(value, relayChecks, 'relay.')[0] : isBoolean(value));
  const faults = faultsOf(options, { store: isOutboxStore, connection: isFilledName, relay: isRelay });
  if (faults.length === 0 && (options.store as unknown) === undefined) faults.push('option "store" is missing');
  if (faults.length > 0) throw new ConfigurationError('OutboxModule', faults.join('; '));
}
