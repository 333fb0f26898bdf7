/** A message that came in, and its settlement, which is bound to the life of the channel it came over. Knows no frames. */
import { ArgumentError, MessageFormatError, WrongStateError } from '../errors.js';
import { ByteReader, readProperties, type BasicProperties, type FieldTable } from '../protocol/index.js';

/** `sent`: the broker was told. `stale`: the channel it came over is gone, and nothing was sent. */
export type SettlementResult = 'sent' | 'stale';

/** Which AMQP method settles. */
export type SettlementKind = 'ack' | 'nack' | 'reject';

/** What a delivery needs of the life of its channel. */
export interface Settler {
  isUnsettled(deliveryTag: number): boolean;
  /** True where the broker delivers the message again: settling it sends nothing. */
  isStale(deliveryTag: number): boolean;
  settle(kind: SettlementKind, deliveryTag: number, isMultiple: boolean, isRequeued: boolean): SettlementResult;
}

/** An undecoded content header: property flags and list in `buffer[start..end)`. */
export interface RawProperties {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
}

/** Message properties as AMQP names them, with the headers that the user says they have. */
export type ReceivedProperties<Headers extends FieldTable = FieldTable> = Omit<BasicProperties, 'headers'> & {
  headers?: Partial<Headers> | undefined;
};

/**
 * A message without its settlement: what basic.return, basic.deliver and basic.get-ok have in common.
 *
 * `Body` and `Headers` are what the user says that senders send; nothing is checked at run time.
 */
export class ReceivedMessage<Body = unknown, Headers extends FieldTable = FieldTable> {
  /** Where it was published; empty for the default exchange. */
  readonly exchange: string;
  /** As it was published; with the default exchange the queue's name. */
  readonly routingKey: string;
  /**
   * The bytes. Over 2 KiB they may be a view of what the socket gave at once, up to 64 KiB; fewer are a copy, so that to keep them
   * keeps no more than a few KiB.
   */
  readonly body: Buffer;
  readonly #raw: RawProperties;
  #properties: ReceivedProperties<Headers> | undefined;

  constructor(exchange: string, routingKey: string, raw: RawProperties, body: Buffer) {
    this.exchange = exchange;
    this.routingKey = routingKey;
    this.#raw = raw;
    this.body = body;
  }

  /** Decoded at the first look. Throws FrameSyntaxError when the sender wrote nonsense. */
  get properties(): ReceivedProperties<Headers> {
    return (this.#properties ??= readProperties(
      new ByteReader(this.#raw.buffer, this.#raw.start, this.#raw.end),
    ) as ReceivedProperties<Headers>);
  }

  /** The headers; empty where the message has none. */
  get headers(): Partial<Headers> {
    return this.properties.headers ?? {};
  }

  /** The body as UTF-8; bytes that are none become U+FFFD. */
  text(): string {
    return this.body.toString('utf8');
  }

  /** The body as JSON, whatever its content type says. Throws MessageFormatError when it is none. */
  json(): Body {
    try {
      return JSON.parse(this.text()) as Body;
    } catch (error) {
      throw new MessageFormatError(`the body (${String(this.body.length)} bytes) is not JSON`, { cause: error });
    }
  }
}

/** A message that the broker returned (basic.return). */
export class ReturnedMessage extends ReceivedMessage {
  constructor(
    readonly replyCode: number,
    readonly replyText: string,
    exchange: string,
    routingKey: string,
    raw: RawProperties,
    body: Buffer,
  ) {
    super(exchange, routingKey, raw, body);
  }
}

/**
 * A delivery (basic.deliver or basic.get-ok).
 *
 * Settle it once: a second time throws AlreadySettledError, as does a delivery that an earlier `multiple` covered, and
 * one of a consumer with `noAck` throws WrongStateError. After its channel or connection was lost, or taken back by
 * `basicRecover`, the broker delivers the message again; settling the old delivery then sends nothing and answers
 * `stale`.
 */
