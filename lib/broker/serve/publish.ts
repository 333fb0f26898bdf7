/** basic.publish with its content: checked, routed, returned, confirmed, in that order. */
import { messageOf } from '../../amqp/errors.js';
import {
  ByteReader,
  readProperties,
  replyCodes,
  type BasicProperties,
  type MethodFields,
} from '../../amqp/protocol/index.js';
import type { Exchange } from '../store/exchange.js';
import type { BrokerClock } from '../clock.js';
import { receivedMessage, type Message } from '../store/message.js';
import { channelRefusal, connectionRefusal } from '../store/reply-error.js';
import type { ChannelSession } from './channel-session.js';
import { deliverReply, withReplyAddress } from './direct-reply.js';

/** A publish whose content came in whole. */
export interface ReceivedPublish {
  readonly fields: MethodFields['basic.publish'];
  readonly encodedProperties: Buffer;
  readonly body: Buffer;
}

const propertiesReader = new ByteReader();

export function publish(session: ChannelSession, { fields, encodedProperties, body }: ReceivedPublish): void {
  const { virtualHost, connection } = session;
  const { exchange: exchangeName, routingKey } = fields;
  const properties = propertiesOf(encodedProperties);
  const received = receivedMessage(exchangeName, routingKey, encodedProperties, properties, body);
  assertSize(body.length, virtualHost.behaviour.maximumMessageSize);
  if (fields.immediate) throw connectionRefusal('notImplemented', 'immediate=true');
  connection.user.authorise(virtualHost, 'write', 'exchange', exchangeName);
  const exchange = virtualHost.exchange(exchangeName);
  if (exchange.declaration.isInternal) {
    throw channelRefusal(
      'accessRefused',
      `cannot publish to internal exchange '${exchangeName}' in vhost '${virtualHost.name}'`,
    );
  }
  assertOwnUser(properties.userId, connection.user.name);
  assertExpiration(properties.expiration);
  const message = withReplyAddress(session, received);
  const tag = session.confirms?.next();

  const route = (): void => {
    const { isTaken, isAccepted } = routed(session, exchange, message);
    if (!isTaken && fields.mandatory) returnMessage(session, message);
    if (tag !== undefined) confirm(session, tag, isAccepted, virtualHost.clock);
  };
  if (session.transaction) session.transaction.steps.push(route);
  else route();
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

interface Routed {
  /** A queue took it, or somebody who waits for a reply. */
  readonly isTaken: boolean;
  /** False: the publisher gets a nack. */
  readonly isAccepted: boolean;
}

function routed(session: ChannelSession, exchange: Exchange, message: Message): Routed {
  const fault = session.connection.conditions.publishes.top;
  if (fault !== undefined) return { isTaken: fault === 'nack', isAccepted: fault !== 'nack' };
  if (deliverReply(session, message)) return { isTaken: true, isAccepted: true };
  const { queues, isAccepted } = session.virtualHost.publish(exchange, message);
  return { isTaken: queues.length > 0, isAccepted };
}

function returnMessage(session: ChannelSession, message: Message): void {
  const { exchange, routingKey } = message;
  const fields = { replyCode: replyCodes.noRoute, replyText: 'NO_ROUTE', exchange, routingKey };
  session.sendMessage('basic.return', fields, message);
}

function confirm(session: ChannelSession, tag: number, isAccepted: boolean, clock: BrokerClock): void {
  const { confirms, connection } = session;
  if (!confirms) return;
  const answer = (): void => {
    if (session.state !== 'open') return;
    if (isAccepted) confirms.acknowledge(tag);
    else confirms.refuse(tag);
    connection.requestFlush();
  };
  const delay = connection.conditions.confirmDelay.top;
  if (delay === undefined) answer();
  else confirms.hold(tag, Number.isFinite(delay) ? clock.after(delay, answer) : undefined);
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

/** The longest time to live, in milliseconds. */
const longestExpiration = 0xffff_ffff;

function assertExpiration(expiration: string | undefined): void {
  if (expiration === undefined) return;
  const [, digits, rest = ''] = /^(-?\d+)([^]*)$/.exec(expiration) ?? [];
  let reason: string | undefined;
  if (digits === undefined) reason = 'no_integer';
  else if (rest !== '') reason = `{leftover_string,"${rest}"}`;
  else if (Number(digits) < 0) reason = `{value_negative,${digits}}`;
  else if (Number(digits) > longestExpiration) reason = `{value_too_large,${digits}}`;
  if (reason !== undefined) {
    throw channelRefusal('preconditionFailed', `invalid expiration '${expiration}': ${reason}`);
  }
}
