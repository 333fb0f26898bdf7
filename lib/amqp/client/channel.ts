/**
 * A channel as users hold it: it outlives the socket. Every method carries its AMQP name in camelCase; those that shape
 * the topology are in topology-methods.ts.
 *
 * Declares, consumes and settings are remembered and restored after a loss. Calls made while the channel is away, or
 * whose answer is lost with the connection, wait for it and are made again, for at most `methodTimeout`. On the wire
 * the order is that of the calls: none overtakes a publish that was made before it.
 */
import {
  ackOptionNames,
  checkSettlementOptions,
  nackOptionNames,
  rejectOptionNames,
  type AckOptions,
  type Delivery,
  type NackOptions,
  type RejectOptions,
  type SettlementResult,
} from '../channel/index.js';
import { ArgumentError, asError, NackError, UnknownOutcomeError, UnroutableError, WrongStateError } from '../errors.js';
import type { FieldTable } from '../protocol/index.js';
import type { TopologyRecord } from '../recovery/index.js';
import {
  check,
  checkCloseOptions,
  checkOptions,
  toBytes,
  toProperties,
  type CloseOptions,
  type MessageBody,
  type PublishProperties,
} from './arguments.js';
import { ChannelKeeper, type ChannelHost, type ChannelSettings } from './channel-keeper.js';
import { isHeardByCaller } from './blame.js';
import {
  basicPublishKinds,
  consumeKinds,
  defaultStreamPrefetch,
  publishKinds,
  type BasicPublishOptions,
  type ConsumeStreamOptions,
  type PublishOptions,
} from './channel-options.js';
import { Consumer, type ConsumeOptions, type DeliveryCallback } from './consumer.js';
import { DeliveryStream } from './delivery-stream.js';
import { reportCallbackError, reportChannelLoss } from './events.js';
import { PendingPublish } from './pending-publish.js';
import { TopologyMethods } from './topology-methods.js';

/**
 * A channel, made by `connection.openChannel`. It outlives the socket: after a loss it is opened again with its settings
 * and consumers.
 *
 * What holds for every method that the broker answers:
 * - A wrong argument, or an unknown option, rejects with ArgumentError before a byte is sent; the channel goes on.
 * - What the broker refuses closes the channel: the call rejects with ChannelClosedByBrokerError (`replyCode` 403, 404,
 *   405, 406), and the channel is reopened with its consumers, other channels feeling nothing. Deliveries of before are
 *   stale then. Where the broker closes the connection instead, it is ConnectionClosedByBrokerError, and the connection
 *   recovers.
 * - While the channel or its connection is away the call waits and is made again, for at most `methodTimeout`
 *   milliseconds (TimeoutError). On a closed channel it rejects with ChannelClosedError or ConnectionClosedError.
 */
export class Channel extends TopologyMethods {
  /** @internal */
  readonly keeper: ChannelKeeper;
  readonly #nextTag: () => string;
  readonly #streams = new Set<DeliveryStream>();
  /** The first refusal of a publish without a promise since `waitForConfirms` was last called. */
  #refusal: Error | undefined;

