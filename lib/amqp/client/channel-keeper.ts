/**
 * Keeps a user's channel alive over its lives: its settings and the publishes that wait. Its consumers are ConsumerKeeper's.
 *
 *   waiting --restored--> open --channel or connection lost--> waiting      any --close, give up--> ended
 *
 * A channel that the broker closed is reopened here, alone; after a lost connection its owner calls `restore`.
 */
import { ChannelLife, type ReturnedMessage, type SettlementKind, type SettlementResult } from '../channel/index.js';
import { ordinaryClose, type CloseReason, type ConnectionLife } from '../connection/index.js';
import { asAmqpError, ChannelClosedError, TimeoutError, WrongStateError, type AmqpError } from '../errors.js';
import { backOffDelay, isBlamedOn, isWorthRecovery, wait, type BrokenEntity } from '../recovery/index.js';
import { isNamedIn } from './blame.js';
import type { Consumer } from './consumer.js';
import {
  ConsumerKeeper,
  type ConsumerHost,
  type ConsumerKeeperListener,
  type ConsumersChannel,
  type RestoringCall,
} from './consumer-keeper.js';
import { LifeWaiters } from './life-waiters.js';
import type { PendingPublish } from './pending-publish.js';
import { PublishFlow } from './publish-flow.js';
import { Transactions } from './transactions.js';
import { WaitingCall } from './waiting-line.js';

export interface ChannelSettings {
  /** Default prefetch of each consumer; 0 is without limit. */
  prefetch: number;
  /** Limit over all consumers of the channel (basic.qos global); undefined: none was set. */
  globalPrefetch: number | undefined;
  isConfirming: boolean;
  isTransactional: boolean;
  /** Publishes whose outcome a loss made unknown are sent again. */
  readonly isReplaying: boolean;
}

/** What a channel needs of its connection. */
export interface ChannelHost extends ConsumerHost {
  /** The present life, while it is open and restored. */
  readonly life: ConnectionLife | undefined;
  /** Makes a delete or an unbind, when nothing is being declared again that it might cross. */
  removal<Result>(action: () => Promise<Result>): Promise<Result>;
  /** Makes a declare of a queue, which a cancel that comes behind it takes for made. */
  declaration<Result>(queue: string, action: () => Promise<Result>): Promise<Result>;
  forget(keeper: ChannelKeeper): void;
  /** We deleted a queue: the consumers of all channels forget it. */
  forgetConsumers(queue: string): void;
}

export interface ChannelKeeperListener extends ConsumerKeeperListener {
  onLost(cause: AmqpError): void;
  onRecovered(consumers: number, broken: readonly BrokenEntity[]): void;
  onReturn(message: ReturnedMessage): void;
  onCallbackError(error: Error): void;
  onEnd(cause: AmqpError): void;
}

/** A call that was under way at so many losses in a row may well be their cause, and is not made again. */
const lossLimit = 3;
/** A channel that stayed open for this long has recovered for good: the next loss starts with a short delay. */
const stableTime = 10_000;

export class ChannelKeeper implements ConsumersChannel {
  readonly settings: ChannelSettings;
  readonly consumers: ConsumerKeeper;
  readonly flow: PublishFlow;
  readonly transactions = new Transactions(this);
  readonly #host: ChannelHost;
  readonly #listener: ChannelKeeperListener;
  #life: ChannelLife | undefined;
  /** The last tag that users saw in lives that are over. */
  #tagOffset = 0;
  /** A life that is being given its consumers. */
  #restoringLife: ChannelLife | undefined;
  #end: AmqpError | undefined;
  readonly #waiters = new LifeWaiters();
  #reopenings = 0;
  #openedAt = 0;

  constructor(host: ChannelHost, settings: ChannelSettings, listener: ChannelKeeperListener) {
    this.#host = host;
    this.settings = settings;
    this.#listener = listener;
    this.consumers = new ConsumerKeeper(this, host, listener);
    this.flow = new PublishFlow(host.parameters, settings.isReplaying, (queue) => host.currentName(queue));
  }

