/** What is on the broker otherwise than declared: told argument by argument at start, and dealt with by `conflicts`. */
import { ConfigurationError, RecoveryService, TopologyConflictError } from 'leveret';
import { connectTcp, type Transport } from 'leveret/amqp';
import { describeOnBroker, describeOnControlledRabbitmq } from '../../support/brokers.js';
import {
  Bystander,
  closeApplications,
  eventually,
  recordingConsumer,
  startApplication,
  type LogRecorder,
} from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';

describeOnBroker('declarations that differ on the broker', (broker) => {
  const bystander = new Bystander();
  let queue: string;
  let exchange: string;
  beforeAll(() => bystander.open(broker.url));
  beforeEach(async () => {
    queue = broker.unique('differs');
    exchange = broker.unique('differs-x');
    await bystander.channel.queueDeclare(queue, { arguments: { 'x-max-length': 5, 'x-message-ttl': 60_000 } });
    await bystander.channel.exchangeDeclare(exchange, 'fanout');
  });
  afterEach(async () => {
    await closeApplications();
    await bystander.channel.queueDelete(queue);
    await bystander.channel.exchangeDelete(exchange);
  });
  afterAll(() => bystander.close());

  test('end the start by default, each argument with both values, and nothing was declared', async () => {
    const absent = broker.unique('absent');
    const { Orders } = recordingConsumer({ queue, arguments: { 'x-max-length': 6 } });
    const error = (await rejection(
      startApplication(
        { url: broker.url, exchanges: [{ name: exchange, type: 'topic' }], queues: [{ name: absent }] },
        { providers: [Orders] },
      ),
    )) as TopologyConflictError;
    expect(error).toBeInstanceOf(TopologyConflictError);
    expect(error.message.split('\n')).toEqual([
      `AmqpModule (connection "default"): the broker has it otherwise than declared: conflict exchange ${exchange}`,
      '    type: declared "topic", on the broker "fanout"',
      `Orders.onOrder: conflict queue ${queue}`,
      ...(error.conflicts[1]?.differences.map(
        ({ argument, declared, onBroker }) =>
          `    ${argument}: declared ${declared === undefined ? 'none' : JSON.stringify(declared)}, on the broker ${JSON.stringify(onBroker)}`,
      ) ?? []),
    ]);
    expect(error.conflicts[1]?.differences).toHaveLength(2);
    expect(error.conflicts[1]?.differences).toEqual(
      expect.arrayContaining([
        { argument: 'x-max-length', declared: 6, onBroker: 5 },
        { argument: 'x-message-ttl', declared: undefined, onBroker: 60_000 },
      ]),
    );
    expect(await bystander.channel.queueExists(absent)).toBe(false);
    expect(await bystander.channel.queueExists(`${queue}.parked`)).toBe(false);
  });

  test("conflicts: 'use' warns, consumes what is there, and recovery is not refused over it", async () => {
    const { Orders, seen } = recordingConsumer(queue);
    const transports: Transport[] = [];
    const { app, log } = await startApplication(
      {
        url: broker.url,
        conflicts: 'use',
        exchanges: [{ name: exchange, type: 'topic' }],
        bindings: [{ exchange, queue, routingKey: 'order' }],
        recovery: { initialDelay: 5, maxDelay: 20 },
        transport: async (endpoint, signal) => {
          const transport = await connectTcp(endpoint, signal);
          transports.push(transport);
          return transport;
        },
      },
      { providers: [Orders] },
    );
    const warnings = log.texts('warn').join('\n');
    expect(warnings).toContain(`Orders.onOrder: it is used as it is: conflict queue ${queue}`);
    expect(warnings).toContain('type: declared "topic", on the broker "fanout"');
    const recovery = app.get(RecoveryService);
    const recovered = new Promise((resolve) => recovery.once('recovered', resolve));
    transports.at(-1)?.destroy();
    expect(await recovered).toMatchObject({ broken: [] });
    await bystander.channel.publish(exchange, 'any', JSON.stringify('routed'), {}, { mandatory: true });
    await eventually(() => expect(seen).toEqual(['routed']));
    await bystander.channel.exchangeDeclare(exchange, 'fanout');
  });

  test("conflicts: 'wait' starts when somebody mended it, and fails after startTimeout where nobody did", async () => {
    const { Orders, seen } = recordingConsumer(queue);
    const options = { url: broker.url, conflicts: 'wait', startTimeout: 8_000 } as const;
    const waits = (log: LogRecorder): string[] =>
      log.texts('warn').filter((line) => line.includes('waiting until it is mended'));
    const { log } = await startApplication(options, { providers: [Orders] }, (_app, heard) => {
      void eventually(() => expect(waits(heard)).toHaveLength(1)).then(() => bystander.channel.queueDelete(queue));
    });
    expect(waits(log)).toHaveLength(1);
    await bystander.send(queue, JSON.stringify('mended'));
    await eventually(() => expect(seen).toEqual(['mended']));
    const other = startApplication(
      { ...options, startTimeout: 200, exchanges: [{ name: exchange, type: 'topic' }] },
      {},
    );
    expect(await rejection(other)).toBeInstanceOf(TopologyConflictError);
  });

  test('in the background they are waited for as well, whatever the policy', async () => {
    const { Orders, seen } = recordingConsumer(queue);
    const { log } = await startApplication({ url: broker.url, start: 'background' }, { providers: [Orders] });
    await eventually(() => expect(log.texts('warn').join()).toContain(`conflict queue ${queue}`));
    await bystander.channel.queueDelete(queue);
    await eventually(() => bystander.send(queue, JSON.stringify('late')));
    await eventually(() => expect(seen).toEqual(['late']));
  });

  test('a parking queue that operators made otherwise is used as it is, with a warning', async () => {
    const own = broker.unique('own');
    await bystander.channel.queueDeclare(`${own}.parked`, { arguments: { 'x-max-length': 1_000 } });
    const { Orders } = recordingConsumer(own);
    const { log } = await startApplication({ url: broker.url }, { providers: [Orders] });
    expect(log.texts('warn').join()).toContain(`it is used as it is: conflict queue ${own}.parked`);
    for (const name of [own, `${own}.parked`]) await bystander.channel.queueDelete(name);
  });
});

