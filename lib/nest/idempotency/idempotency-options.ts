/** What IdempotencyModule is configured with, and its check. */
import { ConfigurationError } from '../errors.js';
import { faultsOf, isMilliseconds } from '../option-checks.js';
import type { IdempotencyStore } from './idempotency-store.js';
import { timeChecks } from './idempotent.decorator.js';
import { isStore } from './resolve-store.js';

export interface IdempotencyModuleOptions {
  /** Where keys are remembered: MemoryIdempotencyStore, PostgresIdempotencyStore, or one of your own. */
  store: IdempotencyStore;
  /** Milliseconds that a done message is remembered: longer than it may come again. Default 604 800 000, seven days. */
  keep?: number | undefined;
  /** Milliseconds that a message waits while somebody else works on its like; then it goes back. Default 5 000. */
  wait?: number | undefined;
  /** Milliseconds between two looks for keys that were kept long enough; 0: this process never looks. Default 60 000. */
  forgetInterval?: number | undefined;
}

export const idempotencyDefaults = { keep: 7 * 86_400_000, wait: 5_000, forgetInterval: 60_000 };

/** Throws ConfigurationError with all faults. */
export function checkIdempotencyOptions(options: IdempotencyModuleOptions): void {
  const faults = faultsOf(options, {
    store: (value) => (isStore(value) ? undefined : 'must be a store: it has no method "protect"'),
    ...timeChecks,
    forgetInterval: isMilliseconds,
  });
  if (faults.length === 0 && (options.store as unknown) === undefined) faults.push('option "store" is missing');
  if (faults.length > 0) throw new ConfigurationError('IdempotencyModule', faults.join('; '));
}
