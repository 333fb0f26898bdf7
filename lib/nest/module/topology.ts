/**
 * Declares at start what a module and its consumers name. What the broker refuses becomes a ConfigurationError that
 * names the entity and carries the broker's words.
 */
import { ChannelClosedByBrokerError, ConnectionClosedByBrokerError, type Channel } from '../../amqp/index.js';
import { planQueue, type ConsumerPlan, type QueuePlan } from '../consuming/consumer-plan.js';
import { ConfigurationError } from '../errors.js';
import { moduleName } from './amqp-options.js';
import type { NamedConnection } from './named-connection.js';

/** `warn` is told of what an application can start without. */
export async function declareTopology(
  connection: NamedConnection,
  plans: readonly ConsumerPlan[],
  warn: (message: string) => void,
): Promise<void> {
  const channel = await connection.connection.openChannel();
  // Refusals are reported to whoever asked.
  channel.on('lost', () => undefined);
  try {
    await declareModule(channel, connection, plans);
    for (const plan of plans) await declareConsumer(channel, plan, warn);
  } finally {
    await channel.close();
  }
}

async function declareModule(
  channel: Channel,
  { name, options }: NamedConnection,
  plans: readonly ConsumerPlan[],
): Promise<void> {
  const where = moduleName(name);
  for (const { name: exchange, type, ...declare } of options.exchanges ?? []) {
    await refusable(where, `exchange "${exchange}"`, channel.exchangeDeclare(exchange, type, declare));
  }
  for (const { name: queue, ...declare } of options.queues ?? []) {
    // One that a handler consumes is declared with the handler's word on it.
    if (plans.some((plan) => plan.queue === queue && plan.declared)) continue;
    await declareQueue(channel, where, planQueue(queue, declare, false));
  }
  for (const { exchange, queue, toExchange, routingKey, arguments: table } of options.bindings ?? []) {
    const binding = `the binding of "${queue ?? toExchange ?? ''}" to the exchange "${exchange}"`;
    const bound =
      queue === undefined
        ? channel.exchangeBind(toExchange ?? '', exchange, routingKey, table)
        : channel.queueBind(queue, exchange, routingKey, table);
    await refusable(where, binding, bound);
  }
}

async function declareConsumer(channel: Channel, plan: ConsumerPlan, warn: (message: string) => void): Promise<void> {
  const { handler, queue, declared, exchange, routingKeys } = plan;
  const where = handler.name;
  if (plan.parkingQueue) await declareParking(channel, where, plan.parkingQueue, warn);
  if (!declared) {
    if (await channel.queueExists(queue)) return;
    throw new ConfigurationError(where, `the queue "${queue}" is not there, and declare: false does not declare it`);
  }
  await declareQueue(channel, where, declared);
  for (const routingKey of exchange === undefined ? [] : routingKeys) {
    const binding = `the binding of queue "${queue}" to the exchange "${exchange ?? ''}" with "${routingKey}"`;
    await refusable(where, binding, channel.queueBind(queue, exchange ?? '', routingKey));
  }
}

/** An application may lack the permission for it: it starts, and is told what that means. */
async function declareParking(
  channel: Channel,
  where: string,
  queue: QueuePlan,
  warn: (message: string) => void,
): Promise<void> {
  try {
    await declareQueue(channel, where, queue);
  } catch (error) {
    if (!(error instanceof ConfigurationError) || !isForbidden(error.cause)) throw error;
    warn(`${error.message}; where it is not there, messages that should be parked go back to their queue`);
  }
}

function isForbidden(cause: unknown): boolean {
  return cause instanceof ChannelClosedByBrokerError && cause.replyCode === 403;
}

async function declareQueue(channel: Channel, where: string, queue: QueuePlan): Promise<void> {
  const { name, ...options } = queue;
  await refusable(where, `queue "${name}"`, channel.queueDeclare(name, options));
}

async function refusable(where: string, entity: string, declaring: Promise<unknown>): Promise<void> {
  try {
    await declaring;
  } catch (error) {
    if (!(error instanceof ChannelClosedByBrokerError || error instanceof ConnectionClosedByBrokerError)) throw error;
    const words = `${String(error.replyCode)} ${error.replyText}`;
    throw new ConfigurationError(where, `${entity} was refused by the broker: ${words}`, { cause: error });
  }
}
