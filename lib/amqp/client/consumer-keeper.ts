/**
 * Keeps the consumers of a user's channel over its lives: those that consume, and those that are broken, which it tries
 * again ever more slowly. Must not know publishes, nor how a life is opened.
 */
import { ChannelLife, type LifeConsumer } from '../channel/index.js';
import {
  asAmqpError,
  ConsumerCancelledError,
  DuplicateConsumerTagError,
  type AmqpError,
  type MessageTooLargeError,
} from '../errors.js';
import type { ResolvedParameters } from '../connection/index.js';
import { backOffDelay, type BrokenEntity, type Trials } from '../recovery/index.js';
import type { Consumer, ConsumerOwner } from './consumer.js';

/** Why a consumer is no longer known to the broker. */
export type ConsumerStop = ConsumerCancelledError | MessageTooLargeError;

/** What consumers need of their connection. */
export interface ConsumerHost {
  readonly parameters: ResolvedParameters;
  /** Those for whom the broker closed the whole connection. */
  readonly trials: Trials;
  /** A consumer that was broken consumes again. */
  onHealed(entity: Pick<BrokenEntity, 'kind' | 'name'>): void;
  /** Makes sure that a queue is there, declaring it anew where we declared it before. False: it is not. */
  restoreQueue(queue: string): Promise<boolean>;
  /** Asks by a passive declare, on a channel made for the question. */
  exists(kind: 'queue' | 'exchange', name: string): Promise<boolean>;
  /** Whether we declared the queue, to go with its last consumer. */
  isAutoDelete(queue: string): boolean;
  /** We gave up a consumer of the queue; the broker may not have known it then, which leaves an auto-delete queue. */
  noteCancelled(queue: string, wasKnown: boolean): Promise<void>;
  /** The present name of a queue that had another in an earlier life. */
  currentName(queue: string): string;
}

/** What they need of their channel. */
export interface ConsumersChannel {
  /** Default prefetch of each consumer; 0 is without limit. */
  readonly settings: { readonly prefetch: number };
  readonly endedBy: AmqpError | undefined;
  /** The present life, while it is open and restored. */
  readonly life: ChannelLife | undefined;
  /** The same, or the one that is being given its consumers. */
  readonly lifeAtHand: ChannelLife | undefined;
  onLife<Result>(step: string, action: (life: ChannelLife) => Promise<Result>): Promise<Result>;
}

export interface ConsumerKeeperListener {
  /** `willReturn`: it comes back when its queue does. */
  onConsumerCancelled(consumer: Consumer, cause: ConsumerStop, willReturn: boolean): void;
  onConsumerRecovered(consumer: Consumer): void;
}

/** A call of a restoration, and whose it is. */
export interface RestoringCall {
  readonly consumer: Consumer | undefined;
  readonly done: Promise<unknown>;
}

export class ConsumerKeeper implements ConsumerOwner {
  readonly #channel: ConsumersChannel;
  readonly #host: ConsumerHost;
  readonly #listener: ConsumerKeeperListener;
  readonly #consumers = new Map<string, Consumer>();
  /** Consumers that the broker does not know at present, each with the reason. */
  readonly #broken = new Map<Consumer, AmqpError>();
  /** What basic.qos last said in the present life. */
  #sentPrefetch = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  #retries = 0;

  constructor(channel: ConsumersChannel, host: ConsumerHost, listener: ConsumerKeeperListener) {
    this.#channel = channel;
    this.#host = host;
    this.#listener = listener;
  }

  get(consumerTag: string): Consumer | undefined {
    return this.#consumers.get(consumerTag);
  }