  /** The present life, while it is open and restored. */
  get life(): ChannelLife | undefined {
    return this.#life;
  }

  /** The same, or the one that is being given its consumers. */
  get lifeAtHand(): ChannelLife | undefined {
    return this.#life ?? this.#restoringLife;
  }

  get endedBy(): AmqpError | undefined {
    return this.#end;
  }

  /** We deleted a queue: no channel's consumers come back to it. */
  forgetConsumers(queue: string): void {
    this.#host.forgetConsumers(queue);
  }

  /** Makes a delete or an unbind. */
  removal<Result>(action: () => Promise<Result>): Promise<Result> {
    return this.#host.removal(action);
  }

  /** Makes a declare of a queue. */
  declaration<Result>(queue: string, action: () => Promise<Result>): Promise<Result> {
    return this.#host.declaration(queue, action);
  }

  async exists(kind: 'queue' | 'exchange', name: string): Promise<boolean> {
    await this.whenOpen(`looking for ${kind} "${name}"`);
    return this.#host.exists(kind, name);
  }

  /** The present life, or the next one; rejects with TimeoutError after methodTimeout, or with what ended us. */
  whenOpen(step: string): Promise<ChannelLife> {
    if (this.#life) return Promise.resolve(this.#life);
    if (this.#end) return Promise.reject(this.#end);
    return this.#waiters.add(step, this.#host.parameters.methodTimeout);
  }

  /**
   * Does something that may be done twice (a declare, a bind, a consume) in the present life; where the connection is
   * lost meanwhile, again in the next one, for at most methodTimeout. What the broker closed the connection for (an
   * unknown exchange type, 503 on RabbitMQ 3.10) is not done again.
   */
  async onLife<Result>(step: string, action: (life: ChannelLife) => Promise<Result>): Promise<Result> {
    const { methodTimeout, recovery } = this.#host.parameters;
    const deadline = performance.now() + methodTimeout;
    const order = this.flow.takeOrder();
    for (let losses = 1; ; losses++) {
      let used: ChannelLife | undefined;
      try {
        return await this.#inTurn(step, order, deadline, (life) => {
          used = life;
          return action(life);
        });
      } catch (error) {
        const endedBy = used?.connection.endedBy;
        const isWorthRepeating = endedBy && !isBlamedOn(endedBy, step) && !this.#end && recovery !== false;
        if (!isWorthRepeating || losses >= lossLimit || performance.now() >= deadline) throw error;
      }
    }
  }

  /** As `onLife`, for what must not be done twice. */
  async onLifeOnce<Result>(step: string, action: (life: ChannelLife) => Promise<Result>): Promise<Result> {
    const deadline = performance.now() + this.#host.parameters.methodTimeout;
    return this.#inTurn(step, this.flow.takeOrder(), deadline, action);
  }

