/**
 * Keeps a user's channel alive over its lives: its settings, its consumers, and the publishes that wait.
 *
 *   waiting --restored--> open --channel or connection lost--> waiting      any --close, give up--> ended
 *
 * A channel that the broker closed is reopened here, alone; after a lost connection its owner calls `restore`.
 */
import {
  ChannelLife,
  type LifeConsumer,
  type ReturnedMessage,
  type SettlementKind,
  type SettlementResult,
} from '../channel/index.js';
import { ordinaryClose, type CloseReason, type ConnectionLife, type ResolvedParameters } from '../connection/index.js';
import {
  asAmqpError,
  ChannelClosedError,
  ConsumerCancelledError,
  DuplicateConsumerTagError,
  TimeoutError,
  WrongStateError,
  type AmqpError,
  type MessageTooLargeError,
} from '../errors.js';
import { backOffDelay, isBlamedOn, isWorthRecovery, wait, type BrokenEntity, type Trials } from '../recovery/index.js';
import type { Consumer, ConsumerOwner } from './consumer.js';
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
export interface ChannelHost {
  readonly parameters: ResolvedParameters;
  /** The present life, while it is open and restored. */
  readonly life: ConnectionLife | undefined;
  /** Those for whom the broker closed the whole connection. */
  readonly trials: Trials;
  /** A consumer that was broken consumes again. */
  onHealed(entity: Pick<BrokenEntity, 'kind' | 'name'>): void;
  /** Makes sure that a queue is there, declaring it anew where we declared it before. False: it is not. */
  restoreQueue(queue: string): Promise<boolean>;
  /** Makes a delete or an unbind, when nothing is being declared again that it might cross. */
  removal<Result>(action: () => Promise<Result>): Promise<Result>;
  /** Asks by a passive declare, on a channel made for the question. */
  exists(kind: 'queue' | 'exchange', name: string): Promise<boolean>;
  forget(keeper: ChannelKeeper): void;
  /** We cancelled a consumer of the queue. */
  noteCancelled(queue: string): void;
  /** We deleted a queue: the consumers of all channels forget it. */
  forgetConsumers(queue: string): void;
  /** The present name of a queue that had another in an earlier life. */
  currentName(queue: string): string;
}

/** Why a consumer is no longer known to the broker. */
export type ConsumerStop = ConsumerCancelledError | MessageTooLargeError;

export interface ChannelKeeperListener {
  onLost(cause: AmqpError): void;
  onRecovered(consumers: number, broken: readonly BrokenEntity[]): void;
  onReturn(message: ReturnedMessage): void;
  /** `willReturn`: it comes back when its queue does. */
  onConsumerCancelled(consumer: Consumer, cause: ConsumerStop, willReturn: boolean): void;
  onConsumerRecovered(consumer: Consumer): void;
  onCallbackError(error: Error): void;
  onEnd(cause: AmqpError): void;
}

/** A call that was under way at so many losses in a row may well be their cause, and is not made again. */
const lossLimit = 3;
/** A channel that stayed open for this long has recovered for good: the next loss starts with a short delay. */
const stableTime = 10_000;

export class ChannelKeeper implements ConsumerOwner {
  readonly settings: ChannelSettings;
  readonly consumers = new Map<string, Consumer>();
  readonly flow: PublishFlow;
  readonly transactions = new Transactions(this);
  readonly #host: ChannelHost;
  readonly #listener: ChannelKeeperListener;
  /** Consumers that the broker does not know at present, each with the reason. */
  readonly #broken = new Map<Consumer, AmqpError>();
  #life: ChannelLife | undefined;
  /** The last tag that users saw in lives that are over. */
  #tagOffset = 0;
  /** A life that is being given its consumers. */
  #restoringLife: ChannelLife | undefined;
  #end: AmqpError | undefined;
  readonly #waiters = new LifeWaiters();
  #sentPrefetch = 0;
  #reopenings = 0;
  #openedAt = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  #retries = 0;

  constructor(host: ChannelHost, settings: ChannelSettings, listener: ChannelKeeperListener) {
    this.#host = host;
    this.settings = settings;
    this.#listener = listener;
    this.flow = new PublishFlow(host.parameters, settings.isReplaying);
  }