  /** All of them, the broken ones too. */
  get all(): readonly Consumer[] {
    return [...this.#consumers.values()];
  }

  /** How many consume at present. */
  get working(): number {
    return this.#consumers.size - this.#broken.size;
  }

  /** Those that the broker does not know at present. */
  get broken(): readonly BrokenEntity[] {
    return [...this.#broken].map(([{ consumerTag }, error]) => ({ kind: 'consumer', name: consumerTag, error }));
  }

  async add(consumer: Consumer): Promise<void> {
    const { consumerTag } = consumer;
    if (this.#consumers.has(consumerTag)) throw new DuplicateConsumerTagError(consumerTag);
    await this.#channel.onLife('basic.consume', async (life) => {
      if (this.#consumers.has(consumerTag)) throw new DuplicateConsumerTagError(consumerTag);
      consumer.followQueue(this.#host.currentName(consumer.queue));
      this.#consumers.set(consumerTag, consumer);
      try {
        await this.#consumeOn(life, consumer);
      } catch (error) {
        this.#consumers.delete(consumerTag);
        throw error;
      }
    });
  }

  async cancelConsumer(consumer: Consumer): Promise<void> {
    if (this.#consumers.get(consumer.consumerTag) !== consumer) return;
    this.#consumers.delete(consumer.consumerTag);
    const wasBroken = this.#broken.delete(consumer);
    const life = this.#channel.lifeAtHand;
    let wasKnown = false;
    try {
      if (!wasBroken && life) wasKnown = await life.cancel(consumer.consumerTag);
    } catch (error) {
      // A lost channel has no consumers, and the next life will not have this one.
      if (life?.isOpen) throw error;
    }
    await this.#host.noteCancelled(consumer.queue, wasKnown);
  }

  /** basic.qos where the consumer wants another prefetch than the last one, and basic.consume right behind it. */
  async #consumeOn(life: ChannelLife, consumer: Consumer): Promise<void> {
    const prefetch = consumer.prefetch ?? this.#channel.settings.prefetch;
    const calls: Promise<unknown>[] = [];
    if (prefetch !== this.#sentPrefetch) {
      life.checkConsume(consumer.consumeFields);
      this.#sentPrefetch = prefetch;
      calls.push(life.call('basic.qos', { prefetchSize: 0, prefetchCount: prefetch }));
    }
    calls.push(life.consume(consumer.inLife, consumer.consumeFields));
    await Promise.all(calls);
  }

  // --- lives --------------------------------------------------------------------------------------

  /** A restoration begins, in which all are tried; answers those that were broken. */
  beginRestoring(): readonly Consumer[] {
    const before = [...this.#broken.keys()];
    this.#broken.clear();
    return before;
  }

  /** Consumes in a new life with all but the broken ones, pipelined. */
  restoreOn(life: ChannelLife): RestoringCall[] {
    this.#sentPrefetch = 0;
    const calls: RestoringCall[] = [];
    const { trials } = this.#host;
    for (const consumer of this.#consumers.values()) {
      if (this.#broken.has(consumer)) continue;
      const sentence = trials.sentenceOn(consumer);
      if (sentence) {
        this.#broken.set(consumer, sentence);
        continue;
      }
      const done = trials.run('basic.consume', consumer, () => this.#consumeOn(life, consumer));
      calls.push({ consumer, done });
    }
    return calls;
  }

  /** The broker refused a consumer: the next restoration goes without it. One that was cancelled meanwhile is forgotten. */
  noteRefused(consumer: Consumer, error: AmqpError): void {
    if (this.#consumers.get(consumer.consumerTag) === consumer) this.#broken.set(consumer, error);
  }

  /** The life is open; `before` is what `beginRestoring` answered. */
  endRestoring(before: readonly Consumer[]): void {
    if (this.#broken.size > 0) this.#scheduleRetry();
    for (const consumer of before) if (this.isKnown(consumer)) this.#onHealed(consumer);
  }

  isConsuming(consumer: Consumer): boolean {
    return this.#channel.life !== undefined && this.isKnown(consumer);
  }

  /** Whether it is one of ours, and the broker knows it. */
  isKnown(consumer: Consumer): boolean {
    return this.#consumers.get(consumer.consumerTag) === consumer && !this.#broken.has(consumer);
  }

  /** The life ended: another restoration follows, or none. */
  pause(): void {
    clearTimeout(this.#retryTimer);
  }

  /** No life will follow. */
  end(): void {
    this.pause();
    this.#consumers.clear();
    this.#broken.clear();
  }

  // --- what befalls them --------------------------------------------------------------------------

  /** basic.cancel by the broker. */
  onCancelled(consumerTag: string): void {
    const consumer = this.#consumers.get(consumerTag);
    if (!consumer || this.#broken.has(consumer)) return;
    const { queue } = consumer;
    const hasUnsettled = (this.#channel.lifeAtHand?.settlements.size ?? 0) > 0;
    if (!hasUnsettled || this.#host.parameters.recovery === false) {
      this.#onStopped(consumer, new ConsumerCancelledError(consumerTag, queue));
      return;
    }
    this.#broken.set(consumer, new ConsumerCancelledError(consumerTag, queue));
    const tell = (isQueueThere?: boolean): void => {
      const isStillBroken = this.#broken.delete(consumer);
      if (isStillBroken) this.#onStopped(consumer, new ConsumerCancelledError(consumerTag, queue, isQueueThere));
    };
    // A lost connection says nothing of the queue, and its recovery comes back to the consumer anyway.
    this.#host.exists('queue', queue).then(tell, () => {
      tell();
    });
  }

  /** We cancelled it over a message that it cannot be given. */
  onUnfit(consumerTag: string, error: MessageTooLargeError): void {
    const consumer = this.#consumers.get(consumerTag);
    if (consumer) this.#onStopped(consumer, error);
  }

  /** The broker no longer knows a consumer that we did not give up. */
  #onStopped(consumer: Consumer, cause: ConsumerStop): void {
    if (this.#broken.has(consumer)) return;
    const willReturn = this.#host.parameters.recovery !== false;
    if (willReturn) this.#broken.set(consumer, cause);
    else this.#consumers.delete(consumer.consumerTag);
    this.#listener.onConsumerCancelled(consumer, cause, willReturn);
    this.#scheduleRetry();
  }

  /** We deleted a queue: its consumers do not come back. */
  forgetQueue(queue: string): void {
    for (const consumer of this.all) {
      if (consumer.queue !== queue) continue;
      this.#consumers.delete(consumer.consumerTag);
      this.#broken.delete(consumer);
      const cause = new ConsumerCancelledError(consumer.consumerTag, queue);
      this.#listener.onConsumerCancelled(consumer, cause, false);
    }
  }

  /** A server-named queue got a new name. */
  renameQueue(from: string, to: string): void {
    for (const consumer of this.#consumers.values()) if (consumer.queue === from) consumer.followQueue(to);
  }

  // --- another try --------------------------------------------------------------------------------

  #scheduleRetry(): void {
    const { recovery } = this.#host.parameters;
    if (recovery === false || this.#channel.endedBy) return;
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
      const { life, endedBy } = this.#channel;
      if (!life || endedBy) return;
      try {
        if (!(await this.#host.restoreQueue(consumer.queue))) continue;
        const isDone = await this.#probe(life, consumer, async () => {
          if (!this.#broken.has(consumer) || life !== this.#channel.life) return false;
          await this.#host.trials.run('basic.consume', consumer, () => this.#consumeOn(life, consumer));
          return true;
        });
        if (!isDone) continue;
      } catch (error) {
        // Either the channel was closed, and is reopened with the consumers it can have, or the connection ended.
        if (life !== this.#channel.life) return;
        if (this.#broken.has(consumer)) this.#broken.set(consumer, asAmqpError(error));
        continue;
      }
      if (!this.#broken.delete(consumer)) {
        // Cancelled in between, when there was nothing to cancel.
        if (this.#consumers.get(consumer.consumerTag) !== consumer)
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
   * Finds out on a channel of its own whether the broker would take a consumer, since a refusal would cost its neighbours
   * theirs; if so, calls `consume`, and answers what that does. One message may be sent to the probe, and comes again.
   */
  async #probe({ connection }: ChannelLife, consumer: Consumer, consume: () => Promise<boolean>): Promise<boolean> {
    const { trials } = this.#host;
    if (trials.sentenceOn(consumer)) return false;
    const { consumeFields } = consumer;
    // A probe would keep it from the queue, and would take an auto-delete queue with it when it goes before.
    if (consumeFields.exclusive === true && this.#host.isAutoDelete(consumer.queue)) return consume();
    const probe = ChannelLife.start(connection);
    const silent: LifeConsumer = { isNoAck: false, onDelivery: () => undefined };
    try {
      await trials.run('basic.consume', consumer, async () => {
        const limited = probe.call('basic.qos', { prefetchSize: 0, prefetchCount: 1 });
        await Promise.all([limited, probe.consume(silent, { ...consumeFields, noAck: false })]);
      });
    } catch (error) {
      this.noteRefused(consumer, asAmqpError(error));
      await probe.close();
      return false;
    }
    try {
      if (consumeFields.exclusive === true) await probe.close();
      return await consume();
    } finally {
      await probe.close();
    }
  }
}
