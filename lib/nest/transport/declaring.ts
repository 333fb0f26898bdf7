/**
 * Declares what Nest's own RabbitMQ transport declares, argument by argument: where old and new services share a queue,
 * any difference would be refused with 406.
 */
import type { Channel, FieldTable } from '../../amqp/index.js';
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

/** For AmqpServer: the queue, and where there is an exchange, that and its bindings. Answers the queue's name. */
export async function declareForServer(
  channel: Channel,
  transport: ResolvedTransport,
  patterns: readonly string[],
): Promise<string> {
  const { exchange, routingKey, hasWildcards } = transport;
  const queue =
    transport.queue === '' || transport.noAssert !== true ? await declareQueue(channel, transport) : transport.queue;
  if (exchange === undefined) return queue;
  await declareExchange(channel, exchange, transport);
  const isFanout = transport.exchangeType === 'fanout';
  if (isFanout) await channel.queueBind(queue, exchange, '');
  else if (routingKey !== undefined && routingKey !== '') await channel.queueBind(queue, exchange, routingKey);
  if (hasWildcards) await Promise.all(patterns.map((pattern) => channel.queueBind(queue, exchange, pattern)));
  return queue;
}

/** For AmqpClient with `noAssert: false`: the queue, or the exchange where it publishes to one. */
export async function declareForClient(
  channel: Channel,
  transport: ResolvedTransport,
  givenExchange: string | undefined,
): Promise<void> {
  if (transport.exchange !== undefined) {
    await declareExchange(channel, transport.exchange, transport);
    return;
  }
  await declareQueue(channel, transport);
  if (givenExchange && transport.routingKey) {
    await channel.queueBind(transport.queue, givenExchange, transport.routingKey);
  }
}

async function declareQueue(channel: Channel, { queue, queueOptions }: ResolvedTransport): Promise<string> {
  const { durable = true, exclusive = false, autoDelete = false } = queueOptions;
  const options = { durable, exclusive, autoDelete, arguments: queueArguments(queueOptions) };
  return (await channel.queueDeclare(queue, options)).queue;
}

async function declareExchange(channel: Channel, exchange: string, transport: ResolvedTransport): Promise<void> {
  await channel.exchangeDeclare(exchange, transport.exchangeType, {
    durable: true,
    arguments: transport.exchangeArguments,
  });
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
