/** What a module, its features and its consumers want on the broker, in the order in which it is declared. Pure. */
import { planQueue, type ConsumerPlan } from '../consuming/consumer-plan.js';
import { bindingWish, exchangeWish, queueWish, takenQueueWish, type Wish } from '../wishes.js';
import type { NamedConnection } from './named-connection.js';

export function topologyWishes(connection: NamedConnection, plans: readonly ConsumerPlan[]): Wish[] {
  return [...moduleWishes(connection, plans), ...plans.flatMap(consumerWishes)];
}

function moduleWishes(connection: NamedConnection, plans: readonly ConsumerPlan[]): Wish[] {
  return connection.topologies.flatMap(({ where, exchanges = [], queues = [], bindings = [] }) => [
    ...exchanges.map((exchange) => exchangeWish(where, exchange)),
    ...queues
      // One that a handler consumes is declared with the handler's word on it.
      .filter(({ name }) => !plans.some((plan) => plan.queue === name && plan.declared))
      .map(({ name, ...queue }) => queueWish(where, planQueue(name, queue, false))),
    ...bindings.map((binding) => bindingWish(where, binding)),
  ]);
}

function consumerWishes({ handler, queue, declared, exchange, routingKeys, parkingQueue }: ConsumerPlan): Wish[] {
  const where = handler.name;
  const parking = parkingQueue ? [{ ...queueWish(where, parkingQueue), isParking: true }] : [];
  if (!declared) return [...parking, takenQueueWish(where, queue, 'declare: false')];
  const bindings = exchange === undefined ? [] : routingKeys.map((routingKey) => ({ exchange, queue, routingKey }));
  return [...parking, queueWish(where, declared), ...bindings.map((binding) => bindingWish(where, binding))];
}