  /** The present life, while it is open and restored. */
  get life(): ChannelLife | undefined {
    return this.#life;
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
    const before = [...this.#broken.keys()];
    this.#broken.clear();
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
        if (this.#broken.size > 0) this.#scheduleRetry();
        for (const consumer of before) if (this.#isConsuming(consumer)) this.#onHealed(consumer);
        return;
      }
      if (connection.endedBy) throw connection.endedBy;
      if (!failure.consumer) throw failure.error;
      this.#broken.set(failure.consumer, failure.error);
      if (!life.endedBy) await life.close();
    }
  }

  /** The consumers that the broker does not know at present. */
  get broken(): readonly BrokenEntity[] {
    return [...this.#broken].map(([{ consumerTag }, error]) => ({ kind: 'consumer', name: consumerTag, error }));
  }

  #isConsuming(consumer: Consumer): boolean {
    return this.consumers.get(consumer.consumerTag) === consumer && !this.#broken.has(consumer);
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
        const consumer = this.consumers.get(consumerTag);
        if (consumer) this.#onStopped(consumer, new ConsumerCancelledError(consumerTag, consumer.queue));
      },
      onConsumerUnfit: (consumerTag, error) => {
        const consumer = this.consumers.get(consumerTag);
        if (consumer) this.#onStopped(consumer, error);
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
    this.#sentPrefetch = 0;
    const calls: { consumer: Consumer | undefined; done: Promise<unknown> }[] = [];
    if (settings.isConfirming) calls.push({ consumer: undefined, done: life.selectConfirms() });
    if (settings.isTransactional) calls.push({ consumer: undefined, done: life.selectTransactions() });
    if (settings.globalPrefetch !== undefined) {
      const fields = { prefetchSize: 0, prefetchCount: settings.globalPrefetch, global: true };
      calls.push({ consumer: undefined, done: life.call('basic.qos', fields) });
    }
    const { trials } = this.#host;
    for (const consumer of this.consumers.values()) {
      if (this.#broken.has(consumer)) continue;
      const sentence = trials.sentenceOn(consumer);
      if (sentence) {
        this.#broken.set(consumer, sentence);
        continue;
      }
      const done = trials.run('basic.consume', consumer, () => this.#consumeOn(life, consumer));
      calls.push({ consumer, done });
    }
    const results = await Promise.allSettled(calls.map(({ done }) => done));
    const index = results.findIndex(({ status }) => status === 'rejected');
    const result = results[index];
    if (result?.status !== 'rejected') return undefined;
    return { consumer: calls[index]?.consumer, error: asAmqpError(result.reason) };
  }

  /** basic.qos where the consumer wants another prefetch than the last one, and basic.consume right behind it. */
  async #consumeOn(life: ChannelLife, consumer: Consumer): Promise<void> {
    const prefetch = consumer.prefetch ?? this.settings.prefetch;
    const calls: Promise<unknown>[] = [];
    if (prefetch !== this.#sentPrefetch) {
      life.checkConsume(consumer.consumeFields);
      this.#sentPrefetch = prefetch;
      calls.push(life.call('basic.qos', { prefetchSize: 0, prefetchCount: prefetch }));
    }
    calls.push(life.consume(consumer.inLife, consumer.consumeFields));
    await Promise.all(calls);
  }

  #begin(life: ChannelLife): void {
    this.#life = life;
    this.#openedAt = performance.now();
    this.#waiters.resolve(life);
    this.flow.begin(life);
  }

  #onLifeEnd(life: ChannelLife, cause: AmqpError): void {
    this.#life = undefined;
    clearTimeout(this.#retryTimer);
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
        this.#listener.onRecovered(this.consumers.size - this.#broken.size, this.broken);
        return;
      } catch {
        // The connection ended, whose owner restores us; or the channel could not be opened, which is tried again.
      }
    }
  }

  // --- settling -----------------------------------------------------------------------------------

  /** Deliveries of the present life that wait for their settlement. */
  get unsettled(): number {
    return (this.#life ?? this.#restoringLife)?.settlements.size ?? 0;
  }

  /** Settles by bare tag. Throws WrongStateError for a tag that was never delivered, AlreadySettledError. */
  settle(kind: SettlementKind, deliveryTag: number, isMultiple: boolean, isRequeued: boolean): SettlementResult {
    const life = this.#life ?? this.#restoringLife;
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

  // --- consumers ----------------------------------------------------------------------------------

  async addConsumer(consumer: Consumer): Promise<void> {
    const { consumerTag } = consumer;
    if (this.consumers.has(consumerTag)) throw new DuplicateConsumerTagError(consumerTag);
    await this.onLife('basic.consume', async (life) => {
      if (this.consumers.has(consumerTag)) throw new DuplicateConsumerTagError(consumerTag);
      consumer.followQueue(this.#host.currentName(consumer.queue));
      this.consumers.set(consumerTag, consumer);
      try {
        await this.#consumeOn(life, consumer);
      } catch (error) {
        this.consumers.delete(consumerTag);
        throw error;
      }
    });
  }

  async cancelConsumer(consumer: Consumer): Promise<void> {
    if (this.consumers.get(consumer.consumerTag) !== consumer) return;
    this.consumers.delete(consumer.consumerTag);
    const wasBroken = this.#broken.delete(consumer);
    const life = this.#life ?? this.#restoringLife;
    try {
      if (!wasBroken) await life?.cancel(consumer.consumerTag);
    } catch (error) {
      // A lost channel has no consumers, and the next life will not have this one.
      if (life?.isOpen) throw error;
    }
    this.#host.noteCancelled(consumer.queue);
  }

  /** The broker no longer knows a consumer that we did not give up. */
  #onStopped(consumer: Consumer, cause: ConsumerStop): void {
    if (this.#broken.has(consumer)) return;
    const willReturn = this.#host.parameters.recovery !== false;
    if (willReturn) this.#broken.set(consumer, cause);
    else this.consumers.delete(consumer.consumerTag);
    this.#listener.onConsumerCancelled(consumer, cause, willReturn);
    this.#scheduleRetry();
  }

  /** We deleted a queue: its consumers do not come back. */
  forgetQueue(queue: string): void {
    for (const consumer of [...this.consumers.values()]) {
      if (consumer.queue !== queue) continue;
      this.consumers.delete(consumer.consumerTag);
      this.#broken.delete(consumer);
      const cause = new ConsumerCancelledError(consumer.consumerTag, queue);
      this.#listener.onConsumerCancelled(consumer, cause, false);
    }
  }

  #scheduleRetry(): void {
    const { recovery } = this.#host.parameters;
    if (recovery === false || this.#end) return;
    clearTimeout(this.#retryTimer);
    this.#retries += 1;
    // At least the first delay, so that a queue that comes and goes makes no spin.
    const delay = Math.max(recovery.initialDelay, backOffDelay(this.#retries, recovery));
    this.#retryTimer = setTimeout(() => {
      void this.retryBroken();
    }, delay);
    this.#retryTimer.unref();
  }

  /** Lets the consumers that the broker does not know consume again, where it allows it. Never rejects. */
  retryBroken(): Promise<void> {
    return (this.#retrying ??= this.#retryBroken().finally(() => {
      this.#retrying = undefined;
    }));
  }

  #retrying: Promise<void> | undefined;

  async #retryBroken(): Promise<void> {
    for (const consumer of [...this.#broken.keys()]) {
      const life = this.#life;
      if (!life || this.#end) return;
      try {
        if (!(await this.#host.restoreQueue(consumer.queue)) || !(await this.#isAllowed(life, consumer))) continue;
        if (!this.#broken.has(consumer)) continue;
        if (life !== this.#life) return;
        await this.#host.trials.run('basic.consume', consumer, () => this.#consumeOn(life, consumer));
      } catch (error) {
        // Either the channel was closed, and is reopened with the consumers it can have, or the connection ended.
        if (life !== this.#life) return;
        if (this.#broken.has(consumer)) this.#broken.set(consumer, asAmqpError(error));
        continue;
      }
      if (!this.#broken.delete(consumer)) {
        // Cancelled in between, when there was nothing to cancel.
        if (this.consumers.get(consumer.consumerTag) !== consumer)
          await life.cancel(consumer.consumerTag).catch(() => undefined);
        continue;
      }
      this.#retries = 0;
      this.#onHealed(consumer);
    }
    if (this.#broken.size > 0) this.#scheduleRetry();
  }

  #onHealed(consumer: Consumer): void {
    this.#listener.onConsumerRecovered(consumer);
    this.#host.onHealed({ kind: 'consumer', name: consumer.consumerTag });
  }

  /**
   * Whether the broker would take a consumer: found out on a channel of its own, since a refusal would cost its neighbours
   * theirs. One message may be sent to it there, and comes again.
   */
  async #isAllowed({ connection }: ChannelLife, consumer: Consumer): Promise<boolean> {
    if (this.#host.trials.sentenceOn(consumer)) return false;
    const probe = ChannelLife.start(connection);
    const silent: LifeConsumer = { isNoAck: false, onDelivery: () => undefined };
    try {
      const isTaken = this.#host.trials.run('basic.consume', consumer, async () => {
        const limited = probe.call('basic.qos', { prefetchSize: 0, prefetchCount: 1 });
        await Promise.all([limited, probe.consume(silent, { ...consumer.consumeFields, noAck: false })]);
      });
      await isTaken;
      return true;
    } catch (error) {
      this.#broken.set(consumer, asAmqpError(error));
      return false;
    } finally {
      await probe.close();
    }
  }

  /** A server-named queue got a new name. */
  renameQueue(from: string, to: string): void {
    for (const consumer of this.consumers.values()) if (consumer.queue === from) consumer.followQueue(to);
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
    const consumed = [...this.consumers.values()].map(({ queue }) => queue);
    this.end(new ChannelClosedError());
    if (life) await life.close(Math.max(100, limit - (performance.now() - since)), reason);
    // Their consumers go with the channel, and with the last one an auto-delete queue.
    for (const queue of consumed) this.#host.noteCancelled(queue);
  }

  /** No life will follow. */
  end(cause: AmqpError): void {
    if (this.#end) return;
    this.#end = cause;
    this.#life = undefined;
    clearTimeout(this.#retryTimer);
    this.#host.forget(this);
    this.#waiters.reject(cause);
    this.flow.end(cause);
    this.consumers.clear();
    this.#broken.clear();
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
