/**
 * The transactions of a channel (tx.select, tx.commit, tx.rollback), over its lives.
 *
 * A broker forgets an open transaction with its channel. A commit in the next life would commit the rest alone, so it
 * rolls that back and says that the transaction is lost.
 */
import type { ChannelLife } from '../channel/index.js';
import { ChannelClosedByBrokerError, TransactionLostError, WrongStateError, type AmqpError } from '../errors.js';

/** What transactions need of their channel. */
export interface TransactionalChannel {
  readonly settings: { readonly isConfirming: boolean; isTransactional: boolean };
  onLife<Result>(step: string, action: (life: ChannelLife) => Promise<Result>): Promise<Result>;
  whenTurn(step: string): Promise<ChannelLife>;
}

export class Transactions {
  readonly #channel: TransactionalChannel;
  /** What ended the life in which the present transaction had begun to do something. */
  #loss: AmqpError | undefined;

  constructor(channel: TransactionalChannel) {
    this.#channel = channel;
  }

  /** A life of the channel is over. */
  noteEnd(life: ChannelLife, cause: AmqpError): void {
    if (this.#channel.settings.isTransactional && life.hasWork) this.#loss ??= cause;
  }

  /** tx.select */
  async select(): Promise<void> {
    const { settings } = this.#channel;
    if (settings.isConfirming) throw new WrongStateError('txSelect: the channel has confirms');
    await this.#channel.onLife('tx.select', async (life) => {
      await life.call('tx.select', {});
      if (!settings.isTransactional) life.hasWork = false;
    });
    settings.isTransactional = true;
  }

  /** Never made twice: the second would be another transaction's. */
  async commit(): Promise<void> {
    const { life, loss } = await this.#take('tx.commit');
    try {
      await life.call(loss ? 'tx.rollback' : 'tx.commit', {});
    } catch (error) {
      if (!loss && life.endedBy) {
        // What the broker refused it did not do; an answer that never came says nothing.
        const isRefused = life.endedBy instanceof ChannelClosedByBrokerError;
        throw new TransactionLostError(!isRefused, life.endedBy);
      }
      if (!life.endedBy) throw error;
    }
    if (loss) throw new TransactionLostError(false, loss);
  }

  async rollback(): Promise<void> {
    const { life } = await this.#take('tx.rollback');
    try {
      await life.call('tx.rollback', {});
    } catch (error) {
      // A transaction that went with its life is rolled back.
      if (!life.endedBy) throw error;
    }
  }

  /** The present transaction, which is over by this; the next begins. */
  async #take(method: 'tx.commit' | 'tx.rollback'): Promise<{ life: ChannelLife; loss: AmqpError | undefined }> {
    if (!this.#channel.settings.isTransactional) {
      throw new WrongStateError(`${method}: the channel has no transactions; call txSelect() first`);
    }
    const life = await this.#channel.whenTurn(method);
    const loss = this.#loss;
    this.#loss = undefined;
    life.hasWork = false;
    return { life, loss };
  }
}