  /**
   * Does something in its turn: at once, in this very call, where the channel is open and nothing waits; else behind
   * what was asked for before it. On the wire the order is the user's.
   */
  #inTurn<Result>(
    step: string,
    order: number,
    deadline: number,
    action: (life: ChannelLife) => Promise<Result>,
  ): Promise<Result> {
    if (this.#end) return Promise.reject(this.#end);
    const life = this.#life;
    if (life?.isOpen === true && !life.committing.isClosed && !this.flow.isWaiting) return action(life);
    return new Promise<Result>((resolve, reject) => {
      const call = new WaitingCall(
        order,
        (life) => {
          clearTimeout(timer);
          action(life).then(resolve, reject);
        },
        (error) => {
          clearTimeout(timer);
          reject(error);
        },
      );
      const timer = setTimeout(
        () => {
          call.isSettled = true;
          const what = this.#life ? 'behind publishes that the broker does not take' : 'for the channel to recover';
          reject(new TimeoutError(`${step}, waiting ${what}`, this.#host.parameters.methodTimeout));
        },
        Math.max(0, deadline - performance.now()),
      );
      this.flow.addCall(call);
    });
  }

  // --- lives --------------------------------------------------------------------------------------

  /**
   * Opens the channel in a life of the connection and gives it its settings and, when `ready` resolves, its consumers. A
   * consumer that the broker refuses is left out, and tried again later. Rejects when the connection ends meanwhile.
   */
  async restore(connection: ConnectionLife, ready: Promise<unknown> = Promise.resolve()): Promise<void> {
    const before = this.consumers.beginRestoring();
    for (;;) {
      if (this.#hasEnded()) return;
      const life = await this.#openLife(connection);
      this.#restoringLife = life;
      await ready;
      const failure = await this.#settle(life);
      this.#restoringLife = undefined;
      if (this.#hasEnded()) {
        await life.close();
        return;
      }
      if (!failure) {
        if (life.endedBy) continue;
        this.#begin(life);
        this.consumers.endRestoring(before);
        return;
      }
      if (connection.endedBy) throw connection.endedBy;
      if (!failure.consumer) throw failure.error;
      this.consumers.noteRefused(failure.consumer, failure.error);
      if (!life.endedBy) await life.close();
    }
  }

  #hasEnded(): boolean {
    return this.#end !== undefined;
  }

  async #openLife(connection: ConnectionLife): Promise<ChannelLife> {
    const life = await ChannelLife.open(connection, this.#tagOffset);
    life.listen({
      onReturn: (message) => {
        this.#listener.onReturn(message);
      },
      onConsumerCancelled: (consumerTag) => {
        this.consumers.onCancelled(consumerTag);
      },
      onConsumerUnfit: (consumerTag, error) => {
        this.consumers.onUnfit(consumerTag, error);
      },
      onCallbackError: (error) => {
        this.#listener.onCallbackError(error);
      },
      onStaleSettlement: () => {
        this.transactions.noteStale();
      },
      onEnd: (error) => {
        this.#tagOffset = Math.max(this.#tagOffset, life.settlements.lastTag);
        this.transactions.noteEnd(life, error);
        if (life === this.#life) this.#onLifeEnd(life, error);
      },
    });
    return life;
  }

  /** Sends settings and consumers, pipelined; answers the first that was refused. */
  async #settle(life: ChannelLife): Promise<{ consumer: Consumer | undefined; error: AmqpError } | undefined> {
    const { settings } = this;
    const calls: RestoringCall[] = [];
    if (settings.isConfirming) calls.push({ consumer: undefined, done: life.selectConfirms() });
    if (settings.isTransactional) calls.push({ consumer: undefined, done: life.selectTransactions() });
    if (settings.globalPrefetch !== undefined) {
      const fields = { prefetchSize: 0, prefetchCount: settings.globalPrefetch, global: true };
      calls.push({ consumer: undefined, done: life.call('basic.qos', fields) });
    }
    calls.push(...this.consumers.restoreOn(life));
    const results = await Promise.allSettled(calls.map(({ done }) => done));
    const refused = calls.flatMap(({ consumer }, index) => {
      const result = results[index];
      return result?.status === 'rejected' ? [{ consumer, error: asAmqpError(result.reason) }] : [];
    });
    // The first whose answer is missing, unless the broker names another queue: consume-ok comes out of order.
    return refused.find(({ consumer, error }) => consumer && isNamedIn(error, consumer.queue)) ?? refused[0];
  }

  #begin(life: ChannelLife): void {
    this.#life = life;
    this.#openedAt = performance.now();
    this.#waiters.resolve(life);
    this.flow.begin(life);
  }

  #onLifeEnd(life: ChannelLife, cause: AmqpError): void {
    this.#life = undefined;
    this.consumers.pause();
    if (this.#end) return;
    this.flow.pause();
    if (!life.connection.isOpen) return;
    const { recovery } = this.#host.parameters;
    if (recovery === false || !isWorthRecovery(recovery, cause)) {
      this.end(cause);
      return;
    }
    this.#listener.onLost(cause);
    void this.#reopen(life.connection);
  }

  async #reopen(connection: ConnectionLife): Promise<void> {
    const { recovery } = this.#host.parameters;
    if (recovery === false) return;
    if (performance.now() - this.#openedAt > stableTime) this.#reopenings = 0;
    const isWanted = (): boolean => !this.#end && !this.#life && connection.isOpen;
    while (isWanted()) {
      // The first time at once: one refused declare must not delay a channel's consumers.
      if (this.#reopenings > 0) await wait(backOffDelay(this.#reopenings, recovery));
      this.#reopenings += 1;
      if (!isWanted()) return;
      try {
        await this.restore(connection);
        this.#listener.onRecovered(this.consumers.working, this.consumers.broken);
        return;
      } catch {
        // The connection ended, whose owner restores us; or the channel could not be opened, which is tried again.
      }
    }
  }

  // --- settling -----------------------------------------------------------------------------------

  /** Deliveries of the present life that wait for their settlement. */
  get unsettled(): number {
    return this.lifeAtHand?.settlements.size ?? 0;
  }

  /** Settles by bare tag. Throws WrongStateError for a tag that was never delivered, AlreadySettledError. */
  settle(kind: SettlementKind, deliveryTag: number, isMultiple: boolean, isRequeued: boolean): SettlementResult {
    const life = this.lifeAtHand;
    if (!life) {
      if (deliveryTag <= this.#tagOffset) return 'stale';
      throw new WrongStateError(`${kind}: this channel has not delivered ${String(deliveryTag)}`);
    }
    if (deliveryTag === 0 && kind !== 'reject') return life.settlements.settleAll(kind, isRequeued);
    return life.settlements.settle(kind, deliveryTag, isMultiple, isRequeued);
  }

  /** basic.recover; in a new life there is nothing to take back. */
  async recover(): Promise<void> {
    await this.onLifeOnce('basic.recover', async (life) => {
      try {
        await life.recover();
      } catch (error) {
        if (!life.connection.endedBy) throw error;
      }
    });
  }

  // --- publishing ---------------------------------------------------------------------------------

  /** Sends a publish, or lets it wait its turn. Throws NotSentError when the channel ended. */
  publish(publish: PendingPublish): void {
    if (this.#end) throw publish.notSent(this.#end.message, this.#end);
    this.flow.publish(publish);
  }

  /** Resolves when nothing waits to be sent and there is room for more; rejects with what ended the channel. */
  async drained(): Promise<void> {
    await this.whenOpen('drained');
    await this.flow.drained();
  }

  // --- the end ------------------------------------------------------------------------------------

  /** Flushes what was published, then closes, all within `closeTimeout`. Never rejects, idempotent. */
  close(reason: CloseReason = ordinaryClose): Promise<void> {
    return (this.#closing ??= this.#close(reason));
  }

  #closing: Promise<void> | undefined;

  async #close(reason: CloseReason): Promise<void> {
    if (this.#end) return;
    const limit = this.#host.parameters.closeTimeout;
    const since = performance.now();
    if (this.#life) await this.flow.flushed(limit);
    const life = this.#life;
    const consumed = this.consumers.all.map((consumer) => ({
      queue: consumer.queue,
      wasKnown: life !== undefined && this.consumers.isKnown(consumer),
    }));
    this.end(new ChannelClosedError());
    const rest = (): number => Math.max(100, limit - (performance.now() - since));
    if (life) await life.close(rest(), reason);
    // Their consumers go with the channel, and with the last one an auto-delete queue.
    const isTold = new AbortController();
    void Promise.all(consumed.map(({ queue, wasKnown }) => this.#host.noteCancelled(queue, wasKnown))).then(() => {
      isTold.abort();
    });
    await wait(rest(), isTold.signal);
  }

  /** No life will follow. */
  end(cause: AmqpError): void {
    if (this.#end) return;
    this.#end = cause;
    this.#life = undefined;
    this.#host.forget(this);
    this.#waiters.reject(cause);
    this.flow.end(cause);
    this.consumers.end();
    this.#listener.onEnd(cause);
  }

  /** Throws WrongStateError unless the channel has confirms. */
  requireConfirms(): void {
    if (!this.settings.isConfirming) {
      throw new WrongStateError(
        'publish: the channel has no confirms; open it with { confirm: true }, or call confirmSelect()',
      );
    }
  }
}
