/**
 * The transactions of a channel (tx.select, tx.commit, tx.rollback), over its lives.
 *
 * A broker forgets an open transaction with its channel, and a message that could not be sent was never in it. A commit
 * would commit the rest alone, so it rolls that back and says that the transaction is lost.
 */
import type { ChannelLife } from '../channel/index.js';
import {
  ChannelClosedByBrokerError,
  ChannelError,
  TransactionLostError,
  WrongStateError,
  type AmqpError,
} from '../errors.js';

/** What transactions need of their channel. */
export interface TransactionalChannel {
  readonly settings: { readonly isConfirming: boolean; isTransactional: boolean };
  onLife<Result>(step: string, action: (life: ChannelLife) => Promise<Result>): Promise<Result>;
  onLifeOnce<Result>(step: string, action: (life: ChannelLife) => Promise<Result>): Promise<Result>;
}

export class Transactions {
  readonly #channel: TransactionalChannel;
  /** Why a part of the present transaction is not in it. */
  #loss: Error | undefined;

  constructor(channel: TransactionalChannel) {
    this.#channel = channel;
  }

  /** A life of the channel is over. */
  noteEnd(life: ChannelLife, cause: AmqpError): void {
    if (life.hasWork) this.noteLoss(cause);
  }

  /** A settlement came too late to be a part of it. */
  noteStale(): void {
    this.noteLoss(new ChannelError('a delivery of an earlier life of the channel was settled in it'));
  }

  /** A message could not be sent, or is lost. */
  noteLoss(cause: Error): void {
    if (this.#channel.settings.isTransactional) this.#loss ??= cause;
  }

  /** tx.select */
  async select(): Promise<void> {
    const { settings } = this.#channel;
    if (settings.isConfirming) throw new WrongStateError('txSelect: the channel has confirms');
    await this.#channel.onLife('tx.select', (life) => life.selectTransactions());
    settings.isTransactional = true;
  }

  /** tx.commit, never made twice: the second would be another transaction's. */
  async commit(): Promise<void> {
    this.#requireSelected('txCommit');
    await this.#channel.onLifeOnce('tx.commit', async (life) => {
      const loss = this.#takeLoss();
      try {
        await (loss ? life.rollBack() : life.commit());
      } catch (error) {
        if (!life.endedBy) throw error;
        // What the broker refused it did not do; an answer that never came says nothing.
        const isRefused = life.endedBy instanceof ChannelClosedByBrokerError;
        if (!loss) throw new TransactionLostError(!isRefused, life.endedBy);
      }
      if (loss) throw new TransactionLostError(false, loss);
    });
  }

  /** tx.rollback */
  async rollback(): Promise<void> {
    this.#requireSelected('txRollback');
    await this.#channel.onLifeOnce('tx.rollback', async (life) => {
      this.#takeLoss();
      try {
        await life.rollBack();
      } catch (error) {
        // A transaction that went with its life is rolled back.
        if (!life.endedBy) throw error;
      }
    });
  }

  #requireSelected(method: string): void {
    if (this.#channel.settings.isTransactional) return;
    throw new WrongStateError(`${method}: the channel has no transactions; call txSelect() first`);
  }

  #takeLoss(): Error | undefined {
    const loss = this.#loss;
    this.#loss = undefined;
    return loss;
  }
}
