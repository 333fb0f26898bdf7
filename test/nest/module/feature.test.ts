/** `AmqpModule.forFeature`: the exchanges, queues and bindings of feature modules. */
import { AmqpModule, ConfigurationError } from 'leveret';
import { describeOnBroker } from '../../support/brokers.js';
import {
  Bystander,
  closeApplications,
  eventually,
  recordingConsumer,
  startApplication,
} from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';

describeOnBroker('the exchanges and queues of feature modules', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterEach(closeApplications);
  afterAll(() => bystander.close());

  test('forFeature declares what a feature module needs; the same import twice is one', async () => {
    const exchange = broker.unique('feature-x');
    const queue = broker.unique('feature');
    const bound = broker.unique('feature-bound');
    const feature = {
      exchanges: [{ name: exchange, type: 'topic' }],
      queues: [{ name: queue, arguments: { 'x-max-length': 7 } }, { name: bound }],
      bindings: [{ exchange, queue: bound, routingKey: '#' }],
    };
    // The handler's queue takes the feature's word on it.
    const { Orders, seen } = recordingConsumer(queue);
    await startApplication(
      { url: broker.url },
      { imports: [AmqpModule.forFeature(feature), AmqpModule.forFeature(feature)], providers: [Orders] },
    );
    await bystander.channel.queueDeclare(queue, { arguments: { 'x-max-length': 7 } });
    await bystander.channel.publish(exchange, 'any', 'x', {}, { mandatory: true });
    expect(await bystander.count(bound)).toBe(1);
    await bystander.send(queue, JSON.stringify('one'));
    await eventually(() => expect(seen).toEqual(['one']));
    for (const name of [queue, bound, `${queue}.parked`]) await bystander.channel.queueDelete(name);
    await bystander.channel.exchangeDelete(exchange);
  });

  test('forFeatureAsync makes its options at start', async () => {
    const queue = broker.unique('feature-async');
    await startApplication(
      { url: broker.url },
      { imports: [AmqpModule.forFeatureAsync({ useFactory: () => Promise.resolve({ queues: [{ name: queue }] }) })] },
    );
    expect(await bystander.channel.queueExists(queue)).toBe(true);
    await bystander.channel.queueDelete(queue);
  });

  test('features that are wrong, contradict each other or name no connection end the start', async () => {
    const name = broker.unique('contradicted');
    const failure = async (...features: object[]): Promise<Error> =>
      rejection(startApplication({ url: broker.url }, { imports: features.map((one) => AmqpModule.forFeature(one)) }));
    const contradicted = await failure({ queues: [{ name }] }, { queues: [{ name, durable: false }] });
    expect(contradicted).toBeInstanceOf(ConfigurationError);
    expect(contradicted.message).toContain(
      `the queue "${name}" is declared by AmqpModule.forFeature too, and otherwise`,
    );
    expect((await failure({ connection: 'other' })).message).toContain('there is no connection "other"');
    expect((await failure({ queue: name })).message).toContain('unknown option "queue"');
    expect((await failure({ queues: [{ nam: name }] })).message).toContain('queues[0].name" is missing');
    expect(await bystander.channel.queueExists(name)).toBe(false);
  });
});
