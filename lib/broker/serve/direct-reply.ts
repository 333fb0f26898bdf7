/**
 * Direct reply-to: the pseudo-queue amq.rabbitmq.reply-to, a reply address for each channel that consumes it.
 *
 * RabbitMQ documents it under "Direct Reply-to".
 */
import type { Message } from '../store/message.js';
import { channelRefusal } from '../store/reply-error.js';
import { generatedName, type ChannelSession } from './channel-session.js';

export const directReplyPrefix = 'amq.rabbitmq.reply-to';

/** basic.consume on the pseudo-queue. */
export function consumeDirectReplies(session: ChannelSession, consumerTag: string, noAck: boolean): void {
  if (!noAck) throw channelRefusal('preconditionFailed', 'reply consumer cannot acknowledge');
  if (session.directReply) throw channelRefusal('preconditionFailed', 'reply consumer already set');
  const address = generatedName(`${directReplyPrefix}.`);
  session.directReply = { consumerTag, address };
  session.virtualHost.directReplies.set(address, (message) => {
    session.deliverDirectly(consumerTag, message);
  });
}

/** basic.cancel of the reply consumer; answers whether it was that one. */
export function cancelDirectReplies(session: ChannelSession, consumerTag: string): boolean {
  if (session.directReply?.consumerTag !== consumerTag) return false;
  session.virtualHost.directReplies.delete(session.directReply.address);
  session.directReply = undefined;
  return true;
}

/** What a request's `reply-to: amq.rabbitmq.reply-to` becomes: the channel's own address. */
export function replyAddress(session: ChannelSession): string {
  if (!session.directReply) throw channelRefusal('preconditionFailed', 'fast reply consumer does not exist');
  return session.directReply.address;
}

/** Hands a reply to the channel that waits for it; false when this is no reply, or nobody waits. */
export function deliverReply(session: ChannelSession, message: Message): boolean {
  if (message.exchange !== '' || !message.routingKey.startsWith(`${directReplyPrefix}.`)) return false;
  const target = session.virtualHost.directReplies.get(message.routingKey);
  target?.(message);
  return target !== undefined;
}
