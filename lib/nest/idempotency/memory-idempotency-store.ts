/** Keys in this process's memory: for tests, and for handlers that one process serves and whose repeats come soon. */
import { ConfigurationError } from '../errors.js';
import { faultsOf, isWhole } from '../option-checks.js';
import { MemoryTransaction } from '../transactions/memory-transaction.js';
import { IdempotencyStoreError } from './errors.js';
import type { IdempotencyKey, IdempotencyStore, ProtectOptions, ProtectOutcome } from './idempotency-store.js';

const defaults = { maxKeys: 100_000, lease: 60_000 };

export interface MemoryIdempotencyStoreOptions {
  /**
   * Keys that are remembered. Past that those are forgotten that were done first, before their time; where all are in use,
   * further messages fail with an IdempotencyStoreError. Default 100 000.
   */
  maxKeys?: number | undefined;
  /**
   * Milliseconds for which a handler that nobody waits for any more, as its `timeout` passed, keeps its key: after them its
   * message is handled again, and what it does is not committed. Default 60 000.
   */
  lease?: number | undefined;
}

/** What is known of a key. */
interface Entry {
  /** When it is forgotten; undefined: its handler runs. */
  end: number | undefined;
  /** Of the handler that runs, or ran. */
  readonly options: Partial<ProtectOptions>;
  /** When it was first seen that nobody waits for that handler. */
  abandonedAt: number | undefined;
}

/**
 * Keeps keys in memory: another process, or this one after a restart, knows nothing of them. A key is in use for as long as its
 * handler runs, but for one that hangs. Times are of the monotonic clock: a clock that is set changes nothing. The handler's transaction is a
 * MemoryTransaction, for MemoryOutboxStore.
 */
export class MemoryIdempotencyStore implements IdempotencyStore<MemoryTransaction> {
  readonly #maxKeys: number;
  readonly #lease: number;
  /** Those that were done first stand first. */
  readonly #keys = new Map<string, Entry>();
  #inUse = 0;

  /** Throws ConfigurationError for options that are unknown or wrong. */
  constructor(options: MemoryIdempotencyStoreOptions = {}) {
    const faults = faultsOf(options, { maxKeys: isWhole(1, 10_000_000), lease: isWhole(1, 86_400_000) });
    if (faults.length > 0) throw new ConfigurationError('MemoryIdempotencyStore', faults.join('; '));
    this.#maxKeys = options.maxKeys ?? defaults.maxKeys;
    this.#lease = options.lease ?? defaults.lease;
  }

  /** Keys that are remembered or in use. */
  get size(): number {
    return this.#keys.size;
  }

  async protect(
    { scope, key }: IdempotencyKey,
    work: (transaction: MemoryTransaction) => Promise<void>,
    options: Pick<ProtectOptions, 'keep'> & Partial<ProtectOptions>,
  ): Promise<ProtectOutcome> {
    const name = JSON.stringify([scope, key]);
    const known = this.#keys.get(name);
    if (known) {
      if (known.end === undefined) {
        if (!this.#isGivenUp(known)) return 'in-use';
        this.#inUse -= 1;
      } else if (known.end > performance.now()) return 'repeated';
      this.#keys.delete(name);
    }
    this.#makeRoom();
    const entry: Entry = { end: undefined, options, abandonedAt: undefined };
    this.#keys.set(name, entry);
    this.#inUse += 1;
    const isMine = (): boolean => this.#keys.get(name) === entry;
    try {
      await MemoryTransaction.run(async (transaction) => {
        await work(transaction);
        if (!isMine()) throw new IdempotencyStoreError('the handler hung, and its message was handled again meanwhile');
      });
      entry.end = performance.now() + options.keep;
    } finally {
      if (isMine()) {
        this.#inUse -= 1;
        this.#keys.delete(name);
        // Put in anew, it is the last to be forgotten.
        if (entry.end !== undefined) this.#keys.set(name, entry);
      }
    }
    return 'done';
  }

  forgetOld(limit: number): Promise<number> {
    const now = performance.now();
    let forgotten = 0;
    for (const [name, { end }] of this.#keys) {
      if (forgotten >= limit) break;
      if (end === undefined || end > now) continue;
      this.#keys.delete(name);
      forgotten += 1;
    }
    return Promise.resolve(forgotten);
  }

  /** Its signal is looked at only here: each that is asked for costs its message. */
  #isGivenUp(entry: Entry): boolean {
    if (entry.options.signal?.aborted !== true) return false;
    entry.abandonedAt ??= performance.now();
    return entry.abandonedAt + this.#lease <= performance.now();
  }

  #makeRoom(): void {
    if (this.#keys.size < this.#maxKeys) return;
    if (this.#inUse >= this.#maxKeys) {
      throw new IdempotencyStoreError(`all of its ${String(this.#maxKeys)} keys are in use`);
    }
    for (const [name, { end }] of this.#keys) {
      if (end === undefined) continue;
      this.#keys.delete(name);
      return;
    }
  }
}