  /** Made by `connection.openChannel`. */
  constructor(
    host: ChannelHost,
    topology: TopologyRecord,
    settings: ChannelSettings,
    nextTag: () => string,
    name: string,
  ) {
    super(topology, name);
    this.#nextTag = nextTag;
    this.keeper = new ChannelKeeper(host, settings, {
      onLost: (cause) => {
        const isHeard = this.listenerCount('lost') > 0 || isHeardByCaller(cause, settings.isConfirming);
        if (!isHeard) reportChannelLoss(cause);
        this.emit('lost', { cause });
      },
      onRecovered: (consumers, broken) => {
        this.emit('recovered', { consumers, broken });
      },
      onReturn: (message) => {
        this.emit('return', message);
      },
      onConsumerCancelled: (consumer, cause, willReturn) => {
        if (!willReturn) for (const stream of this.#streams) if (stream.consumer === consumer) stream.fail(cause);
        this.emit('consumerCancelled', { consumer, cause });
      },
      onConsumerRecovered: (consumer) => {
        this.emit('consumerRecovered', { consumer });
      },
      onCallbackError: (error) => {
        if (this.listenerCount('callbackError') === 0) reportCallbackError(error);
        this.emit('callbackError', error);
      },
      onEnd: (cause) => {
        for (const stream of this.#streams) stream.fail(cause);
        this.emit('closed', { cause });
      },
    });
  }

  /** True while the channel is open on the broker. While it is away, and comes back, it is false as well as `isClosed`. */
  get isOpen(): boolean {
    return this.keeper.life !== undefined;
  }

  /** True once the channel is over for good: closed by you, or with its connection. */
  get isClosed(): boolean {
    return this.keeper.endedBy !== undefined;
  }

  /** The number of the present life; undefined while there is none. */
  get number(): number | undefined {
    return this.keeper.life?.number;
  }

  /** Publishes that were sent and not confirmed, or wait to be sent. */
  get outstandingPublishes(): number {
    return this.keeper.flow.outstanding;
  }

  /** Deliveries that wait for their settlement, those in the buffers of pull streams among them. */
  get unsettledDeliveries(): number {
    return this.keeper.unsettled;
  }

  /** The consumers, also those that wait for their queue to come back. */
  get consumers(): readonly Consumer[] {
    return this.keeper.consumers.all;
  }

  /**
   * channel.close, after what was published has its outcome; all within `closeTimeout` milliseconds. Unsettled
   * deliveries go back to their queues, loops over pull streams end. Never rejects but with ArgumentError; idempotent.
   */
  async close(options?: CloseOptions): Promise<void> {
    await this.keeper.close(checkCloseOptions(options));
  }

  /** `await using channel = ...`: closes it, and never rejects. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * channel.flow: `true` asks the broker to send deliveries, which it does unasked. RabbitMQ implements nothing else
   * (`false` is 540, which closes the connection), so `false` rejects with ArgumentError: use a prefetch, or cancel.
   * The broker's own channel.flow is answered without you.
   */
  async channelFlow(active: boolean): Promise<void> {
    check(active, 'boolean', 'active');
    if (!active) throw new ArgumentError('active', 'RabbitMQ does not implement channel.flow false; use a prefetch');
    await this.call('channel.flow', { active });
  }

  // --- publishing ---------------------------------------------------------------------------------

  /**
   * confirm.select: from here on the broker answers each publish, and `publish` may be used. Once is enough.
   * Rejects with WrongStateError on a channel with transactions (406 on the broker).
   */
  async confirmSelect(): Promise<void> {
    if (this.keeper.settings.isTransactional) throw new WrongStateError('confirmSelect: the channel has transactions');
    await this.keeper.onLife('confirm.select', (life) => life.selectConfirms());
    this.keeper.settings.isConfirming = true;
  }

  /**
   * basic.publish, fire and forget. Up to 8 KiB are copied; do not change a larger body afterwards.
   *
   * Answers false when much is buffered: `await channel.drained()` before more. While the connection is away or blocked
   * the message waits, at most `publishBuffer.timeout` milliseconds (`notSent` tells of it).
   * Throws ArgumentError, or NotSentError when the buffer is full or the channel closed. A message that the broker
   * returns (`mandatory`) is a `return` event; on a channel with confirms a refused one is `notConfirmed`.
   *
   * Closes the channel: no such exchange (404); no write permission, or an internal exchange (403); another user's
   * `userId` (406); a body over the broker's max_message_size (406; 16 MiB from RabbitMQ 4.0);
   * `replyTo` `amq.rabbitmq.reply-to` without a consumer of it on this channel (406).
   */
  basicPublish(
    exchange: string,
    routingKey: string,
    body: MessageBody,
    properties?: PublishProperties,
    options?: BasicPublishOptions,
  ): boolean {
    const { mandatory: isMandatory = false } =
      options === undefined ? {} : checkOptions(options, basicPublishKinds, 'basicPublish');
    const { keeper } = this;
    let failure: Error | undefined;
    let hasReturned = false;
    const publish = this.#message(exchange, routingKey, body, properties, isMandatory, false, (error) => {
      if (!error) return;
      keeper.transactions.noteLoss(error);
      failure = error;
      if (hasReturned) this.#onRefused(error);
    });
    keeper.publish(publish);
    hasReturned = true;
    if (failure) throw failure;
    return keeper.flow.hasRoom;
  }

