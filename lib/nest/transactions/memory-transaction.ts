/** A transaction of the memory stores: what was added in it is there once it is committed. */
import { WrongStateError } from '../../amqp/index.js';

export class MemoryTransaction {
  /** Undefined once it ended. */
  #onCommit: (() => void)[] | undefined = [];
  readonly #onEnd: (() => void)[] = [];

  /**
   * Runs the function in a transaction of its own, which is committed when its promise resolves and rolled back when it
   * rejects; resolves or rejects with what it did.
   */
  static async run<Result>(work: (transaction: MemoryTransaction) => Promise<Result>): Promise<Result> {
    const transaction = new MemoryTransaction();
    try {
      const result = await work(transaction);
      for (const action of transaction.#end()) action();
      return result;
    } finally {
      transaction.#end();
      for (const action of transaction.#onEnd) action();
    }
  }

  /** Calls the function when the transaction is committed. Throws WrongStateError once it ended. */
  onCommit(action: () => void): void {
    if (!this.#onCommit) throw new WrongStateError('the transaction has ended');
    this.#onCommit.push(action);
  }

  /** Calls the function when the transaction was committed or rolled back. Throws WrongStateError once it ended. */
  onEnd(action: () => void): void {
    if (!this.#onCommit) throw new WrongStateError('the transaction has ended');
    this.#onEnd.push(action);
  }

  #end(): readonly (() => void)[] {
    const actions = this.#onCommit ?? [];
    this.#onCommit = undefined;
    return actions;
  }
}
