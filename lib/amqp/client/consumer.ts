/** What a user holds of a consumer: its tag and queue, over all lives of its channel. */
import type { Delivery, LifeConsumer } from '../channel/index.js';
import type { FieldTable, MethodInputs } from '../protocol/index.js';
import { offsetHeader, StreamPosition } from './stream-position.js';

/** `Body` and `Headers` are what the user says that senders send; nothing is checked at run time. */
export type DeliveryCallback<Body = unknown, Headers extends FieldTable = FieldTable> = (
  delivery: Delivery<Body, Headers>,
) => unknown;

/** What `channel.basicConsume` takes. */
export interface ConsumeOptions {
  /** Default: a unique one. At most 255 bytes. */
  consumerTag?: string | undefined;
  /** The broker forgets a message once it sent it; nothing is settled. Default false. */
  noAck?: boolean | undefined;
  /** No other consumer on the queue. Default false. */
  exclusive?: boolean | undefined;
  /** Unsettled deliveries of this consumer at a time; 0 is without limit. Default: the channel's. */
  prefetch?: number | undefined;
  /** For instance `x-priority`, `x-stream-offset`. */
  arguments?: FieldTable | undefined;
}

/** What a consumer needs of its channel. */
export interface ConsumerOwner {
  cancelConsumer(consumer: Consumer): Promise<void>;
  isConsuming(consumer: Consumer): boolean;
}

/** A consumer, made by `channel.basicConsume`. It outlives the socket: after a loss it consumes again. */
export class Consumer {
  /** Its tag on the broker, the same in all lives. */
  readonly consumerTag: string;
  /** Whether the broker takes deliveries for settled once it sent them. */
  readonly isNoAck: boolean;
  /** Unsettled deliveries at a time; undefined: the channel's. */
  readonly prefetch: number | undefined;
  /** What is called for each delivery. */
  readonly onDelivery: DeliveryCallback;
  readonly #owner: ConsumerOwner;
  readonly #fields: Pick<MethodInputs['basic.consume'], 'noAck' | 'exclusive' | 'arguments'>;
  /** Of a consumer of a stream. */
  #position: StreamPosition | undefined;
  #queue: string;

  /**
   * What the lives of its channel hand deliveries to. The first one shows whether they come from a stream.
   *
   * @internal
   */
  readonly inLife: LifeConsumer;

  /** Made by `channel.basicConsume`. */
  constructor(
    owner: ConsumerOwner,
    queue: string,
    consumerTag: string,
    onDelivery: DeliveryCallback,
    options: ConsumeOptions,
  ) {
    this.#owner = owner;
    this.#queue = queue;
    this.consumerTag = consumerTag;
    this.onDelivery = onDelivery;
    this.prefetch = options.prefetch;
    this.isNoAck = options.noAck ?? false;
    const inLife: { isNoAck: boolean; onDelivery: DeliveryCallback } = {
      isNoAck: this.isNoAck,
      onDelivery: (first) => {
        const position = new StreamPosition();
        if (position.note(first)) this.#position = position;
        inLife.onDelivery = this.#position
          ? (delivery) => {
              position.note(delivery);
              return onDelivery(delivery);
            }
          : onDelivery;
        return onDelivery(first);
      },
    };
    this.inLife = inLife;
    this.#fields = { noAck: this.isNoAck, exclusive: options.exclusive ?? false, arguments: options.arguments ?? {} };
  }

  /** The queue; that of a server-named queue changes with each life of the connection. */
  get queue(): string {
    return this.#queue;
  }

  /**
   * Whether the broker hands it messages at this moment, as far as is known here: false while its channel is away, and while
   * it is cancelled or refused.
   */
  get isConsuming(): boolean {
    return this.#owner.isConsuming(this);
  }

  /**
   * basic.cancel: resolves when the broker sends nothing more. What was delivered and not settled stays with you.
   * Cancelling twice is harmless.
   */
  cancel(): Promise<void> {
    return this.#owner.cancelConsumer(this);
  }

  /** `await using consumer = ...`: cancels it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.cancel();
  }

  /** @internal */
  followQueue(name: string): void {
    this.#queue = name;
  }

  /** @internal */
  get consumeFields(): MethodInputs['basic.consume'] {
    const fields = { ...this.#fields, queue: this.#queue, consumerTag: this.consumerTag };
    const offset = this.#position?.resumption;
    return offset === undefined ? fields : { ...fields, arguments: { ...fields.arguments, [offsetHeader]: offset } };
  }
}
