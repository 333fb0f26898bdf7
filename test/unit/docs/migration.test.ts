/** docs/migration-nest.md has a row for each option of Nest's own RabbitMQ transport, and ours take each by its name. */
import { readFileSync } from 'node:fs';
import type { RmqOptions } from '@nestjs/microservices';
import { AmqpClient, AmqpServer } from 'leveret';

const page = readFileSync(new URL('../../../docs/migration-nest.md', import.meta.url), 'utf8');

// That none is missing is checked by its type, with the types of Nest that is installed.
const everyOption: Required<NonNullable<RmqOptions['options']>> = {
  urls: ['amqp://localhost'],
  queue: 'orders',
  prefetchCount: 20,
  isGlobalPrefetchCount: false,
  queueOptions: {
    durable: true,
    exclusive: false,
    autoDelete: false,
    arguments: { 'x-queue-type': 'classic' },
    messageTtl: 1,
    expires: 1,
    deadLetterExchange: 'dead',
    deadLetterRoutingKey: 'orders',
    maxLength: 1,
    maxPriority: 1,
    overflow: 'reject-publish',
    queueMode: 'lazy',
    noAssert: false,
  },
  socketOptions: {
    heartbeatIntervalInSeconds: 5,
    reconnectTimeInSeconds: 5,
    connectionOptions: { noDelay: true, keepAlive: true, keepAliveDelay: 1, timeout: 1, clientProperties: {} },
    clientProperties: { connectionName: 'orders' },
  },
  noAck: false,
  consumerTag: 'orders-1',
  serializer: { serialize: (value: unknown) => value },
  deserializer: { deserialize: (value: unknown) => value },
  replyQueue: 'amq.rabbitmq.reply-to',
  persistent: true,
  headers: { tenant: 'a' },
  noAssert: false,
  exchange: 'shop',
  exchangeType: 'topic',
  exchangeArguments: { 'alternate-exchange': 'unrouted' },
  routingKey: 'order.*',
  wildcards: true,
  maxConnectionAttempts: -1,
};

/** The first column of the tables. */
const [, tables = ''] = page.split('## The options');
const rows = [...(tables.split('\n## ')[0] ?? '').matchAll(/^\| `(\w+)` /gm)].map(([, name]) => name);

describe("the options of Nest's own transport", () => {
  test('each has a row in the guide, and the guide has no others', () => {
    const socketOptions = [...Object.keys(everyOption.socketOptions), 'findServers'];
    expect(rows.sort()).toEqual([...Object.keys(everyOption), ...socketOptions].sort());
    for (const name of Object.keys(everyOption.queueOptions)) expect(page).toContain(`\`${name}\``);
  });

  test('AmqpServer and AmqpClient take each, with the types that Nest gives them', () => {
    const asWritten: NonNullable<RmqOptions['options']> = everyOption;
    expect(() => new AmqpServer(asWritten)).not.toThrow();
    expect(() => new AmqpClient(asWritten)).not.toThrow();
  });

  test('what they refuse is what the guide says', () => {
    const refused = { findServers: () => 'amqp://localhost', connectionOptions: { credentials: {} } };
    for (const [name, value] of Object.entries(refused)) {
      const make = (): unknown => new AmqpServer({ queue: 'orders', socketOptions: { [name]: value } });
      expect(make).toThrow(name);
    }
    expect(() => new AmqpClient({ queue: '' })).toThrow('queue');
  });
});
