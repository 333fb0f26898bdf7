/**
 * What Nest's own RabbitMQ transport declares, argument by argument: where old and new services share a queue, any
 * difference would be refused with 406. Pure.
 */
import type { FieldTable } from '../../amqp/index.js';
import { bindingWish, exchangeWish, queueWish, takenQueueWish, type QueueWish, type Wish } from '../starting/wishes.js';
import type { ResolvedTransport, TransportQueueOptions } from './options.js';

/** amqplib's names for arguments that RabbitMQ knows. */
const argumentNames = {
  expires: 'x-expires',
  messageTtl: 'x-message-ttl',
  deadLetterExchange: 'x-dead-letter-exchange',
  deadLetterRoutingKey: 'x-dead-letter-routing-key',
  maxLength: 'x-max-length',
  maxPriority: 'x-max-priority',
  overflow: 'x-overflow',
  queueMode: 'x-queue-mode',
} as const;

/**
 * For AmqpServer: the queue, and where there is an exchange, that and its bindings. `queue` is its name: the broker's own
 * where it names it, and then it is there already.
 */
export function serverWishes(transport: ResolvedTransport, queue: string, patterns: readonly string[]): Wish[] {
  const where = 'AmqpServer';
  const { exchange, routingKey, hasWildcards } = transport;
  const wishes: Wish[] = [];
  if (transport.queue !== '') {
    wishes.push(
      transport.noAssert === true
        ? takenQueueWish(where, queue, 'noAssert: true')
        : queueWish(where, transportQueue(transport)),
    );
  }
  if (exchange === undefined) return wishes;
  wishes.push(exchangeWish(where, transportExchange(exchange, transport)));
  const bind = (key: string): void => {
    wishes.push(bindingWish(where, { exchange, queue, routingKey: key }));
  };
  if (transport.exchangeType === 'fanout') bind('');
  else if (routingKey !== undefined && routingKey !== '') bind(routingKey);
  if (hasWildcards) patterns.forEach(bind);
  return wishes;
}

/** For AmqpClient with `noAssert: false`: the queue, or the exchange where it publishes to one. */
export function clientWishes(transport: ResolvedTransport, givenExchange: string | undefined): Wish[] {
  const where = 'AmqpClient';
  const { exchange, queue, routingKey } = transport;
  if (exchange !== undefined) return [exchangeWish(where, transportExchange(exchange, transport))];
  const wishes = [queueWish(where, transportQueue(transport))];
  if (givenExchange && routingKey) wishes.push(bindingWish(where, { exchange: givenExchange, queue, routingKey }));
  return wishes;
}

/** The queue as it is declared. */
export function transportQueue({ queue, queueOptions }: ResolvedTransport): QueueWish {
  const { durable = true, exclusive = false, autoDelete = false } = queueOptions;
  return { name: queue, durable, exclusive, autoDelete, arguments: queueArguments(queueOptions) };
}

function transportExchange(name: string, { exchangeType, exchangeArguments }: ResolvedTransport) {
  return { name, type: exchangeType, durable: true, arguments: exchangeArguments };
}

function queueArguments(options: TransportQueueOptions): FieldTable {
  const given = Object.entries(options.arguments ?? {}).filter(([, value]) => value !== undefined);
  const table: FieldTable = Object.fromEntries(given);
  for (const [name, argument] of Object.entries(argumentNames)) {
    const value = options[name as keyof typeof argumentNames];
    if (value !== undefined) table[argument] = value;
  }
  return table;
}
