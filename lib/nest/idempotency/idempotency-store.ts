/** Where idempotent handlers remember which messages they are done with. */

/** What is remembered: a message of a handler. */
export interface IdempotencyKey {
  /** The handler: `Class.method` unless its decorator says otherwise. */
  readonly scope: string;
  /** The message: at most 255 bytes, without NUL characters, whatever its id was. */
  readonly key: string;
}

export interface ProtectOptions {
  /** Milliseconds that the key is to be remembered once it is done. */
  readonly keep: number;
  /**
   * Aborts when nobody waits for the handler any more, as its time-out passed or the application closes. A store that can
   * take back what the handler did does so at once, and rejects with its reason. To be asked for only where it is used.
   */
  readonly signal: AbortSignal;
}

/**
 * - `done`: the work was run, and the key is remembered.
 * - `repeated`: the key was done before. The work was not run.
 * - `in-use`: somebody else works on it. The work was not run.
 */
export type ProtectOutcome = 'done' | 'repeated' | 'in-use';

/**
 * A store of your own for `IdempotencyModule`. What it must hold to:
 *
 * - Of all that call `protect` with one key at a time, in all processes, it runs the work of one.
 * - Where the work rejects, the key is free again, and `protect` rejects with the same error.
 * - Once `protect` resolved with `done`, the key is done for `keep` milliseconds.
 * - Where it cannot do that, it rejects, in bounded time, with an error of its own (best an IdempotencyStoreError). It never runs
 *   the work without having claimed the key.
 */
export interface IdempotencyStore<Transaction = unknown> {
  /**
   * Runs the work unless the key is done or in use. `transaction` is what the handler is given for its own writes: what
   * commits together with the key; undefined where the store has no transactions. It does not wait for a key that is in use.
   */
  protect(
    key: IdempotencyKey,
    work: (transaction: Transaction) => Promise<void>,
    options: ProtectOptions,
  ): Promise<ProtectOutcome>;

  /**
   * Forgets at most `limit` keys that were kept long enough; resolves with how many it was. Called now and then. Without it
   * the store forgets by itself.
   */
  forgetOld?(limit: number): Promise<number>;
}
