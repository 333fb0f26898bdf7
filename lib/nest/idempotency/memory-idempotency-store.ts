/** Keys in this process's memory: for tests, and for handlers that one process serves and whose repeats come soon. */
import { ConfigurationError } from '../errors.js';
import { faultsOf, isWhole } from '../option-checks.js';
import { MemoryTransaction } from '../transactions/memory-transaction.js';
import { IdempotencyStoreError } from './errors.js';
import type { IdempotencyKey, IdempotencyStore, ProtectOptions, ProtectOutcome } from './idempotency-store.js';

const defaultMaxKeys = 100_000;

export interface MemoryIdempotencyStoreOptions {
  /**
   * Keys that are remembered. Past that those are forgotten that were done first, before their time; where all are in use,
   * further messages fail with an IdempotencyStoreError. Default 100 000.
   */
  maxKeys?: number | undefined;
}

/**
 * Keeps keys in memory: another process, or this one after a restart, knows nothing of them. A key is in use for as long as its
 * handler runs. Times are of the monotonic clock: a clock that is set changes nothing. The handler's transaction is a
 * MemoryTransaction, for MemoryOutboxStore.
 */
export class MemoryIdempotencyStore implements IdempotencyStore<MemoryTransaction> {
  readonly #maxKeys: number;
  /** When a done key is forgotten; undefined: in use. Those that were done first stand first. */
  readonly #keys = new Map<string, number | undefined>();
  #inUse = 0;

  /** Throws ConfigurationError for options that are unknown or wrong. */
  constructor(options: MemoryIdempotencyStoreOptions = {}) {
    const faults = faultsOf(options, { maxKeys: isWhole(1, 10_000_000) });
    if (faults.length > 0) throw new ConfigurationError('MemoryIdempotencyStore', faults.join('; '));
    this.#maxKeys = options.maxKeys ?? defaultMaxKeys;
  }

  /** Keys that are remembered or in use. */
  get size(): number {
    return this.#keys.size;
  }

  async protect(
    { scope, key }: IdempotencyKey,
    work: (transaction: MemoryTransaction) => Promise<void>,
    { keep }: Pick<ProtectOptions, 'keep'>,
  ): Promise<ProtectOutcome> {
    const name = JSON.stringify([scope, key]);
    if (this.#keys.has(name)) {
      const end = this.#keys.get(name);
      if (end === undefined) return 'in-use';
      if (end > performance.now()) return 'repeated';
      this.#keys.delete(name);
    }
    this.#makeRoom();
    this.#keys.set(name, undefined);
    this.#inUse += 1;
    let isDone = false;
    try {
      await MemoryTransaction.run(work);
      isDone = true;
    } finally {
      this.#inUse -= 1;
      this.#keys.delete(name);
      // Put in anew, it is the last to be forgotten.
      if (isDone) this.#keys.set(name, performance.now() + keep);
    }
    return 'done';
  }

  forgetOld(limit: number): Promise<number> {
    const now = performance.now();
    let forgotten = 0;
    for (const [name, end] of this.#keys) {
      if (forgotten >= limit) break;
      if (end === undefined || end > now) continue;
      this.#keys.delete(name);
      forgotten += 1;
    }
    return Promise.resolve(forgotten);
  }

  #makeRoom(): void {
    if (this.#keys.size < this.#maxKeys) return;
    if (this.#inUse >= this.#maxKeys) {
      throw new IdempotencyStoreError(`all of its ${String(this.#maxKeys)} keys are in use`);
    }
    for (const [name, end] of this.#keys) {
      if (end === undefined) continue;
      this.#keys.delete(name);
      return;
    }
  }
}
