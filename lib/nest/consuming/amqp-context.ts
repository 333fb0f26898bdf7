/** What a handler, guard, pipe, interceptor or filter may know of the delivery at hand: `@Ctx() context: AmqpContext`. */
import { BaseRpcContext } from '@nestjs/microservices';
import type { BasicProperties, Channel, Delivery, FieldTable } from '../../amqp/index.js';
import { asAmqplibMessage, type AmqplibMessage } from './amqplib-message.js';
import { channelReference, type ChannelReference } from './channel-reference.js';
import { currentDelivery } from './current-delivery.js';
import { historyOf, type FailedRun, type MessageOrigin } from '../retrying/message-copy.js';
import type { Settlement } from './settlement.js';

export interface AmqpContextParts {
  readonly delivery: Delivery;
  /** The channel that it came over. */
  readonly channel: Channel;
  readonly queue: string;
  /** Where the message was published first, where it is a copy. Default: as the delivery says. */
  readonly origin?: MessageOrigin | undefined;
  /** This run's number. Default 1. */
  readonly attempts?: number | undefined;
  /** Default: the routing key. */
  readonly pattern?: string | undefined;
  /** `Class.method`. Default: the pattern. */
  readonly handler?: string | undefined;
  /** Name of the connection. Default `default`. */
  readonly connection?: string | undefined;
  /** Asked for its `signal` when the context is. Default: one that never aborts. */
  readonly ending?: { readonly signal: AbortSignal } | undefined;
  readonly settlement?: Settlement | undefined;
}

const neverEnding = new AbortController();

/** `getArgs()` gives the delivery, its channel and its pattern, as the context of Nest's own RabbitMQ transport does. */
export class AmqpContext extends BaseRpcContext<[Delivery, Channel, string]> {
  /** Settles the delivery by hand; see `@Ack`. */
  readonly settlement: Settlement | undefined;
  readonly #parts: AmqpContextParts;

  constructor(parts: AmqpContextParts) {
    super([parts.delivery, parts.channel, parts.pattern ?? (parts.origin ?? parts.delivery).routingKey]);
    this.#parts = parts;
    this.settlement = parts.settlement;
  }

  /**
   * The context of the delivery that the calling code works for, however deep it was called or awaited; undefined outside
   * of handlers.
   */
  static current(): AmqpContext | undefined {
    // Nothing else is ever put there, but maybe by the other copy of the package.
    return currentDelivery() as AmqpContext | undefined;
  }

  /**
   * Aborts when nobody waits for the handler any more: its `timeout` passed (reason: HandlerTimeoutError), or the
   * application closes and `drainTimeout` passed (reason: ShutdownError; the message goes back to the queue).
   */
  get signal(): AbortSignal {
    return (this.#parts.ending ?? neverEnding).signal;
  }

  /** The delivery as the client gave it. */
  get delivery(): Delivery {
    return this.#parts.delivery;
  }

  /**
   * As `delivery`; the name that Nest's own transport uses. For handlers that were written for that it has amqplib's names
   * too: `content`, `fields`.
   */
  getMessage(): Delivery & AmqplibMessage {
    return asAmqplibMessage(this.#parts.delivery);
  }

  /** The channel that the delivery came over. */
  get channel(): Channel {
    return this.#parts.channel;
  }

  /** For handlers written for Nest's RmqContext, which settle by it: `ack(message)`, `nack(message)`, `reject(message)`. */
  getChannelRef(): ChannelReference {
    return channelReference;
  }

  getQueue(): string {
    return this.#parts.queue;
  }

  /** `Class.method`. */
  getHandler(): string {
    return this.#parts.handler ?? this.args[2];
  }

  /** Name of the connection. */
  getConnection(): string {
    return this.#parts.connection ?? 'default';
  }

  /** Where it was published; of a message that is tried again, or was replayed, where it was published first. */
  getExchange(): string {
    return (this.#parts.origin ?? this.#parts.delivery).exchange;
  }

  /** As `getExchange`. */
  getRoutingKey(): string {
    return (this.#parts.origin ?? this.#parts.delivery).routingKey;
  }

  /**
   * The number of this run: 1, and one more for each that failed before, over restarts too. A run that ended with its
   * connection or its process is none that failed, and not counted.
   */
  get attempts(): number {
    return this.#parts.attempts ?? 1;
  }

  /** The failures of the runs before this one, the last ten at most, the oldest first. */
  getHistory(): readonly FailedRun[] {
    return historyOf(this.#parts.delivery, this.#parts.queue);
  }

  /** The pattern of a handler of the transport, the routing key of one with `@Consume`. */
  getPattern(): string {
    return this.args[2];
  }

  getProperties(): Readonly<BasicProperties> {
    return this.#parts.delivery.properties;
  }

  getHeaders(): Readonly<FieldTable> {
    return this.#parts.delivery.properties.headers ?? {};
  }
}