  #onRefused(error: Error): void {
    this.#refusal ??= error;
    if (error instanceof NackError || error instanceof UnknownOutcomeError) this.emit('notConfirmed', { cause: error });
    // A returned message was an event of its own.
    else if (!(error instanceof UnroutableError)) this.emit('notSent', { cause: error });
  }

  /**
   * basic.publish with its outcome. Leave a body over 8 KiB unchanged until the outcome: it is not copied.
   *
   * Resolves when the broker confirmed it (for a durable queue: when a persistent message is on disk, for a quorum queue
   * when a majority has it). Rejects with UnroutableError (`mandatory`, and no queue took it), NackError (the broker
   * refused it), UnknownOutcomeError (sent, then the channel or connection went, or `timeout` or `signal` gave up),
   * NotSentError (never sent: safe to send again), ArgumentError, or WrongStateError on a channel without confirms.
   * Closes the channel as `basicPublish` does; the outcome then is UnknownOutcomeError.
   */
  publish(
    exchange: string,
    routingKey: string,
    body: MessageBody,
    properties?: PublishProperties,
    options?: PublishOptions,
  ): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.keeper.requireConfirms();
      const {
        mandatory = false,
        timeout,
        signal,
      } = options === undefined ? {} : checkOptions(options, publishKinds, 'publish');
      const publish = this.#message(exchange, routingKey, body, properties, mandatory, true, (error) => {
        if (error) reject(error);
        else resolve();
      });
      if (timeout !== undefined || signal) publish.limit(timeout, signal);
      if (publish.isSettled) return;
      try {
        this.keeper.publish(publish);
      } catch (error) {
        publish.settle(asError(error));
      }
    });
  }

  /** Whether a message that is published now goes out at once: the channel is open, nothing waits, and there is room. */
  get hasRoom(): boolean {
    return this.keeper.flow.isIdle;
  }

  /** Resolves when nothing waits to be sent and there is room for more. Rejects with what ended the channel. */
  drained(): Promise<void> {
    return this.keeper.drained();
  }

  /**
   * Resolves when every message published until now has its outcome. Rejects with WrongStateError on a channel without
   * confirms, and with the first refusal since the last call (NackError, UnroutableError, UnknownOutcomeError,
   * NotSentError) of a `basicPublish`; a `publish` tells its own promise.
   */
  async waitForConfirms(): Promise<void> {
    this.keeper.requireConfirms();
    await new Promise<void>((resolve) => {
      this.keeper.flow.onSettled(resolve);
    });
    const refusal = this.#refusal;
    this.#refusal = undefined;
    if (refusal) throw refusal;
  }

  // --- transactions -------------------------------------------------------------------------------

  /**
   * tx.select: publishes and settlements of the channel take effect at `txCommit`. Confirms are faster and say more.
   * Rejects with WrongStateError on a channel with confirms (406 on the broker).
   */
  async txSelect(): Promise<void> {
    await this.keeper.transactions.select();
  }

  /**
   * tx.commit: what was published and settled since the last commit takes effect, and a new transaction begins.
   *
   * Rejects with TransactionLostError when the channel or connection was lost meanwhile: nothing took effect, the rest is
   * rolled back, and the transaction is to be made again (`isOutcomeUnknown`: the answer alone was lost). Rejects with
   * WrongStateError without `txSelect`. RabbitMQ's transactions are atomic for one queue only.
   */
  async txCommit(): Promise<void> {
    await this.keeper.transactions.commit();
  }

  /**
   * tx.rollback: forgets what was published and settled since the last commit. Deliveries stay unsettled.
   * Rejects as `txCommit` does.
   */
  async txRollback(): Promise<void> {
    await this.keeper.transactions.rollback();
  }

  // --- consuming ----------------------------------------------------------------------------------

  /**
   * basic.qos: how many unsettled deliveries the broker allows, 0 without limit, at most 65 535.
   *
   * Without `global` (default) it is the default of consumers to come, each with a limit of its own, and nothing is sent
   * before they are; with `global` a limit over the whole channel. Quorum queues do not know the latter: up to RabbitMQ
   * 4.0 consuming from one then closes the connection (540). RabbitMQ 4.3 counts it per consumer, by its defaults and
   * where its settings forbid `global_qos`, and says nothing. Rejects with ArgumentError for anything but 0 to 65 535.
   */
  async basicQos(prefetch: number, options: { global?: boolean | undefined } = {}): Promise<void> {
    check(prefetch, 'prefetch', 'prefetch');
    const { global: isGlobal = false } = checkOptions(options, { global: 'boolean' }, 'basicQos');
    if (this.keeper.endedBy) throw this.keeper.endedBy;
    if (!isGlobal) {
      this.keeper.settings.prefetch = prefetch;
      return;
    }
    await this.call('basic.qos', { prefetchSize: 0, prefetchCount: prefetch, global: true });
    this.keeper.settings.globalPrefetch = prefetch;
  }

  /**
   * basic.consume: calls back for each delivery. What the callback throws, or rejects with, is reported as
   * `callbackError` and settles nothing. The consumer survives losses with its tag, arguments and prefetch.
   *
   * Rejects with DuplicateConsumerTagError, nothing being sent. Closes the channel: no such queue (404); no read
   * permission, or the queue has an exclusive consumer, or `exclusive` where it has any (403; quorum queues do not heed
   * it); exclusive to another connection (405); a stream without a prefetch (406). `noAck` on a stream closes the
   * connection (540), which recovers.
   */
  async basicConsume<Body = unknown, Headers extends FieldTable = FieldTable>(
    queue: string,
    onDelivery: DeliveryCallback<Body, Headers>,
    options: ConsumeOptions = {},
  ): Promise<Consumer> {
    check(queue, 'name', 'queue');
    if (typeof onDelivery !== 'function') throw new ArgumentError('onDelivery', 'must be a function');
    const given = checkOptions(options, consumeKinds, 'basicConsume');
    const tag = given.consumerTag === undefined || given.consumerTag === '' ? this.#nextTag() : given.consumerTag;
    const consumer = new Consumer(
      this.keeper.consumers,
      this.currentName(queue),
      tag,
      onDelivery as DeliveryCallback,
      given,
    );
    await this.keeper.consumers.add(consumer);
    return consumer;
  }

  /**
   * basic.cancel: as `consumer.cancel()`, by tag. Resolves when the broker sends nothing more; what was delivered and
   * not settled stays with you. An unknown tag is no error. Rejects with ArgumentError for a tag over 255 bytes.
   */
  async basicCancel(consumerTag: string): Promise<void> {
    check(consumerTag, 'name', 'consumerTag');
    await this.keeper.consumers.get(consumerTag)?.cancel();
  }

  /**
   * Consumes as an async iterable; it starts with the first `next()`. It buffers as many messages as the prefetch
   * allows, 100 unless said; with `noAck` the broker knows no prefetch: the whole queue comes, and what is left in the
   * buffer when the loop is left is gone. Leaving the loop cancels the consumer and gives back what was not taken.
   *
   * Throws ArgumentError. The first `next()` rejects, and the channel is closed, as `basicConsume` does.
   */
  consume<Body = unknown, Headers extends FieldTable = FieldTable>(
    queue: string,
    options: ConsumeStreamOptions = {},
  ): DeliveryStream<Body, Headers> {
    check(queue, 'name', 'queue');
    const kinds = { ...consumeKinds, inactivityTimeout: 'milliseconds' } as const;
    const { inactivityTimeout, ...consumeOptions } = checkOptions(options, kinds, 'consume');
    const prefetch = consumeOptions.prefetch ?? (this.keeper.settings.prefetch || defaultStreamPrefetch);
    const stream: DeliveryStream<Body, Headers> = new DeliveryStream<Body, Headers>(
      {
        startConsumer: (onDelivery) =>
          this.basicConsume<Body, Headers>(queue, onDelivery, { ...consumeOptions, prefetch }),
        forgetStream: () => {
          this.#streams.delete(stream);
        },
      },
      inactivityTimeout,
    );
    this.#streams.add(stream);
    return stream;
  }

  /**
   * basic.cancel for all pull streams of the channel, whose loops end; answers how many undelivered messages went back,
   * 0 when none. Never rejects.
   */
  async cancel(): Promise<number> {
    const requeued = await Promise.all([...this.#streams].map((stream) => stream.cancel()));
    return requeued.reduce((sum, count) => sum + count, 0);
  }

  /**
   * basic.get: one message, or null when the queue is empty. A consumer costs the broker less than asking again and
   * again. Closes the channel: no such queue (404); no read permission (403); exclusive to another connection (405);
   * a stream (540, which closes the connection).
   */
  async basicGet<Body = unknown, Headers extends FieldTable = FieldTable>(
    queue: string,
    options: { noAck?: boolean | undefined } = {},
  ): Promise<Delivery<Body, Headers> | null> {
    check(queue, 'name', 'queue');
    const { noAck = false } = checkOptions(options, { noAck: 'boolean' }, 'basicGet');
    const delivery = await this.keeper.onLife('basic.get', (life) => life.get(this.topology.currentName(queue), noAck));
    return delivery as Delivery<Body, Headers> | null;
  }

  // --- settling -----------------------------------------------------------------------------------

  /**
   * basic.ack by tag: the broker may forget the message. `multiple` (default false): and all unsettled deliveries of the
   * channel up to it; then 0 means all. Answers `sent`, or `stale` where the broker delivers the message again.
   * Throws AlreadySettledError, WrongStateError for a tag that this channel has not delivered, ArgumentError; nothing is
   * sent then, where the broker would close the channel (406).
   */
  basicAck(deliveryTag: number, options?: AckOptions): SettlementResult {
    checkSettlementOptions(options, 'basicAck', ackOptionNames);
    return this.#settle('ack', deliveryTag, options?.multiple ?? false, false);
  }

  /** basic.nack by tag (RabbitMQ's extension): `requeue` true and `multiple` false unless said. Else, and in what it throws, as `basicAck`. */
  basicNack(deliveryTag: number, options?: NackOptions): SettlementResult {
    checkSettlementOptions(options, 'basicNack', nackOptionNames);
    return this.#settle('nack', deliveryTag, options?.multiple ?? false, options?.requeue ?? true);
  }

  /** basic.reject by tag: `requeue` true unless said. Else, and in what it throws, as `basicAck`. */
  basicReject(deliveryTag: number, options?: RejectOptions): SettlementResult {
    checkSettlementOptions(options, 'basicReject', rejectOptionNames);
    return this.#settle('reject', deliveryTag, false, options?.requeue ?? true);
  }

  /**
   * basic.recover: all unsettled deliveries of the channel go back to their queues and are delivered again, to whomever.
   * The old ones are stale from now on. `requeue: false` rejects with ArgumentError: RabbitMQ does not implement it (540,
   * which closes the connection).
   */
  async basicRecover(options: { requeue?: boolean | undefined } = {}): Promise<void> {
    const { requeue = true } = checkOptions(options, { requeue: 'boolean' }, 'basicRecover');
    if (!requeue) {
      throw new ArgumentError('requeue', 'RabbitMQ does not implement basic.recover without requeue');
    }
    await this.keeper.recover();
  }

  #settle(
    kind: 'ack' | 'nack' | 'reject',
    deliveryTag: number,
    isMultiple: boolean,
    isRequeued: boolean,
  ): SettlementResult {
    check(deliveryTag, 'tag', 'deliveryTag');
    if (deliveryTag === 0 && !isMultiple) throw new ArgumentError('deliveryTag', '0 is all, and needs multiple: true');
    return this.keeper.settle(kind, deliveryTag, isMultiple, isRequeued);
  }

  #message(
    exchange: string,
    routingKey: string,
    body: MessageBody,
    properties: PublishProperties | undefined,
    isMandatory: boolean,
    isConfirmed: boolean,
    onSettled: (error: Error | undefined) => void,
  ): PendingPublish {
    if (typeof exchange !== 'string') check(exchange, 'name', 'exchange');
    if (typeof routingKey !== 'string') check(routingKey, 'name', 'routingKey');
    const message = toProperties(properties);
    return new PendingPublish(exchange, routingKey, toBytes(body), message, isMandatory, isConfirmed, onSettled);
  }
}
