/**
 * What the broker refuses, with which code, and what that ends: the sentences `Closes the channel: ...` of the API
 * reference, and where the versions of RabbitMQ differ. Whatever was refused, the channel is of use afterwards.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { connect, UnknownOutcomeError, type AmqpError, type Connection } from 'leveret/amqp';
import { describeOnRabbitmq, type TestBroker } from '../../support/brokers.js';
import { rejection, until } from '../../support/waiting.js';
import {
  exchanges,
  messages,
  permissions,
  permitted,
  queues,
  refusedByClient,
  versionOf,
  type Case,
} from './refusal-cases.js';

function refusals(broker: TestBroker, cases: readonly Case[], url = broker.url): void {
  let connection: Connection;
  let strangers: Connection;
  const made: string[] = [];

  beforeEach(async () => {
    connection = await connect(url, { recovery: { initialDelay: 1 } });
    strangers = await connect(broker.url, { recovery: { initialDelay: 1 } });
  });

  afterEach(async () => {
    await Promise.all([connection.close(), strangers.close()]);
    const cleaner = await connect(broker.url);
    const channel = await cleaner.openChannel();
    for (const name of made.splice(0)) {
      await channel.exchangeDelete(name);
      // A stream that was made just now, and lost its connection, is not always found at once.
      await until(`${name} is deleted`, async () => {
        await channel.queueDelete(name).catch(() => undefined);
        return !(await channel.queueExists(name));
      });
    }
    await cleaner.close();
  });

  test.each(cases.map((each) => [each[0], each] as const))('%s', async (_title, [, expected, call]) => {
    const unique = (): string => {
      const name = broker.unique('refusal');
      made.push(name);
      return name;
    };
    const [channel, bystander] = [await connection.openChannel({ confirm: true }), await connection.openChannel()];
    const stranger = await strangers.openChannel();
    const [queue, exchange] = [unique(), unique()];
    await stranger.queueDeclare(queue);
    await stranger.exchangeDeclare(exchange, 'direct');
    const losses = { connection: 0, bystander: 0 };
    connection.on('lost', () => (losses.connection += 1));
    bystander.on('lost', () => (losses.bystander += 1));
    const verdict = typeof expected === 'number' ? expected : expected(versionOf(connection));

    const called = call({ channel, stranger, queue, exchange, unique });
    if (verdict === 0) await called;
    else {
      const error = (await rejection(called)) as AmqpError;
      const cause = error instanceof UnknownOutcomeError ? (error.cause as AmqpError) : error;
      expect(cause.replyCode).toBe(Math.abs(verdict));
    }

    // Both channels are of use, and the one that did nothing wrong felt nothing.
    const { queue: another } = await channel.queueDeclare('', { exclusive: true, durable: false });
    await channel.publish('', another, 'after all', {}, { mandatory: true });
    expect(await bystander.exchangeExists('amq.direct')).toBe(true);
    expect(losses).toEqual({ connection: verdict < 0 ? 1 : 0, bystander: 0 });
  });
}

describeOnRabbitmq('what the broker refuses of exchanges', (broker) => {
  refusals(broker, exchanges);
});

describeOnRabbitmq('what the broker refuses of queues', (broker) => {
  refusals(broker, queues);
});

describeOnRabbitmq('what the broker refuses of messages', (broker) => {
  refusals(broker, messages);
});

describeOnRabbitmq('what the client refuses, since the broker would', (broker) => {
  refusals(broker, refusedByClient);
});

describeOnRabbitmq('what the broker refuses without a permission', (broker) => {
  const control = process.env['LEVERET_TEST_RABBITMQCTL'] ?? '';
  if (control === '') {
    test.skip('needs a RabbitMQ that the tests may control: LEVERET_TEST_RABBITMQCTL is not set', () => undefined);
    return;
  }
  const user = broker.unique('user');
  const url = new URL(broker.url);
  [url.username, url.password] = [user, 'word'];
  const rabbitmqctl = (...words: string[]) => promisify(execFile)(control, words);

  beforeAll(async () => {
    await rabbitmqctl('add_user', user, 'word');
    await rabbitmqctl('set_permissions', user, ...permitted);
  }, 60_000);

  afterAll(async () => {
    await rabbitmqctl('delete_user', user);
  }, 60_000);

  refusals(broker, permissions, url.href);
});
