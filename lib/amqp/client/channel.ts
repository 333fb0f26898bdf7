/**
 * A channel as users hold it: it outlives the socket. Every method carries its AMQP name in camelCase.
 *
 * Declares, consumes and settings are remembered and restored after a loss. Calls made while the channel is away, or
 * whose answer is lost with the connection, wait for it and are made again, for at most `methodTimeout`. Wrong arguments throw or reject with ArgumentError before a byte is sent, and the
 * channel goes on. What the broker refuses (404, 405, 406 ...) closes one life of the channel: the call rejects with
 * ChannelClosedByBrokerError, and the channel is reopened with its consumers.
 */
import type { Delivery, ReturnedMessage } from '../channel/index.js';
import { ArgumentError, asError, type AmqpError, type ConsumerCancelledError } from '../errors.js';
import type { FieldTable, MethodFields, MethodInputs, MethodName } from '../protocol/index.js';
import type { BindingRecord, BrokenEntity, TopologyRecord } from '../recovery/index.js';
import { check, checkOptions, toBytes, toProperties, type MessageBody, type PublishProperties } from './arguments.js';
import { ChannelKeeper, isHeardByCaller, type ChannelHost, type ChannelSettings } from './channel-keeper.js';
import { Consumer, type ConsumeOptions, type DeliveryCallback } from './consumer.js';
import { DeliveryStream } from './delivery-stream.js';
import { Events, reportCallbackError, reportChannelLoss } from './events.js';
import { PendingPublish } from './pending-publish.js';

export interface ChannelOptions {
  /** Unsettled deliveries of each consumer at a time (basic.qos, not global); 0 is without limit. Default 0. */
  prefetch?: number | undefined;
  /** Publisher confirms (confirm.select), which `publish` needs. Default false. */
  confirm?: boolean | undefined;
}

export interface ExchangeDeclareOptions {
  /** Survives a restart of the broker. Default true. */
  durable?: boolean | undefined;
  /** Deleted when its last binding goes. Default false. */
  autoDelete?: boolean | undefined;
  /** Takes no publishes, only bindings. Default false. */
  internal?: boolean | undefined;
  /** Only looks whether it is there; 404 closes the channel. Default false. */
  passive?: boolean | undefined;
  /** For instance `alternate-exchange`. */
  arguments?: FieldTable | undefined;
}

export interface QueueDeclareOptions {
  /** Survives a restart of the broker. Default true. */
  durable?: boolean | undefined;
  /** For this connection alone, and deleted with it. Default false. */
  exclusive?: boolean | undefined;
  /** Deleted when its last consumer goes. Default false. */
  autoDelete?: boolean | undefined;
  /** Only looks whether it is there; 404 closes the channel. Default false. */
  passive?: boolean | undefined;
  /** For instance `x-queue-type`, `x-dead-letter-exchange`, `x-message-ttl` (milliseconds). */
  arguments?: FieldTable | undefined;
}

export interface QueueDeclared {
  /** The name, also where the broker chose it. */
  readonly queue: string;
  /** Messages ready for delivery. */
  readonly messageCount: number;
  readonly consumerCount: number;
}

export interface BasicPublishOptions {
  /** Return the message when no queue takes it. Default false. */
  mandatory?: boolean | undefined;
}

export interface PublishOptions extends BasicPublishOptions {
  /** Gives up: NotSentError when it was still waiting, UnknownOutcomeError when it was sent. */
  signal?: AbortSignal | undefined;
  /** Milliseconds from the call to the outcome; as `signal`. Default: none. */
  timeout?: number | undefined;
}

export interface ConsumeStreamOptions extends ConsumeOptions {
  /** Milliseconds of silence that end the loop. Default: never. */
  inactivityTimeout?: number | undefined;
}

export interface ChannelEvents {
  /** The broker closed this channel alone; it is being reopened. */
  lost: { readonly cause: AmqpError };
  /** Open again after `lost`, with so many consumers; `broken` names what the broker refused. */
  recovered: { readonly consumers: number; readonly broken: readonly BrokenEntity[] };
  /** A message of `basicPublish` with `mandatory` came back. */
  return: ReturnedMessage;
  /** The broker cancelled a consumer (its queue was deleted, its leader moved); it comes back when the queue does. */
  consumerCancelled: { readonly consumer: Consumer; readonly cause: ConsumerCancelledError };
  consumerRecovered: { readonly consumer: Consumer };
  /** A message of `basicPublish` could not be sent after all. */
  notSent: { readonly cause: Error };
  /** A delivery callback threw or rejected. Without a listener: a process warning. */
  callbackError: Error;
  /** For good: closed by you, or with the connection. */
  closed: { readonly cause: AmqpError };
}

