/**
 * A message as the broker keeps it: where it was sent, its properties and its body.
 *
 * Properties stay encoded, so that they are passed on as the publisher wrote them; they are decoded once, at publish.
 * Must not know queues, channels or sockets.
 */
import {
  ByteWriter,
  TypedField,
  writeProperties,
  type BasicProperties,
  type FieldTable,
  type FieldValue,
} from '../../amqp/protocol/index.js';
import { decodedProperties, editProperties, type PropertyEdit } from './encoded-properties.js';
import { typeName } from './field-text.js';
import { channelRefusal } from './reply-error.js';

/** One death of a message, as an entry of x-death tells it. */
export interface Death {
  readonly queue: string;
  readonly reason: DeathReason;
  readonly count: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly exchange: string;
  readonly routingKeys: readonly string[];
  /** The `expiration` that was taken off the message. */
  readonly originalExpiration: string | undefined;
  /** The entry as a client wrote it, which is kept but for its count. */
  readonly received?: Readonly<FieldTable>;
}

export type DeathReason = 'rejected' | 'expired' | 'maxlen' | 'delivery_limit';

export interface Message {
  readonly exchange: string;
  readonly routingKey: string;
  /** Property flags and list, as they stand in the content header. */
  readonly encodedProperties: Buffer;
  readonly properties: Readonly<BasicProperties>;
  readonly body: Buffer;
  /** The routing keys of the CC and BCC headers. */
  readonly copies: readonly string[];
  /** Those of CC alone, which others may see. */
  readonly visibleCopies: readonly string[];
  /** Deaths, the last first; undefined: none that this broker saw. */
  readonly deaths: readonly Death[] | undefined;
}

/** A message in one queue. */
export interface QueuedMessage {
  readonly message: Message;
  /** Order of arrival; a requeued message goes back to where its number puts it. */
  readonly sequence: number;
  priority: number;
  /** Milliseconds since 1970; undefined: never. */
  readonly expiresAt: number | undefined;
  isRedelivered: boolean;
  /** Deliveries that failed, as RabbitMQ counts them. */
  deliveryCount: number;
  /** Of these, the ones in the queues that it died in before. */
  readonly earlierFailures: number;
  /** Times it was put back, for whatever reason. */
  requeueCount: number;
  /** It was taken by basic.get and is not settled. */
  isHeldByGet: boolean;
  /** Hand-overs to a consumer or a get, for whoever inspects. */
  attempts: number;
}

const scratch = new ByteWriter();

/** Encodes properties as they stand in a content header. */
export function encodeProperties(properties: Readonly<BasicProperties>): Buffer {
  scratch.begin();
  try {
    writeProperties(scratch, properties);
  } catch (error) {
    scratch.rollback();
    throw error;
  }
  scratch.commit();
  return Buffer.concat(scratch.take());
}

/** A message as a publisher sent it. The BCC header is for routing only, and goes no further. */
export function receivedMessage(
  exchange: string,
  routingKey: string,
  encodedProperties: Buffer,
  properties: Readonly<BasicProperties>,
  body: Buffer,
): Message {
  const { headers } = properties;
  const message: Message = {
    exchange,
    routingKey,
    encodedProperties,
    properties,
    body,
    copies: noCopies,
    visibleCopies: noCopies,
    deaths: undefined,
  };
  if (!headers || !('CC' in headers || 'BCC' in headers)) return message;
  const visibleCopies = copiesOf('CC', headers['CC']);
  const copies = [...visibleCopies, ...copiesOf('BCC', headers['BCC'])];
  if (!('BCC' in headers)) return { ...message, copies, visibleCopies };
  return { ...edited(message, { withoutHeaders: ['BCC'] }), copies, visibleCopies };
}

/** A message of a quorum queue with the headers that count its deliveries. `isGet`: on its way to a basic.get. */
export function withDeliveryCounts(queued: QueuedMessage, countsAcquisitions: boolean, isGet = false): Message {
  const { message, deliveryCount, requeueCount, earlierFailures } = queued;
  const headers: FieldTable = {};
  // Until it came back once, it was got as often as it failed elsewhere: so RabbitMQ begins to count.
  const acquisitions = requeueCount === 0 ? earlierFailures : requeueCount;
  if (countsAcquisitions && acquisitions > 0) headers['x-acquired-count'] = new TypedField('int64', acquisitions);
  if (deliveryCount > 0 || (isGet && !countsAcquisitions)) {
    headers['x-delivery-count'] = new TypedField('int64', deliveryCount);
  }
  return Object.keys(headers).length === 0 ? message : edited(message, { headers });
}

/** The same message with some properties changed; the others stay as the publisher encoded them. */
export function edited(message: Message, edit: PropertyEdit): Message {
  const encodedProperties = editProperties(message.encodedProperties, edit);
  return { ...message, encodedProperties, properties: decodedProperties(encodedProperties) };
}

/** All routing keys of a message: its own, and those of CC and BCC. */
export function routingKeysOf(message: Message): readonly string[] {
  return message.copies.length === 0 ? [message.routingKey] : [message.routingKey, ...message.copies];
}

const noCopies: readonly string[] = [];

function copiesOf(header: 'CC' | 'BCC', value: FieldValue): readonly string[] {
  if (value === undefined) return noCopies;
  if (Array.isArray(value)) return value.filter((item): item is string => typeof item === 'string');
  throw channelRefusal(
    'preconditionFailed',
    `invalid message: {unacceptable_type_in_header,"${header}",${typeName(value)}}`,
  );
}
