/** What the methods of a channel take, answer and tell: types, and the checks of their options. No behaviour. */
import type { ReturnedMessage } from '../channel/index.js';
import type { AmqpError, ConsumerCancelledError, MessageTooLargeError, PublishError } from '../errors.js';
import type { FieldTable } from '../protocol/index.js';
import type { BrokenEntity } from '../recovery/index.js';
import type { ConsumeOptions, Consumer } from './consumer.js';

/** The types that RabbitMQ always has; plugins add others, for instance `x-delayed-message`. */
export type ExchangeType = 'direct' | 'fanout' | 'topic' | 'headers' | (string & {});

/** What `connection.openChannel` takes. */
export interface ChannelOptions {
  /** Unsettled deliveries of each consumer at a time (basic.qos, not global); 0 is without limit. Default 0. */
  prefetch?: number | undefined;
  /** Publisher confirms (confirm.select), which `publish` needs. Default false. */
  confirm?: boolean | undefined;
  /**
   * A publish that was sent, and whose answer a loss took away, is sent again in the next life, in its place before all that
   * came after it, with the header `x-leveret-replayed: true`: it may be in the broker twice. At most three times, as many
   * as `publishBuffer` has room for, and for as long as it lets them wait; the others stay UnknownOutcomeError. Needs
   * `confirm`. Leave a body over 8 KiB unchanged until its outcome. Default false.
   */
  replayUnknown?: boolean | undefined;
  /** For people: who declared what (`declaredBy` of `connection.topology`). Default `channel 1`, `channel 2` ... At most 255 bytes. */
  name?: string | undefined;
}

/** What `channel.exchangeDeclare` takes. */
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

/** What `channel.queueDeclare` takes. */
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

/** What queue.declare-ok says of a queue. */
export interface QueueDeclared {
  /** The name, also where the broker chose it. */
  readonly queue: string;
  /** Messages ready for delivery. */
  readonly messageCount: number;
  /** Consumers on all connections. */
  readonly consumerCount: number;
}

/** What `channel.basicPublish` takes. */
export interface BasicPublishOptions {
  /** Return the message when no queue takes it. Default false. */
  mandatory?: boolean | undefined;
}

/** What `channel.publish` takes. */
export interface PublishOptions extends BasicPublishOptions {
  /** Gives up: NotSentError when it was still waiting, UnknownOutcomeError when it was sent. */
  signal?: AbortSignal | undefined;
  /** Milliseconds from the call to the outcome; as `signal`. Default: none. */
  timeout?: number | undefined;
}

/** What `channel.consume` takes. */
export interface ConsumeStreamOptions extends ConsumeOptions {
  /** Milliseconds of silence that end the loop. Default: never. */
  inactivityTimeout?: number | undefined;
}

/** The events of a channel: name, and what listeners are given. */
export interface ChannelEvents {
  /** The broker closed this channel alone; it is being reopened. */
  lost: { readonly cause: AmqpError };
  /** Open again after `lost`, with so many consumers; `broken` names what the broker refused. */
  recovered: { readonly consumers: number; readonly broken: readonly BrokenEntity[] };
  /** A message of `basicPublish` with `mandatory` came back. */
  return: ReturnedMessage;
  /**
   * The broker cancelled a consumer (its queue was deleted, its leader moved), which comes back when the queue does; or we
   * did, over a message larger than `maxMessageSize`, and it is tried again later.
   */
  consumerCancelled: { readonly consumer: Consumer; readonly cause: ConsumerCancelledError | MessageTooLargeError };
  /** A consumer that `consumerCancelled` told of consumes again. */
  consumerRecovered: { readonly consumer: Consumer };
  /** A message of `basicPublish` could not be sent after all. */
  notSent: { readonly cause: Error };
  /** A message of `basicPublish` on a channel with confirms was refused (NackError) or is lost from sight (UnknownOutcomeError). */
  notConfirmed: { readonly cause: PublishError };
  /** A delivery callback threw or rejected. Without a listener: a process warning. */
  callbackError: Error;
  /** For good: closed by you, or with the connection. */
  closed: { readonly cause: AmqpError };
}

/** What `openChannel` takes, for `checkOptions`. */
export const channelKinds = {
  prefetch: 'prefetch',
  confirm: 'boolean',
  replayUnknown: 'boolean',
  name: 'name',
} as const;
/** What `exchangeDeclare`, `queueDeclare`, `consume` and `publish` take, for `checkOptions`. */
const declareKinds = { durable: 'boolean', autoDelete: 'boolean', passive: 'boolean', arguments: 'table' } as const;
export const exchangeDeclareKinds = { ...declareKinds, internal: 'boolean' } as const;
export const queueDeclareKinds = { ...declareKinds, exclusive: 'boolean' } as const;
export const consumeKinds = {
  consumerTag: 'name',
  noAck: 'boolean',
  exclusive: 'boolean',
  prefetch: 'prefetch',
  arguments: 'table',
} as const;
export const basicPublishKinds = { mandatory: 'boolean' } as const;
export const publishKinds = { ...basicPublishKinds, signal: 'signal', timeout: 'milliseconds' } as const;
/** A stream without a prefetch of its own, on a channel without one, buffers this many. */
export const defaultStreamPrefetch = 100;
