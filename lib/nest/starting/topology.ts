/**
 * Declares at start what somebody wants on the broker. What is there otherwise is found before anything is declared; what
 * the broker refuses becomes a ConfigurationError that names the entity and carries the broker's words.
 */
import {
  ChannelClosedByBrokerError,
  ConnectionClosedByBrokerError,
  type Channel,
  type Connection,
  type PlannedEntity,
} from '../../amqp/index.js';
import { keyOf, presentState, type ConflictPolicy } from './conflicts.js';
import { ConfigurationError } from '../errors.js';
import type { Wish } from './wishes.js';

/**
 * Grants the wishes in their order; answers whether we may declare all of them. False: the broker forbids it, and what others
 * declared is used. Rejects with ConfigurationError, among them TopologyConflictError.
 */
export async function declareWishes(
  connection: Connection,
  wishes: readonly Wish[],
  conflicts: ConflictPolicy,
): Promise<boolean> {
  const present = await presentState(connection, wishes, conflicts);
  const channel = await connection.openChannel();
  // Refusals are reported to whoever asked.
  channel.on('lost', () => undefined);
  let isAllowed = true;
  try {
    for (const wish of wishes) {
      if (!(await grant(channel, wish, present.get(keyOf(wish)), conflicts))) isAllowed = false;
    }
  } finally {
    await channel.close();
  }
  return isAllowed;
}

/** Answers whether it may be declared. */
async function grant(
  channel: Channel,
  wish: Wish,
  present: PlannedEntity | undefined,
  { warn }: ConflictPolicy,
): Promise<boolean> {
  const { where, title, name, takenBy, isParking } = wish;
  if (takenBy !== undefined) {
    if (await channel.queueExists(name)) return true;
    throw new ConfigurationError(where, `the ${title} is not there, and ${takenBy} does not declare it`);
  }
  // It was said that it is used as it is; recorded, recovery would be refused over it each time.
  if (present?.state === 'conflict') return true;
  try {
    await declare(channel, wish);
    return true;
  } catch (error) {
    if (!(error instanceof ChannelClosedByBrokerError || error instanceof ConnectionClosedByBrokerError)) throw error;
    const words = `${title} was refused by the broker: ${String(error.replyCode)} ${error.replyText}`;
    const isForbidden = error.replyCode === 403;
    if (isForbidden && isParking === true && !isThere(present)) {
      warn(`${where}: ${words}; where it is not there, messages that should be parked go back to their queue`);
      return false;
    }
    // An application without the permission to declare works with what others declared.
    if (isForbidden && isThere(present)) return false;
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
