/** How the queue of a consumer is declared, and its parking queue. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { FieldTable } from '../../amqp/index.js';
import { queueOptionNames, type ConsumeOptions, type QueueOptions } from '../decorators/consume-options.js';
import { ConfigurationError } from '../errors.js';
import { moduleName, type QueueDefinition } from '../module/amqp-options.js';
import type { QueueWish } from '../starting/wishes.js';
import { parkingQueue } from '../retrying/parking.js';

/** The module's word on a queue together with the decorator's. Throws ConfigurationError where they differ. */
export function mergeQueue(
  where: string,
  options: ConsumeOptions,
  shared: QueueDefinition | undefined,
  connection: string,
): QueueOptions {
  if (!shared) return options;
  const differing = queueOptionNames.filter(
    (name) =>
      options[name] !== undefined && shared[name] !== undefined && !isDeepStrictEqual(options[name], shared[name]),
  );
  if (differing.length > 0) {
    throw new ConfigurationError(
      where,
      `the queue "${options.queue}" is declared by ${moduleName(connection)} too, with a different ${differing.join(', ')}`,
    );
  }
  return Object.fromEntries(queueOptionNames.map((name) => [name, options[name] ?? shared[name]]));
}

export function isQuorum(queue: QueueOptions): boolean {
  return queue.queueType === 'quorum' || queue.arguments?.['x-queue-type'] === 'quorum';
}

/**
 * A queue as it goes over the wire. A quorum queue counts lost connections as deliveries and drops a message past its
 * limit (20, from RabbitMQ 4.0), so ours dead-letter to their parking queue unless told otherwise.
 */
export function planQueue(name: string, queue: QueueOptions, isParked: boolean): QueueWish {
  const { queueType, deadLetter, durable = true, exclusive = false, autoDelete = false } = queue;
  const table: FieldTable = { ...queue.arguments };
  if (queueType !== undefined && queueType !== 'classic') table['x-queue-type'] = queueType;
  if (deadLetter) {
    table['x-dead-letter-exchange'] = deadLetter.exchange;
    if (deadLetter.routingKey !== undefined) table['x-dead-letter-routing-key'] = deadLetter.routingKey;
  } else if (isQuorum(queue) && isParked && table['x-dead-letter-exchange'] === undefined) {
    table['x-dead-letter-exchange'] = '';
    table['x-dead-letter-routing-key'] = parkingQueue(name);
  }
  return { name, durable, exclusive, autoDelete, arguments: table };
}

/**
 * So many deliveries as no message has. RabbitMQ 4 means "without limit" by -1, 3.10 that the first message to be given back
 * is dropped.
 */
const practicallyUnlimited = 0x7fff_ffff;

/**
 * A parking queue. To look at what is in it counts as a delivery, so a quorum queue is told to bear any number of these: past
 * the default of RabbitMQ 4 (20) it would drop what is parked.
 */
export function planParkingQueue(queue: string, isQuorumQueue: boolean): QueueWish {
  return {
    name: parkingQueue(queue),
    durable: true,
    exclusive: false,
    autoDelete: false,
    arguments: isQuorumQueue ? { 'x-queue-type': 'quorum', 'x-delivery-limit': practicallyUnlimited } : {},
  };
}
