/**
 * What the client tells `node:diagnostics_channel`: one channel per kind of event, each with the shape below.
 *
 * Nothing is built and nothing is paid while nobody subscribes. No event holds a credential. Subscribers must not
 * change what they are given, except where it is said; what they throw Node reports as an uncaught exception.
 *
 *   import { subscribe } from 'node:diagnostics_channel';
 *   subscribe('leveret:publish', (event) => console.log((event as PublishDiagnostics).routingKey));
 *
 * Every layer may import this file, so it knows nobody but Node and, as types, the protocol.
 */
import { channel } from 'node:diagnostics_channel';
import type { AmqpError, ConnectionError } from './errors.js';
import type { BasicProperties, FieldValue } from './protocol/index.js';

/** Which connection an event is about. */
export interface ConnectionIdentity {
  /** The parameter `connectionName`. */
  readonly name: string | undefined;
  /** `host:port`, or what the transport calls itself. */
  readonly endpoint: string;
}

/** Which channel an event is about. */
export interface ChannelIdentity {
  /** Which connection. */
  readonly connection: ConnectionIdentity;
  /** The channel's number in its present life. */
  readonly number: number;
}

/** `leveret:connect`: one endpoint was tried. */
export interface ConnectDiagnostics {
  /** Which connection. */
  readonly connection: ConnectionIdentity;
  /** Milliseconds from the first byte's try to the open connection, or to the failure. */
  readonly duration: number;
  /** Why it failed; undefined when the connection is open. */
  readonly error: ConnectionError | undefined;
}

/** `leveret:close`: an open connection ended, by `close()`, by the broker or by a loss. */
export interface CloseDiagnostics {
  /** Which connection. */
  readonly connection: ConnectionIdentity;
  /** Why: ConnectionClosedError after `close()`. */
  readonly cause: ConnectionError;
}

/**
 * `leveret:publish`: a message is about to be encoded. A subscriber may add headers (a trace context) by `addHeader`,
 * only while it is called. The same object comes back as `publish` of `leveret:publish:outcome`.
 */
export interface PublishDiagnostics {
  /** Which channel. */
  readonly channel: ChannelIdentity;
  /** The exchange it is or was published to; empty for the default one. */
  readonly exchange: string;
  /** Its routing key. */
  readonly routingKey: string;
  /** Its bytes. Not to be changed. */
  readonly body: Uint8Array;
  /** Its properties, headers among them. */
  readonly properties: Readonly<BasicProperties>;
  /** Whether it comes back when no queue takes it. */
  readonly mandatory: boolean;
  /** Adds a header to the message, in place of one of the same name. */
  addHeader(name: string, value: FieldValue): void;
}

/**
 * `leveret:publish:outcome`: what became of a message that `leveret:publish` told of, on a channel with confirms;
 * without confirms nobody knows, and nothing is told.
 */
export interface PublishOutcomeDiagnostics {
  /** What `leveret:publish` told. */
  readonly publish: PublishDiagnostics;
  /** UnroutableError, NackError or UnknownOutcomeError; undefined when confirmed. */
  readonly error: AmqpError | undefined;
}

/**
 * `leveret:deliver`: a message is about to be handed to its consumer (or to the caller of basicGet, whose consumer tag
 * is empty). Published by `runStores`: an AsyncLocalStorage bound to the channel holds inside the callback.
 */
export interface DeliverDiagnostics {
  /** Which channel. */
  readonly channel: ChannelIdentity;
  /** Of the consumer; empty for basicGet. */
  readonly consumerTag: string;
  /** Its number on its channel. */
  readonly deliveryTag: number;
  /** Whether the broker delivered it before, to anyone. */
  readonly redelivered: boolean;
  /** The exchange it is or was published to; empty for the default one. */
  readonly exchange: string;
  /** Its routing key. */
  readonly routingKey: string;
  /** Its bytes. Not to be changed. */
  readonly body: Uint8Array;
  /** Decoded at the first look; throws FrameSyntaxError when the sender wrote nonsense. */
  readonly properties: Readonly<BasicProperties>;
}

/** `leveret:settle`: a delivery, or several, were settled. */
export interface SettleDiagnostics {
  /** Which channel. */
  readonly channel: ChannelIdentity;
  /** Which method: basic.ack, basic.nack or basic.reject. */
  readonly kind: 'ack' | 'nack' | 'reject';
  /** 0 with `multiple`: all unsettled deliveries of the channel. */
  readonly deliveryTag: number;
  /** With all unsettled deliveries up to it. */
  readonly multiple: boolean;
  /** Back to the queue; false for an ack. */
  readonly requeue: boolean;
  /** `stale`: nothing was sent, since the broker delivers the message again. */
  readonly result: 'sent' | 'stale';
}

/** `leveret:recover`: a lost connection is whole again. */
export interface RecoverDiagnostics {
  /** Which connection. */
  readonly connection: ConnectionIdentity;
  /** Number of the new life; the first connect was 1. */
  readonly epoch: number;
  /** How many rounds over the endpoints it took. */
  readonly attempts: number;
  /** Milliseconds since the loss. */
  readonly duration: number;
  /** How many entities and consumers the broker refused to restore. */
  readonly broken: number;
}

export const connectEvents = channel('leveret:connect');
export const closeEvents = channel('leveret:close');
export const publishEvents = channel('leveret:publish');
export const publishOutcomeEvents = channel('leveret:publish:outcome');
export const deliverEvents = channel('leveret:deliver');
export const settleEvents = channel('leveret:settle');
export const recoverEvents = channel('leveret:recover');
