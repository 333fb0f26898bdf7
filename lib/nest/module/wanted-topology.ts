/** What a module, its features and its consumers want on the broker, in the order in which it is declared. Pure. */
import type { ConsumerPlan } from '../consuming/consumer-plan.js';
import { planQueue } from '../consuming/queue-plan.js';
import { bindingWish, exchangeWish, queueWish, takenQueueWish, type Wish } from '../starting/wishes.js';
import type { NamedConnection } from './named-connection.js';

export function topologyWishes(connection: NamedConnection, plans: readonly ConsumerPlan[]): Wish[] {
  const wishes = [...moduleWishes(connection, plans), ...plans.flatMap(consumerWishes)];
  // A binding of the module may be to a queue that a handler declares.
  const isBinding = ({ kind }: Wish): boolean => kind === 'binding';
  return [...wishes.filter((wish) => !isBinding(wish)), ...wishes.filter(isBinding)];
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

function consumerWishes({ title, queue, declared, handlers, parkingQueue }: ConsumerPlan): Wish[] {
  const parking = parkingQueue ? [{ ...queueWish(title, parkingQueue), isParking: true }] : [];
  if (!declared) return [...parking, takenQueueWish(title, queue, 'declare: false')];
  const bindings = handlers.flatMap(({ handler, exchange, routingKeys }) =>
    exchange === undefined
      ? []
      : routingKeys.map((routingKey) => bindingWish(handler.name, { exchange, queue, routingKey })),
  );
  return [...parking, queueWish(title, declared), ...bindings];
}
