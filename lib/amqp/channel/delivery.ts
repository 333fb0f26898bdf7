/** A message that came in, and its settlement, which is bound to the life of the channel it came over. */
import { AlreadySettledError, ArgumentError, WrongStateError } from '../errors.js';
import { ByteReader, readProperties, type BasicProperties } from '../protocol/index.js';

/** `sent`: the broker was told. `stale`: the channel it came over is gone, and nothing was sent. */
export type SettlementResult = 'sent' | 'stale';

/** What a delivery needs of the life of its channel. */
export interface Settler {
  /** False once the life is over: nothing can be settled any more. */
  readonly isOpen: boolean;
  /** Highest tag that a settlement with `multiple` covered. */
  readonly settledThrough: number;
  settle(
    kind: 'ack' | 'nack' | 'reject',
    deliveryTag: number,
    isMultiple: boolean,
    isRequeued: boolean,
  ): SettlementResult;
}

/** An undecoded content header: property flags and list in `buffer[start..end)`. */
export interface RawProperties {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
}

/** A message without its settlement: what basic.return, basic.deliver and basic.get-ok have in common. */
export class ReceivedMessage {
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
  readonly #raw: RawProperties;
  #properties: BasicProperties | undefined;

  constructor(exchange: string, routingKey: string, raw: RawProperties, body: Buffer) {
    this.exchange = exchange;
    this.routingKey = routingKey;
    this.#raw = raw;
    this.body = body;
  }

  /** Decoded at the first look. Throws FrameSyntaxError when the sender wrote nonsense. */
  get properties(): BasicProperties {
    return (this.#properties ??= readProperties(new ByteReader(this.#raw.buffer, this.#raw.start, this.#raw.end)));
  }
}

/**
 * A delivery (basic.deliver or basic.get-ok).
 *
 * Settle it once: a second time throws AlreadySettledError, as does a delivery that an earlier `multiple` covered, and
 * one of a consumer with `noAck` throws WrongStateError. After its channel or connection was lost the broker delivers
 * the message again; settling the old delivery then sends nothing and answers `stale`.
 */
export class Delivery extends ReceivedMessage {
  readonly consumerTag: string;
  readonly deliveryTag: number;
  /** The broker delivered it before, to anyone. */
  readonly redelivered: boolean;
  /** basic.get only: messages left in the queue. */
  readonly messageCount: number | undefined;
  readonly #settler: Settler;
  readonly #isNoAck: boolean;
  #isSettled = false;

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
    return this.#isNoAck || this.#isSettled || this.deliveryTag <= this.#settler.settledThrough;
  }

  /** True when its channel is gone: the broker delivers the message again, and settling this one sends nothing. */
  get isStale(): boolean {
    return !this.#settler.isOpen;
  }

  /** basic.ack: done with. `multiple`: with all unsettled deliveries of the channel up to this one. */
  ack(options?: { multiple?: boolean }): SettlementResult {
    checkSettlementOptions(options, 'ack');
    return this.#settle('ack', options?.multiple ?? false, false);
  }

  /** basic.nack: back to the queue, or, without `requeue`, dropped or dead-lettered. `requeue` is true unless said. */
  nack(options?: { multiple?: boolean; requeue?: boolean }): SettlementResult {
    checkSettlementOptions(options, 'nack');
    return this.#settle('nack', options?.multiple ?? false, options?.requeue ?? true);
  }

  /** basic.reject: as `nack`, for one message. */
  reject(options?: { requeue?: boolean }): SettlementResult {
    checkSettlementOptions(options, 'reject');
    return this.#settle('reject', false, options?.requeue ?? true);
  }

  #settle(kind: 'ack' | 'nack' | 'reject', isMultiple: boolean, isRequeued: boolean): SettlementResult {
    if (this.#isNoAck) {
      throw new WrongStateError(
        `${kind}: delivery ${String(this.deliveryTag)} came with noAck and needs no settlement`,
      );
    }
    if (this.#isSettled || this.deliveryTag <= this.#settler.settledThrough) {
      throw new AlreadySettledError(`${kind}: delivery ${String(this.deliveryTag)} was settled before`);
    }
    const result = this.#settler.settle(kind, this.deliveryTag, isMultiple, isRequeued);
    this.#isSettled = true;
    return result;
  }
}

/** Others take booleans here, in another order: what was meant as `requeue: false` must not become its opposite. */
function checkSettlementOptions(options: unknown, method: string): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null) {
    throw new ArgumentError('options', `${method} takes an object such as { requeue: false }`);
  }
  for (const [name, value] of Object.entries(options)) {
    if (name !== 'multiple' && name !== 'requeue') throw new ArgumentError(name, `unknown option of ${method}`);
    if (value !== undefined && typeof value !== 'boolean') throw new ArgumentError(name, 'must be true or false');
  }
}
