/** Data with message options of its own, for `send`, `emit` and `request`; analogous to Nest's RmqRecord. */
import type { FieldTable, PublishProperties } from '../../amqp/index.js';

/** Message properties by AMQP's names in camelCase, and what amqplib calls differently. */
export interface AmqpRecordOptions extends Omit<
  PublishProperties,
  'correlationId' | 'replyTo' | 'expiration' | 'timestamp' | 'headers'
> {
  headers?: FieldTable | undefined;
  /** Milliseconds in the queue after which the broker drops the message. */
  expiration?: string | number | undefined;
  /** A number is seconds since 1970. */
  timestamp?: Date | number | undefined;
  /** Further routing keys (RabbitMQ's sender-selected distribution). */
  CC?: string | readonly string[] | undefined;
  /** As CC, and hidden from the receivers. */
  BCC?: string | readonly string[] | undefined;
  /** The message comes back when no queue takes it. Default: true for requests and for what is sent to a queue. */
  mandatory?: boolean | undefined;
}

export class AmqpRecord<TData = unknown> {
  constructor(
    readonly data: TData,
    readonly options: AmqpRecordOptions = {},
  ) {}
}

/** `new AmqpRecordBuilder(data).setOptions({ headers, priority }).build()`, also `new AmqpRecordBuilder(data, options)`. */
export class AmqpRecordBuilder<TData = unknown> {
  #data: TData;
  #options: AmqpRecordOptions;

  constructor(data: TData, options: AmqpRecordOptions = {}) {
    this.#data = data;
    this.#options = options;
  }

  setData(data: TData): this {
    this.#data = data;
    return this;
  }

  setOptions(options: AmqpRecordOptions): this {
    this.#options = options;
    return this;
  }

  build(): AmqpRecord<TData> {
    return new AmqpRecord(this.#data, this.#options);
  }
}
