/** basic.publish with its content: checked, routed, returned, confirmed, in that order. */
import { ByteReader, readProperties, replyCodes, type MethodFields } from '../../amqp/protocol/index.js';
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
  propertiesReader.reset(encodedProperties, 0, encodedProperties.length);
  const properties = readProperties(propertiesReader);
  if (propertiesReader.remaining > 0)
    throw connectionRefusal('frameError', 'cannot decode: bytes after the last property');
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
    const isReply = deliverReply(session, message);
    const { queues, isAccepted } = isReply ? repliedDirectly : virtualHost.publish(exchange, message);
    if (!isReply && queues.length === 0 && fields.mandatory) returnMessage(session, message);
    if (tag !== undefined) confirm(session, tag, isAccepted, virtualHost.clock);
  };
  if (session.transaction) session.transaction.steps.push(route);
  else route();
}

const repliedDirectly = { queues: [], isAccepted: true } as const;

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
  const delay = connection.confirmDelay;
  if (delay === undefined) answer();
  else if (Number.isFinite(delay)) clock.after(delay, answer);
}

function assertSize(size: number, limit: number): void {
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