const declareKinds = { durable: 'boolean', autoDelete: 'boolean', passive: 'boolean', arguments: 'table' } as const;
const exchangeDeclareKinds = { ...declareKinds, internal: 'boolean' } as const;
const queueDeclareKinds = { ...declareKinds, exclusive: 'boolean' } as const;
const consumeKinds = {
  consumerTag: 'name',
  noAck: 'boolean',
  exclusive: 'boolean',
  prefetch: 'prefetch',
  arguments: 'table',
} as const;
const publishKinds = { mandatory: 'boolean', signal: 'signal', timeout: 'milliseconds' } as const;
/** A stream without a prefetch of its own, on a channel without one, buffers this many. */
const defaultStreamPrefetch = 100;

export class Channel extends Events<ChannelEvents> {
  readonly #keeper: ChannelKeeper;
  readonly #topology: TopologyRecord;
  readonly #nextTag: () => string;
  readonly #streams = new Set<DeliveryStream>();

  /** Made by `connection.openChannel`. */
  constructor(host: ChannelHost, topology: TopologyRecord, settings: ChannelSettings, nextTag: () => string) {
    super();
    this.#topology = topology;
    this.#nextTag = nextTag;
    this.#keeper = new ChannelKeeper(host, settings, {
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
      onConsumerCancelled: (consumer, cause) => {
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

  /** @internal */
  get keeper(): ChannelKeeper {
    return this.#keeper;
  }

  /** True while the channel is open on the broker. */
  get isOpen(): boolean {
    return this.#keeper.life !== undefined;
  }

  /** The number of the present life; undefined while there is none. */
  get number(): number | undefined {
    return this.#keeper.life?.number;
  }

  /** Publishes that were sent and not confirmed, or wait to be sent. */
  get outstandingPublishes(): number {
    return this.#keeper.flow.outstanding;
  }

  /** channel.close, after what was published has its outcome; at most `closeTimeout`. Never rejects, idempotent. */
  async close(): Promise<void> {
    await this.#keeper.close();
  }

  // --- exchanges ----------------------------------------------------------------------------------

  /** exchange.declare. The broker refuses other arguments than those of an exchange that is there (406). */
  async exchangeDeclare(exchange: string, type: string, options: ExchangeDeclareOptions = {}): Promise<void> {
    check(exchange, 'name', 'exchange');
    check(type, 'name', 'type');
    checkOptions(options, exchangeDeclareKinds, 'exchangeDeclare');
    const { durable = true, autoDelete = false, internal = false, passive = false } = options;
    const table = options.arguments ?? {};
    const fields = { exchange, type, passive, durable, autoDelete, internal, arguments: table };
    await this.#call('exchange.declare', fields);
    if (!passive) {
      this.#topology.addExchange({ name: exchange, type, durable, autoDelete, internal, arguments: table });
    }
  }

  /** exchange.delete; a missing one is no error. `ifUnused`: only without bindings, else 406. */
  async exchangeDelete(exchange: string, options: { ifUnused?: boolean | undefined } = {}): Promise<void> {
    check(exchange, 'name', 'exchange');
    checkOptions(options, { ifUnused: 'boolean' }, 'exchangeDelete');
    await this.#call('exchange.delete', { exchange, ifUnused: options.ifUnused ?? false });
    this.#topology.removeExchange(exchange);
  }

  /** exchange.bind: messages that reach `source` and match go to `destination` too. */
  async exchangeBind(destination: string, source: string, routingKey = '', table: FieldTable = {}): Promise<void> {
    const binding = this.#binding('exchange', source, destination, routingKey, table);
    await this.#call('exchange.bind', { destination, source, routingKey, arguments: table });
    this.#topology.addBinding(binding);
  }

  /** exchange.unbind; a missing binding is no error. */
  async exchangeUnbind(destination: string, source: string, routingKey = '', table: FieldTable = {}): Promise<void> {
    const binding = this.#binding('exchange', source, destination, routingKey, table);
    await this.#call('exchange.unbind', { destination, source, routingKey, arguments: table });
    this.#topology.removeBinding(binding);
  }

  // --- queues -------------------------------------------------------------------------------------

  /** queue.declare; an empty name lets the broker choose one, which changes with each life of the connection. */
  async queueDeclare(queue = '', options: QueueDeclareOptions = {}): Promise<QueueDeclared> {
    check(queue, 'name', 'queue');
    checkOptions(options, queueDeclareKinds, 'queueDeclare');
    const { durable = true, exclusive = false, autoDelete = false, passive = false } = options;
    const table = options.arguments ?? {};
    const fields = { queue, passive, durable, exclusive, autoDelete, arguments: table };
    const declared = (await this.#call('queue.declare', fields)) as MethodFields['queue.declare-ok'];
    if (!passive) {
      const { queue: name } = declared;
      this.#topology.addQueue({
        name,
        isServerNamed: queue === '',
        durable,
        exclusive,
        autoDelete,
        arguments: table,
      });
    }
    return declared;
  }

  /** queue.delete; answers how many messages went with it. A missing queue is no error. */
  async queueDelete(
    queue: string,
    options: { ifUnused?: boolean | undefined; ifEmpty?: boolean | undefined } = {},
  ): Promise<number> {
    check(queue, 'name', 'queue');
    checkOptions(options, { ifUnused: 'boolean', ifEmpty: 'boolean' }, 'queueDelete');
    const fields = { queue, ifUnused: options.ifUnused ?? false, ifEmpty: options.ifEmpty ?? false };
    const { messageCount } = (await this.#call('queue.delete', fields)) as MethodFields['queue.delete-ok'];
    this.#topology.removeQueue(this.#topology.currentName(queue));
    return messageCount;
  }

  /** queue.purge; answers how many ready messages were dropped. */
  async queuePurge(queue: string): Promise<number> {
    check(queue, 'name', 'queue');
    return ((await this.#call('queue.purge', { queue })) as MethodFields['queue.purge-ok']).messageCount;
  }

  /** queue.bind */
  async queueBind(queue: string, exchange: string, routingKey = '', table: FieldTable = {}): Promise<void> {
    const binding = this.#binding('queue', exchange, queue, routingKey, table);
    await this.#call('queue.bind', { queue, exchange, routingKey, arguments: table });
    this.#topology.addBinding({ ...binding, destination: this.#topology.currentName(queue) });
  }

  /** queue.unbind; a missing binding is no error. */
  async queueUnbind(queue: string, exchange: string, routingKey = '', table: FieldTable = {}): Promise<void> {
    const binding = this.#binding('queue', exchange, queue, routingKey, table);
    await this.#call('queue.unbind', { queue, exchange, routingKey, arguments: table });
    this.#topology.removeBinding({ ...binding, destination: this.#topology.currentName(queue) });
  }

  // --- publishing ---------------------------------------------------------------------------------

  /** confirm.select: from here on `publish` may be used. */
  async confirmSelect(): Promise<void> {
    await this.#keeper.onLife('confirm.select', (life) => life.selectConfirms());
    this.#keeper.settings.isConfirming = true;
  }

  /**
   * basic.publish, fire and forget. A large body is not copied: do not change it afterwards. False: much is buffered, `await channel.drained()` before more. While the
   * connection is away or blocked it waits in a bounded buffer; throws NotSentError when that is full.
   */
  basicPublish(
    exchange: string,
    routingKey: string,
    body: MessageBody,
    properties?: PublishProperties,
    options: BasicPublishOptions = {},
  ): boolean {
    checkOptions(options, { mandatory: 'boolean' }, 'basicPublish');
    const keeper = this.#keeper;
    let failure: Error | undefined;
    let hasReturned = false;
    const publish = this.#message(
      exchange,
      routingKey,
      body,
      properties,
      options.mandatory ?? false,
      false,
      (error) => {
        if (!error) return;
        failure = error;
        if (hasReturned) this.emit('notSent', { cause: error });
      },
    );
    keeper.publish(publish);
    hasReturned = true;
    if (failure) throw failure;
    return keeper.flow.hasRoom;
  }

  /**
   * basic.publish with its outcome. A large body is not copied: leave it unchanged until the outcome. Resolves when the broker confirmed it. Rejects with UnroutableError (mandatory, no
   * queue took it), NackError, UnknownOutcomeError (sent, then the channel or connection went), NotSentError (safe to
   * send again), ArgumentError, or WrongStateError on a channel without confirms.
   */
  publish(
    exchange: string,
    routingKey: string,
    body: MessageBody,
    properties?: PublishProperties,
    options: PublishOptions = {},
  ): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#keeper.requireConfirms();
      checkOptions(options, publishKinds, 'publish');
      const { mandatory = false, timeout, signal } = options;
      const publish = this.#message(exchange, routingKey, body, properties, mandatory, true, (error) => {
        if (error) reject(error);
        else resolve();
      });
      if (timeout !== undefined || signal) publish.limit(timeout, signal);
      if (publish.isSettled) return;
      try {
        this.#keeper.publish(publish);
      } catch (error) {
        publish.settle(asError(error));
      }
    });
  }

  /** Resolves when nothing waits to be sent and there is room for more. Rejects when the channel ended. */
  drained(): Promise<void> {
    return this.#keeper.drained();
  }

  // --- consuming ----------------------------------------------------------------------------------

  /** basic.qos. Without `global` it is the default of consumers to come; with it, a limit over the whole channel. */
  async basicQos(prefetch: number, options: { global?: boolean | undefined } = {}): Promise<void> {
    check(prefetch, 'prefetch', 'prefetch');
    checkOptions(options, { global: 'boolean' }, 'basicQos');
    if (options.global !== true) {
      this.#keeper.settings.prefetch = prefetch;
      return;
    }
    await this.#call('basic.qos', { prefetchSize: 0, prefetchCount: prefetch, global: true });
    this.#keeper.settings.globalPrefetch = prefetch;
  }

  /**
   * basic.consume with a callback, which is called for each delivery; what it throws is reported as `callbackError`
   * and settles nothing. The consumer survives losses with its tag, arguments and prefetch.
   * Rejects with DuplicateConsumerTagError, or what the broker says (404, 403 ...).
   */
  async basicConsume(queue: string, onDelivery: DeliveryCallback, options: ConsumeOptions = {}): Promise<Consumer> {
    check(queue, 'name', 'queue');
    if (typeof onDelivery !== 'function') throw new ArgumentError('onDelivery', 'must be a function');
    checkOptions(options, consumeKinds, 'basicConsume');
    const tag = options.consumerTag === undefined || options.consumerTag === '' ? this.#nextTag() : options.consumerTag;
    const consumer = new Consumer(this.#keeper, queue, tag, onDelivery, options);
    await this.#keeper.addConsumer(consumer);
    return consumer;
  }

  /**
   * Consumes as an async iterable; it starts with the first `next()`. It buffers as many messages as the prefetch
   * allows, 100 unless said; with `noAck` the broker knows no prefetch: the whole queue comes, and what is left in the
   * buffer when the loop is left is gone.
   */
  consume(queue: string, options: ConsumeStreamOptions = {}): DeliveryStream {
    check(queue, 'name', 'queue');
    checkOptions(options, { ...consumeKinds, inactivityTimeout: 'milliseconds' }, 'consume');
    const { inactivityTimeout, ...consumeOptions } = options;
    const prefetch = options.prefetch ?? (this.#keeper.settings.prefetch || defaultStreamPrefetch);
    const stream: DeliveryStream = new DeliveryStream(
      {
        startConsumer: (onDelivery) => this.basicConsume(queue, onDelivery, { ...consumeOptions, prefetch }),
        forgetStream: () => {
          this.#streams.delete(stream);
        },
      },
      inactivityTimeout,
    );
    this.#streams.add(stream);
    return stream;
  }

  /** Ends all pull streams of the channel; answers how many undelivered messages went back, 0 when none. */
  async cancel(): Promise<number> {
    const requeued = await Promise.all([...this.#streams].map((stream) => stream.cancel()));
    return requeued.reduce((sum, count) => sum + count, 0);
  }

  /** basic.get: one message, or null when the queue is empty. */
  async basicGet(queue: string, options: { noAck?: boolean | undefined } = {}): Promise<Delivery | null> {
    check(queue, 'name', 'queue');
    checkOptions(options, { noAck: 'boolean' }, 'basicGet');
    return this.#keeper.onLife('basic.get', (life) =>
      life.get(this.#topology.currentName(queue), options.noAck ?? false),
    );
  }

  // --- looking ------------------------------------------------------------------------------------

  /** True when the queue is there. Costs no channel: a 404 closes one that is opened for the question alone. */
  async queueExists(queue: string): Promise<boolean> {
    check(queue, 'name', 'queue');
    return this.#keeper.exists('queue', queue);
  }

  /** True when the exchange is there; as `queueExists`. */
  async exchangeExists(exchange: string): Promise<boolean> {
    check(exchange, 'name', 'exchange');
    return this.#keeper.exists('exchange', exchange);
  }

  async #call<Name extends MethodName>(name: Name, fields: MethodInputs[Name]): Promise<unknown> {
    const reply = await this.#keeper.onLife(name, (life) => {
      // A server-named queue may have got another name since the caller learnt it.
      const queue = 'queue' in fields ? { queue: this.#topology.currentName(fields.queue) } : {};
      return life.call(name, { ...fields, ...queue });
    });
    return reply.fields;
  }

  #binding(
    kind: 'queue' | 'exchange',
    source: string,
    destination: string,
    routingKey: string,
    table: FieldTable,
  ): BindingRecord {
    check(destination, 'name', kind === 'queue' ? 'queue' : 'destination');
    check(source, 'name', kind === 'queue' ? 'exchange' : 'source');
    check(routingKey, 'name', 'routingKey');
    check(table, 'table', 'arguments');
    return { kind, source, destination, routingKey, arguments: table };
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