describeOnControlledRabbitmq('an application without the permission to declare', (broker) => {
  const bystander = new Bystander();
  const user = `reader-${String(process.pid)}`;
  beforeAll(async () => {
    await bystander.open(broker.url);
    await broker.control('add_user', user, user);
    await broker.control('set_permissions', user, '^$', '.*', '.*');
  }, 30_000);
  afterEach(closeApplications);
  afterAll(async () => {
    await broker.control('delete_user', user);
    await bystander.close();
  }, 30_000);

  test('works with what others declared, and names what is not there', async () => {
    const url = new URL(broker.url);
    url.username = user;
    url.password = user;
    const queue = broker.unique('reader');
    const exchange = broker.unique('reader-x');
    const { Orders, seen } = recordingConsumer({ queue, exchange, routingKey: 'order' });
    const options = { url: url.href, exchanges: [{ name: exchange, type: 'topic' }] };
    const error = await rejection(startApplication(options, { providers: [Orders] }));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toMatch(/exchange ".*" was refused by the broker: 403/);
    await bystander.channel.exchangeDeclare(exchange, 'topic');
    await bystander.channel.queueDeclare(queue);
    const { log } = await startApplication(options, { providers: [Orders] });
    expect(log.texts('warn').join()).toContain(`queue "${queue}.parked" was refused by the broker: 403`);
    await bystander.channel.publish(exchange, 'order', '"routed"', {}, { mandatory: true });
    await eventually(() => expect(seen).toEqual(['routed']));
    await bystander.channel.queueDelete(queue);
    await bystander.channel.exchangeDelete(exchange);
  });
});