export class Delivery<Body = unknown, Headers extends FieldTable = FieldTable> extends ReceivedMessage<Body, Headers> {
  /** Empty for basic.get. */
  readonly consumerTag: string;
  /** Its number on its channel, for `channel.basicAck` and its like. It goes on over the lives of the channel. */
  readonly deliveryTag: number;
  /** The broker delivered it before, to anyone. */
  readonly redelivered: boolean;
  /** basic.get only: messages left in the queue. */
  readonly messageCount: number | undefined;
  readonly #settler: Settler;
  readonly #isNoAck: boolean;

  constructor(
    settler: Settler,
    consumerTag: string,
    deliveryTag: number,
    redelivered: boolean,
    exchange: string,
    routingKey: string,
    raw: RawProperties,
    body: Buffer,
    isNoAck: boolean,
    messageCount: number | undefined,
  ) {
    super(exchange, routingKey, raw, body);
    this.#settler = settler;
    this.consumerTag = consumerTag;
    this.deliveryTag = deliveryTag;
    this.redelivered = redelivered;
    this.#isNoAck = isNoAck;
    this.messageCount = messageCount;
  }

  /** True once it was settled, or needs no settlement (`noAck`). */
  get isSettled(): boolean {
    return this.#isNoAck || !this.#settler.isUnsettled(this.deliveryTag);
  }

  /** True when the broker delivers the message again, its channel being gone: settling this one sends nothing. */
  get isStale(): boolean {
    return this.#settler.isStale(this.deliveryTag);
  }

  /**
   * basic.ack: the broker may forget the message. `multiple` (default false): and all unsettled deliveries of the
   * channel up to this one.
   */
  ack(options?: AckOptions): SettlementResult {
    checkSettlementOptions(options, 'ack', ackOptionNames);
    return this.#settle('ack', options?.multiple ?? false, false);
  }

  /**
   * basic.nack (RabbitMQ's extension): back to the queue, or, with `requeue: false`, dropped or dead-lettered.
   * `requeue` is true and `multiple` false unless said.
   */
  nack(options?: NackOptions): SettlementResult {
    checkSettlementOptions(options, 'nack', nackOptionNames);
    return this.#settle('nack', options?.multiple ?? false, options?.requeue ?? true);
  }

  /** basic.reject: as `nack`, for one message. */
  reject(options?: RejectOptions): SettlementResult {
    checkSettlementOptions(options, 'reject', rejectOptionNames);
    return this.#settle('reject', false, options?.requeue ?? true);
  }

  #settle(kind: SettlementKind, isMultiple: boolean, isRequeued: boolean): SettlementResult {
    if (this.#isNoAck) {
      throw new WrongStateError(
        `${kind}: delivery ${String(this.deliveryTag)} came with noAck and needs no settlement`,
      );
    }
    return this.#settler.settle(kind, this.deliveryTag, isMultiple, isRequeued);
  }
}

/** What `ack` and `basicAck` take. */
export interface AckOptions {
  /** With all unsettled deliveries of the channel up to this one. Default false. */
  multiple?: boolean | undefined;
}

/** What `reject` and `basicReject` take. */
export interface RejectOptions {
  /** Back to the queue; else dropped, or dead-lettered where the queue says so. Default true. */
  requeue?: boolean | undefined;
}

/** What `nack` and `basicNack` take. */
export interface NackOptions extends AckOptions, RejectOptions {}

export const ackOptionNames: readonly string[] = ['multiple'];
export const rejectOptionNames: readonly string[] = ['requeue'];
export const nackOptionNames: readonly string[] = ['multiple', 'requeue'];

/** Others take booleans here, in another order: what was meant as `requeue: false` must not become its opposite. */
export function checkSettlementOptions(options: unknown, method: string, known: readonly string[]): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || Object.prototype.toString.call(options) !== '[object Object]') {
    throw new ArgumentError('options', `${method} takes an object such as { ${known.at(-1) ?? ''}: false }`);
  }
  for (const name in options) {
    if (!known.includes(name)) throw new ArgumentError(name, `unknown option of ${method}`);
  }
  for (const name of known) {
    const value = (options as Record<string, unknown>)[name];
    if (value !== undefined && typeof value !== 'boolean') throw new ArgumentError(name, 'must be true or false');
  }
}
