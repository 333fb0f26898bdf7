/**
 * Which transaction a piece of code works in, over everything that it awaits: an idempotent handler finds that of its store.
 * Two copies of the package in one process share one storage.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

const storageKey = Symbol.for('leveret:current-transaction');

interface Holder {
  readonly transaction: unknown;
}

function storage(): AsyncLocalStorage<Holder> {
  const shared = globalThis as unknown as Record<symbol, AsyncLocalStorage<Holder> | undefined>;
  return (shared[storageKey] ??= new AsyncLocalStorage<Holder>());
}

/** Runs the function, and all that it starts, in the transaction; undefined: in none. */
export function runInTransaction<Result>(transaction: unknown, work: () => Result): Result {
  return storage().run({ transaction }, work);
}

/**
 * The transaction of the idempotent handler that the calling code works for, however deep it was called or awaited: for
 * PostgresIdempotencyStore the client of `pg`, for MemoryIdempotencyStore a MemoryTransaction, for a store of your own
 * whatever that hands out. Undefined outside of such handlers, and with a store that has no transactions. The type is the
 * caller's word.
 */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- as ModuleRef.get
export function currentTransaction<Transaction = unknown>(): Transaction | undefined {
  return storage().getStore()?.transaction as Transaction | undefined;
}
