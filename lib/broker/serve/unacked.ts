/**
 * Deliveries that are not acknowledged, in the portions in which RabbitMQ settles them: one for each consumer and queue.
 *
 * Pure; must not know what settling does.
 */
import type { QueuedMessage } from '../store/message.js';
import type { MessageQueue } from '../store/message-queue.js';
import type { Consumer } from './consumer.js';

export interface UnackedDelivery {
  readonly tag: number;
  readonly queue: MessageQueue;
  readonly queued: QueuedMessage;
  /** Undefined: a basic.get. */
  readonly consumer: Consumer | undefined;
}

/** What a client's ack, nack or reject says of deliveries. */
export interface Settlement {
  readonly how: 'ack' | 'requeue' | 'reject';
  /** It counts as a delivery that failed, see MessageQueue.requeue. */
  readonly isFailure: boolean;
  readonly deliveries: readonly UnackedDelivery[];
}

/** Deliveries of one queue to one consumer, in the order of their tags. */
export interface Portion {
  readonly queue: MessageQueue;
  readonly deliveries: readonly UnackedDelivery[];
}

/**
 * By the names of queues, then by consumer tags; what was got comes first, and each get for itself.
 * That is the order in which a channel of RabbitMQ tells its queues of one settlement.
 */
export function portionsOf(deliveries: readonly UnackedDelivery[]): readonly Portion[] {
  const [first] = deliveries;
  if (!first) return [];
  if (deliveries.length === 1) return [{ queue: first.queue, deliveries }];
  const sorted = deliveries.toSorted(
    (left, right) => compare(left.queue.name, right.queue.name) || compareConsumers(left, right),
  );
  const portions: { queue: MessageQueue; deliveries: UnackedDelivery[] }[] = [];
  let previous: UnackedDelivery | undefined;
  for (const delivery of sorted) {
    if (previous && belongTogether(previous, delivery)) portions.at(-1)?.deliveries.push(delivery);
    else portions.push({ queue: delivery.queue, deliveries: [delivery] });
    previous = delivery;
  }
  return portions;
}

/** As they come back to a quorum queue when their channel ends; `isByAge`: see Behaviour.returnsByAgeOfConsumers. */
export function inOrderOfReturn(deliveries: readonly UnackedDelivery[], isByAge: boolean): UnackedDelivery[] {
  if (!isByAge) return deliveries.toSorted(compareConsumers);
  const age = ({ consumer }: UnackedDelivery): number => consumer?.ordinal ?? Number.MAX_SAFE_INTEGER;
  return deliveries.toSorted((left, right) => age(left) - age(right) || left.tag - right.tag);
}

function belongTogether(left: UnackedDelivery, right: UnackedDelivery): boolean {
  return left.consumer !== undefined && left.queue === right.queue && left.consumer.tag === right.consumer?.tag;
}

/** What was got comes first. */
function compareConsumers(left: UnackedDelivery, right: UnackedDelivery): number {
  return compare(left.consumer?.tag ?? '', right.consumer?.tag ?? '') || left.tag - right.tag;
}

const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);
