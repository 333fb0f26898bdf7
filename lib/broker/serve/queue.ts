/** Class queue: declare, bind, purge, delete, unbind. */
import type { MethodFields } from '../../amqp/protocol/index.js';
import type { Binding } from '../store/exchange.js';
import type { MessageQueue } from '../store/message-queue.js';
import { channelRefusal } from '../store/reply-error.js';
import { generatedName, type ChannelSession } from './channel-session.js';
import { directReplyPrefix } from './direct-reply.js';
import { assertNotReserved, operationOnDefault, withoutLineBreaks } from './exchange.js';
import type { Handlers } from './handler.js';

type QueueMethods = 'queue.declare' | 'queue.bind' | 'queue.purge' | 'queue.delete' | 'queue.unbind';

export const queueHandlers: Handlers<QueueMethods> = {
  'queue.declare': (session, fields) => {
    if (fields.queue.startsWith(directReplyPrefix)) {
      declareDirectReply(session, fields);
      return;
    }
    const queue = fields.passive ? look(session, fields.queue) : declare(session, fields);
    session.lastDeclaredQueue = queue.name;
    queue.touch();
    if (fields.noWait) return;
    const { name, messageCount, consumerCount } = queue;
    session.send('queue.declare-ok', { queue: name, messageCount, consumerCount });
  },

  'queue.bind': (session, fields) => {
    const binding = queueBinding(session, fields);
    session.virtualHost.exchange(binding.source);
    session.queue(binding.destination);
    session.virtualHost.bind(binding);
    if (!fields.noWait) session.send('queue.bind-ok', {});
  },

  'queue.unbind': (session, fields) => {
    const binding = queueBinding(session, fields);
    // What is not there is unbound already, and RabbitMQ does not ask whose queue it is.
    session.virtualHost.unbind(binding);
    session.send('queue.unbind-ok', {});
  },

  'queue.purge': (session, { queue: name, noWait }) => {
    const queue = session.queue(name);
    session.connection.user.authorise(session.virtualHost, 'read', 'queue', queue.name);
    const messageCount = queue.purge();
    if (!noWait) session.send('queue.purge-ok', { messageCount });
  },

  'queue.delete': (session, { queue: givenName, ifUnused, ifEmpty, noWait }) => {
    const { virtualHost, connection } = session;
    const name = session.queueName(givenName);
    connection.user.authorise(virtualHost, 'configure', 'queue', name);
    let messageCount = 0;
    let afterwards = (): void => {};
    if (virtualHost.findQueue(name)) {
      const deletion = virtualHost.deleteQueue(session.queue(name), { ifUnused, ifEmpty });
      messageCount = deletion.messageCount;
      afterwards = () => {
        for (const consumer of deletion.consumers) consumer.cancel();
      };
    }
    if (!noWait) session.send('queue.delete-ok', { messageCount });
    afterwards();
  },
};

function look(session: ChannelSession, givenName: string): MessageQueue {
  // A passive declare, unlike all else, does not take an empty name for the queue declared last.
  const name = withoutLineBreaks(givenName);
  session.connection.user.authoriseLook(session.virtualHost, 'queue', name);
  return session.virtualHost.queue(name, session.connection.id);
}

function declare(session: ChannelSession, fields: MethodFields['queue.declare']): MessageQueue {
  const { virtualHost, connection } = session;
  const givenName = withoutLineBreaks(fields.queue);
  const name = givenName === '' ? generatedName('amq.gen-') : givenName;
  const table = fields.arguments;
  if (givenName !== '') assertNotReserved(name, 'queue');
  connection.user.authorise(virtualHost, 'configure', 'queue', name);
  const deadLetterExchange = table['x-dead-letter-exchange'];
  if (typeof deadLetterExchange === 'string') {
    connection.user.authorise(virtualHost, 'read', 'queue', name);
    connection.user.authorise(virtualHost, 'write', 'exchange', deadLetterExchange);
  }
  return virtualHost.declareQueue(
    {
      name,
      // A queue that lives no longer than its connection is not durable, whatever was asked.
      isDurable: fields.durable && !fields.exclusive,
      isAutoDelete: fields.autoDelete,
      exclusiveOwner: fields.exclusive ? connection.id : undefined,
      arguments: table,
    },
    connection.id,
  );
}

/** A declare tells whether the requester is still there: it is there, or 404. */
function declareDirectReply(session: ChannelSession, { queue, noWait }: MethodFields['queue.declare']): void {
  if (queue !== directReplyPrefix && !session.virtualHost.directReplies.has(queue)) {
    throw channelRefusal('notFound', `no queue '${queue}' in vhost '${session.virtualHost.name}'`);
  }
  if (!noWait) session.send('queue.declare-ok', { queue, messageCount: 0, consumerCount: 1 });
}

function queueBinding(
  session: ChannelSession,
  fields: Pick<MethodFields['queue.bind'], 'queue' | 'exchange' | 'routingKey' | 'arguments'>,
): Binding {
  const { virtualHost, connection } = session;
  const name = session.queueName(fields.queue);
  // AMQP: no queue and no key bind the last queue by its own name.
  const routingKey = fields.queue === '' && fields.routingKey === '' ? name : fields.routingKey;
  if (fields.exchange === '') throw operationOnDefault();
  connection.user.authorise(virtualHost, 'write', 'queue', name);
  connection.user.authorise(virtualHost, 'read', 'exchange', fields.exchange);
  return {
    source: fields.exchange,
    destinationKind: 'queue',
    destination: name,
    routingKey,
    arguments: fields.arguments,
  };
}
