/**
 * Declares at start what a module, its features and its consumers name. What is on the broker otherwise is found before
 * anything is declared, and told argument by argument; what the broker refuses becomes a ConfigurationError that names the
 * entity and carries the broker's words.
 */
import {
  ChannelClosedByBrokerError,
  ConnectionClosedByBrokerError,
  Plan,
  type Channel,
  type PlannedEntity,
} from '../../amqp/index.js';
import { planQueue, type ConsumerPlan, type QueuePlan } from '../consuming/consumer-plan.js';
import { ConfigurationError, TopologyConflictError } from '../errors.js';
import type { BindingDefinition, ExchangeDefinition } from './amqp-options.js';
import type { NamedConnection } from './named-connection.js';

/** What is to be there, and who says so. */
interface Wish {
  readonly where: string;
  /** For errors: `queue "orders"`. */
  readonly title: string;
  readonly kind: 'exchange' | 'queue' | 'binding';
  readonly name: string;
  readonly exchange?: ExchangeDefinition;
  readonly queue?: QueuePlan;
  readonly binding?: BindingDefinition;
  /** A parking queue: an application starts without what it wanted of it. */
  readonly isParking?: boolean;
  /** Taken as it is: it must be there. */
  readonly isTaken?: boolean;
}

export interface TopologyHooks {
  /** Is told of what an application can start without. */
  readonly warn: (message: string) => void;
  /** Conflicts: answers whether what is there is to be used as it is; throws to end the start. */
  readonly onConflicts: (error: TopologyConflictError) => boolean | Promise<boolean>;
}

/** Rejects with ConfigurationError, or what `onConflicts` throws. */
export async function declareTopology(
  connection: NamedConnection,
  plans: readonly ConsumerPlan[],
  hooks: TopologyHooks,
): Promise<void> {
  const wishes = [...moduleWishes(connection, plans), ...plans.flatMap(consumerWishes)];
  const present = await presentState(connection, wishes, hooks);
  const channel = await connection.connection.openChannel();
  // Refusals are reported to whoever asked.
  channel.on('lost', () => undefined);
  try {
    for (const wish of wishes) await grant(channel, wish, present.get(keyOf(wish)), hooks);
  } finally {
    await channel.close();
  }
}

// --- what is wanted -------------------------------------------------------------------------------

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
  if (!declared) return [...parking, { where, title: `queue "${queue}"`, kind: 'queue', name: queue, isTaken: true }];
  const bindings = exchange === undefined ? [] : routingKeys.map((routingKey) => ({ exchange, queue, routingKey }));
  return [...parking, queueWish(where, declared), ...bindings.map((binding) => bindingWish(where, binding))];
}

function exchangeWish(where: string, exchange: ExchangeDefinition): Wish {
  return { where, title: `exchange "${exchange.name}"`, kind: 'exchange', name: exchange.name, exchange };
}

function queueWish(where: string, queue: QueuePlan): Wish {
  return { where, title: `queue "${queue.name}"`, kind: 'queue', name: queue.name, queue };
}

function bindingWish(where: string, binding: BindingDefinition): Wish {
  const { exchange, queue, toExchange = '', routingKey = '' } = binding;
  const bound = queue === undefined ? `exchange "${toExchange}"` : `queue "${queue}"`;
  const title = `the binding of ${bound} to the exchange "${exchange}" with "${routingKey}"`;
  return { where, title, kind: 'binding', name: exchange, binding };
}

function keyOf({ kind, name }: { readonly kind: string; readonly name: string }): string {
  return `${kind} ${name}`;
}

// --- what is there --------------------------------------------------------------------------------

/** Exchanges and queues by kind and name. */
async function presentState(
  connection: NamedConnection,
  wishes: readonly Wish[],
  { warn, onConflicts }: TopologyHooks,
): Promise<ReadonlyMap<string, PlannedEntity>> {
  for (;;) {
    const plan = await connection.connection.plan({
      exchanges: wishes.flatMap(({ exchange }) => exchange ?? []),
      queues: wishes.flatMap(({ queue }) => queue ?? []),
    });
    const present = new Map(plan.entities.map((entity) => [keyOf(entity), entity]));
    const isTold = (wish: Wish): boolean => present.get(keyOf(wish))?.state === 'conflict';
    const differing = wishes.filter((wish) => isTold(wish) && wish.isParking !== true);
    if (differing.length === 0 || (await onConflicts(conflictError(differing, present)))) {
      for (const wish of wishes.filter(isTold)) {
        const entity = present.get(keyOf(wish));
        if (entity) warn(`${wish.where}: it is used as it is: ${inWords(entity)}`);
      }
      return present;
    }
  }
}

function conflictError(wishes: readonly Wish[], present: ReadonlyMap<string, PlannedEntity>): TopologyConflictError {
  const told = wishes.flatMap((wish) => {
    const entity = present.get(keyOf(wish));
    return entity ? [{ wish, entity }] : [];
  });
  const [{ where } = { where: 'AmqpModule' }] = wishes;
  const problems = told.map(({ wish, entity }) => (wish.where === where ? '' : `${wish.where}: `) + inWords(entity));
  return new TopologyConflictError(
    where,
    `the broker has it otherwise than declared: ${problems.join('\n')}`,
    told.map(({ entity }) => entity),
  );
}

/** `conflict queue orders`, and a line for each argument. */
function inWords(entity: PlannedEntity): string {
  return new Plan({ entities: [entity], extra: [] }).toString();
}

// --- declaring ------------------------------------------------------------------------------------

async function grant(
  channel: Channel,
  wish: Wish,
  present: PlannedEntity | undefined,
  { warn }: TopologyHooks,
): Promise<void> {
  const { where, title, name, isTaken, isParking } = wish;
  if (isTaken === true) {
    if (await channel.queueExists(name)) return;
    throw new ConfigurationError(where, `the ${title} is not there, and declare: false does not declare it`);
  }
  // It was said above that it is used as it is; recorded, recovery would be refused over it each time.
  if (present?.state === 'conflict') return;
  try {
    await declare(channel, wish);
  } catch (error) {
    if (!(error instanceof ChannelClosedByBrokerError || error instanceof ConnectionClosedByBrokerError)) throw error;
    const words = `${title} was refused by the broker: ${String(error.replyCode)} ${error.replyText}`;
    const isForbidden = error.replyCode === 403;
    if (isForbidden && isParking === true && !isThere(present)) {
      warn(`${where}: ${words}; where it is not there, messages that should be parked go back to their queue`);
      return;
    }
    // An application without the permission to declare works with what others declared.
    if (isForbidden && isThere(present)) return;
    throw new ConfigurationError(where, words, { cause: error });
  }
}

/** A passive declare found it, and the broker did not let us ask for more. */
function isThere(present: PlannedEntity | undefined): boolean {
  return present?.state === 'unknown' && present.error?.replyCode === 403;
}

async function declare(channel: Channel, { exchange, queue, binding }: Wish): Promise<void> {
  if (exchange) {
    const { name, type, ...options } = exchange;
    await channel.exchangeDeclare(name, type, options);
  } else if (queue) {
    const { name, ...options } = queue;
    await channel.queueDeclare(name, options);
  } else if (binding) {
    const { exchange: source, queue: target, toExchange = '', routingKey, arguments: table } = binding;
    if (target === undefined) await channel.exchangeBind(toExchange, source, routingKey, table);
    else await channel.queueBind(target, source, routingKey, table);
  }
}
