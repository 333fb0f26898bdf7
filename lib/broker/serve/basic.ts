/** Class basic, but for publish: qos, consume, cancel, get, ack, nack, reject, recover. */
import type { FieldTable } from '../../amqp/protocol/index.js';
import { typeName } from '../store/field-text.js';
import type { MessageQueue } from '../store/message-queue.js';
import { channelRefusal, connectionRefusal } from '../store/reply-error.js';
import type { VirtualHost } from '../store/virtual-host.js';
import { generatedName, type ChannelSession } from './channel-session.js';
import { Consumer } from './consumer.js';
import { cancelDirectReplies, consumeDirectReplies, directReplyPrefix } from './direct-reply.js';
import type { Handlers } from './handler.js';
import { applySettlement, settle } from './settlement.js';

type BasicMethods =
  | 'basic.qos'
  | 'basic.consume'
  | 'basic.cancel'
  | 'basic.get'
  | 'basic.ack'
  | 'basic.reject'
  | 'basic.nack'
  | 'basic.recover'
  | 'basic.recover-async';

export const basicHandlers: Handlers<BasicMethods> = {
  'basic.qos': (session, { prefetchSize, prefetchCount, global }) => {
    if (prefetchSize !== 0) throw connectionRefusal('notImplemented', `prefetch_size!=0 (${prefetchSize})`);
    // A limit for each consumer to come lifts that of the channel, as on RabbitMQ.
    const isOfChannel = global && session.virtualHost.behaviour.permitsGlobalPrefetch;
    session.channelPrefetch = isOfChannel ? prefetchCount : 0;
    if (!isOfChannel) session.consumerPrefetch = prefetchCount;
    session.send('basic.qos-ok', {});
    session.pump();
  },

  'basic.consume': (session, fields) => {
    const { virtualHost, connection } = session;
    const { noAck, noWait, exclusive: isExclusive } = fields;
    const tag = fields.consumerTag === '' ? generatedName('amq.ctag-') : fields.consumerTag;
    // First, as on RabbitMQ: throws where it stands for the last declared queue and there is none.
    const name = session.queueName(fields.queue);
    if (session.consumers.has(tag) || session.directReply?.consumerTag === tag) {
      throw connectionRefusal('notAllowed', `attempt to reuse consumer tag '${tag}'`);
    }
    if (fields.queue === directReplyPrefix) {
      consumeDirectReplies(session, tag, noAck);
      if (!noWait) session.send('basic.consume-ok', { consumerTag: tag });
      return;
    }
    connection.user.authorise(virtualHost, 'read', 'queue', name);
    const queue = session.queue(name);
    const priority = consumerPriority(fields.arguments, `queue '${name}' in vhost '${virtualHost.name}'`);
    assertKnown(fields.arguments, queue, virtualHost);
    if (queue.settings.type === 'quorum' && session.channelPrefetch > 0) {
      throw connectionRefusal(
        'notImplemented',
        `queue '${name}' in vhost '${virtualHost.name}' does not support global qos`,
      );
    }
    if (!queue.mayConsume(isExclusive)) {
      throw channelRefusal('accessRefused', `queue '${name}' in vhost '${virtualHost.name}' in exclusive use`);
    }
    const prefetch = session.consumerPrefetch;
    const ordinal = session.nextConsumerOrdinal();
    const consumer = new Consumer({ tag, queue, noAck, isExclusive, priority, prefetch, ordinal }, session);
    session.consumers.set(tag, consumer);
    queue.addConsumer(consumer);
    if (!noWait) session.send('basic.consume-ok', { consumerTag: tag });
    queue.pump();
  },

  'basic.cancel': (session, { consumerTag, noWait }) => {
    const consumer = session.consumers.get(consumerTag);
    if (consumer) session.removeConsumer(consumer);
    else cancelDirectReplies(session, consumerTag);
    if (!noWait) session.send('basic.cancel-ok', { consumerTag });
  },

  'basic.get': (session, { queue: givenName, noAck }) => {
    const name = session.queueName(givenName);
    session.connection.user.authorise(session.virtualHost, 'read', 'queue', name);
    const queue = session.queue(name);
    if (queue.settings.type === 'quorum' && queue.settings.isSingleActiveConsumer) {
      throw channelRefusal(
        'resourceLocked',
        `cannot obtain access to locked queue '${name}' in vhost '${session.virtualHost.name}'. basic.get operations ` +
          `are not supported by ${session.virtualHost.behaviour.quorumName} queues with single active consumer`,
      );
    }
    const got = queue.get(noAck);
    if (!got) {
      session.send('basic.get-empty', {});
      return;
    }
    const { queued, messageCount } = got;
    const deliveryTag = session.hold(queue, queued, noAck, undefined);
    const { isRedelivered: redelivered } = queued;
    const message = session.deliverable(queue, queued, true);
    const { exchange, routingKey } = message;
    const fields = { deliveryTag, redelivered, exchange, routingKey, messageCount };
    session.confirms?.flush();
    session.sendMessage('basic.get-ok', fields, message);
  },

  'basic.ack': (session, { deliveryTag, multiple }) => {
    settle(session, { how: 'ack', isFailure: false, deliveries: session.takeUnacked(deliveryTag, multiple) });
  },

  'basic.reject': (session, { deliveryTag, requeue }) => {
    const deliveries = session.takeUnacked(deliveryTag, false);
    settle(session, { how: requeue ? 'requeue' : 'reject', isFailure: true, deliveries });
  },

  'basic.nack': (session, { deliveryTag, multiple, requeue }) => {
    const isFailure = session.virtualHost.behaviour.nackCountsAsDelivery;
    const deliveries = session.takeUnacked(deliveryTag, multiple);
    settle(session, { how: requeue ? 'requeue' : 'reject', isFailure, deliveries });
  },

  'basic.recover': (session, { requeue }) => {
    recover(session, requeue, () => {
      session.send('basic.recover-ok', {});
    });
  },

  'basic.recover-async': (session, { requeue }) => {
    recover(session, requeue, () => undefined);
  },
};

/** RabbitMQ puts messages back; it never gives them to the same consumer again on purpose (requeue=false). */
/** RabbitMQ answers before it delivers again, by which clients tell the old deliveries from the new. */
function recover(session: ChannelSession, requeue: boolean, answer: () => void): void {
  if (!requeue) throw connectionRefusal('notImplemented', 'requeue=false');
  answer();
  const isFailure = session.virtualHost.behaviour.nackCountsAsDelivery;
  applySettlement(session, { how: 'requeue', isFailure, deliveries: session.takeAllUnacked() });
}

/** What no queue knows is taken. */
function assertKnown(table: Readonly<FieldTable>, { name, settings }: MessageQueue, host: VirtualHost): void {
  const foreign = Object.keys(table).find((argument) => host.behaviour.streamConsumerArguments.includes(argument));
  if (foreign === undefined) return;
  throw channelRefusal(
    'preconditionFailed',
    `invalid arg '${foreign}' for queue '${name}' in vhost '${host.name}' of queue type rabbit_${settings.type}_queue`,
  );
}

function consumerPriority(table: Readonly<FieldTable>, queue: string): number {
  const priority = table['x-priority'];
  if (priority === undefined) return 0;
  if (typeof priority === 'number' && Number.isInteger(priority)) return priority;
  throw channelRefusal(
    'preconditionFailed',
    `invalid arg 'x-priority' for ${queue}: "expected integer, got ${typeName(priority)}"`,
  );
}
