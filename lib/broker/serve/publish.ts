/** basic.publish with its content: checked, routed, returned, confirmed, in that order. */
import { messageOf } from '../../amqp/errors.js';
import {
  ByteReader,
  readProperties,
  replyCodes,
  type BasicProperties,
  type MethodFields,
} from '../../amqp/protocol/index.js';
import { edited, receivedMessage, type Message } from '../store/message.js';
import { sizeOf, type MemoryLedger } from '../store/memory-ledger.js';
import type { MessageQueue } from '../store/message-queue.js';
import { channelRefusal, connectionRefusal } from '../store/reply-error.js';
import type { ChannelSession, Transaction } from './channel-session.js';
import type { PublishFate } from './conditions.js';
import { deliverReply, directReplyPrefix, replyAddress } from './direct-reply.js';

/** A publish whose content came in whole. */
export interface ReceivedPublish {
  readonly fields: MethodFields['basic.publish'];
  readonly encodedProperties: Buffer;
  readonly body: Buffer;
  /** What faults make of this one alone. */
  readonly fate: PublishFate | undefined;
}

const propertiesReader = new ByteReader();

export function publish(session: ChannelSession, { fields, encodedProperties, body, fate }: ReceivedPublish): void {
  const { virtualHost, connection } = session;
  const { exchange: exchangeName, routingKey } = fields;
  if (fields.immediate) throw connectionRefusal('notImplemented', 'immediate=true');
  assertSize(body.length, virtualHost.behaviour.maximumMessageSize);
  connection.user.authorise(virtualHost, 'write', 'exchange', exchangeName);
  const exchange = virtualHost.exchange(exchangeName);
  if (exchange.declaration.isInternal) {
    throw channelRefusal(
      'accessRefused',
      `cannot publish to internal exchange '${exchangeName}' in vhost '${virtualHost.name}'`,
    );
  }
  const properties = propertiesOf(encodedProperties);
  const { replyTo } = properties;
  const address = replyTo === directReplyPrefix ? replyAddress(session) : undefined;
  const userName = connection.user.name;
  if (!virtualHost.behaviour.checksUserLast) assertOwnUser(properties.userId, userName);
  assertExpiration(properties.expiration);
  const received = receivedMessage(exchangeName, routingKey, encodedProperties, properties, body);
  if (virtualHost.behaviour.checksUserLast) assertOwnUser(properties.userId, userName);
  const message = completed(received, address, virtualHost.behaviour.rewritesExpiration);
  const tag = session.confirms?.next();
  // Within a transaction too: what is bound, or declared, before the commit comes too late.
  const routed = virtualHost.route(exchange, message);

  const deliver = (): boolean => {
    const { isTaken, isAccepted } = delivered(session, message, routed, fate);
    if (!isTaken && fields.mandatory) returnMessage(session, message);
    if (tag !== undefined) confirm(session, tag, isAccepted, fate);
    return isAccepted;
  };
  if (session.transaction) holdUntilCommit(session.transaction, message, deliver, virtualHost.memory);
  else deliver();
}

function holdUntilCommit(
  transaction: Transaction,
  message: Message,
  deliver: () => boolean,
  memory: MemoryLedger,
): void {
  const bytes = sizeOf(message);
  transaction.heldBytes += bytes;
  memory.add(bytes);
  transaction.publishes.push(() => {
    // From here on its queues count it.
    transaction.heldBytes -= bytes;
    memory.remove(bytes);
    return deliver();
  });
}

/** With the reply address in place of the pseudo-queue's name, and the expiration as RabbitMQ passes it on. */
function completed(message: Message, replyTo: string | undefined, rewritesExpiration: boolean): Message {
  const { expiration } = message.properties;
  const plain = rewritesExpiration && expiration !== undefined ? String(Number(expiration)) : expiration;
  if (replyTo === undefined && plain === expiration) return message;
  return edited(message, {
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(plain === undefined ? {} : { expiration: plain }),
  });
}

/** RabbitMQ has no better code for them than 541. */
function propertiesOf(encoded: Buffer): BasicProperties {
  propertiesReader.reset(encoded, 0, encoded.length);
  let properties: BasicProperties;
  try {
    properties = readProperties(propertiesReader);
  } catch (error) {
    throw connectionRefusal('internalError', `cannot decode properties: ${messageOf(error)}`);
  }
  if (propertiesReader.remaining === 0) return properties;
  throw connectionRefusal('internalError', 'cannot decode properties: bytes after the last one');
}

interface Delivered {
  /** A queue took it, or somebody who waits for a reply. */
  readonly isTaken: boolean;
  /** False: the publisher gets a nack. */
  readonly isAccepted: boolean;
}

function delivered(
  session: ChannelSession,
  message: Message,
  routed: readonly MessageQueue[],
  fate: PublishFate | undefined,
): Delivered {
  const fault = fate?.outcome ?? session.connection.conditions.publishes.top;
  if (fault !== undefined) return { isTaken: fault === 'nack', isAccepted: fault !== 'nack' };
  if (deliverReply(session, message)) return { isTaken: true, isAccepted: true };
  const { queues, isAccepted } = session.virtualHost.deliver(message, routed, (queue) => session.isNewTo(queue));
  return { isTaken: queues.length > 0, isAccepted };
}

function returnMessage(session: ChannelSession, message: Message): void {
  const { exchange, routingKey } = message;
  const fields = { replyCode: replyCodes.noRoute, replyText: 'NO_ROUTE', exchange, routingKey };
  session.sendMessage('basic.return', fields, message);
}

function confirm(session: ChannelSession, tag: number, isAccepted: boolean, fate: PublishFate | undefined): void {
  const { confirms, connection } = session;
  if (!confirms) return;
  const answer = (): void => {
    if (session.state !== 'open') return;
    if (isAccepted) confirms.acknowledge(tag);
    else confirms.refuse(tag);
    connection.requestFlush();
  };
  const delay = fate?.delay ?? connection.conditions.confirmDelay.top;
  if (!delay || delay.isReleased) answer();
  else confirms.hold(tag, delay.hold(answer, session.virtualHost.clock));
}

/** Throws 406 for a body over max_message_size. */
export function assertSize(size: number, limit: number): void {
  if (size <= limit) return;
  throw channelRefusal('preconditionFailed', `message size ${size} is larger than configured max size ${limit}`);
}

function assertOwnUser(claimed: string | undefined, actual: string): void {
  if (claimed === undefined || claimed === actual) return;
  throw channelRefusal(
    'preconditionFailed',
    `user_id property set to '${claimed}' but authenticated user was '${actual}'`,
  );
}

/** The longest time to live, in milliseconds: ten years. */
const longestExpiration = 315_360_000_000;

function assertExpiration(expiration: string | undefined): void {
  if (expiration === undefined) return;
  const [, digits, rest = ''] = /^([-+]?\d+)([^]*)$/.exec(expiration) ?? [];
  let reason: string | undefined;
  if (digits === undefined) reason = 'no_integer';
  else if (rest !== '') reason = `{leftover_string,"${rest}"}`;
  else if (Number(digits) < 0) reason = `{value_negative,${Number(digits)}}`;
  else if (Number(digits) > longestExpiration) reason = `{value_too_large,${Number(digits)}}`;
  if (reason !== undefined) {
    throw channelRefusal('preconditionFailed', `invalid expiration '${expiration}': ${reason}`);
  }
}
