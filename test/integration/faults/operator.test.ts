/** What an operator does to a broker that is in use: connections closed, users, virtual hosts and queues taken away. */
import { connect, type Channel, type Connection, type ConnectionEvents, type Delivery } from 'leveret/amqp';
import { describeOnBroker, describeOnControlledRabbitmq } from '../../support/brokers.js';
import { pause, rejection, until } from '../../support/waiting.js';
import { idOf, Publishes, Standards, type Witness } from './support.js';

/** rabbitmqctl takes its time. */
const limit = 40_000;

describeOnControlledRabbitmq('an operator', (broker) => {
  const standards = new Standards();
  /** All that these tests close at once is in a virtual host of their own: others use the broker, too. */
  const virtualHost = broker.unique('operator');
  const user = { username: broker.unique('user'), password: 'first' };
  const urlOf = (username: string, password: string): string => {
    const url = new URL(broker.url);
    url.username = username;
    url.password = password;
    url.pathname = `/${encodeURIComponent(virtualHost)}`;
    return url.href;
  };
  const url = (): string => urlOf(user.username, user.password);
  const allow = (): Promise<string> =>
    broker.control('set_permissions', '-p', virtualHost, user.username, '.*', '.*', '.*');

  // rabbitmqctl takes long: one virtual host and one user for all, which each test leaves as they were.
  beforeAll(async () => {
    await broker.control('add_vhost', virtualHost);
    await broker.control('add_user', user.username, user.password);
    await allow();
  }, limit);

  afterAll(async () => {
    await broker.control('delete_vhost', virtualHost);
    await broker.control('delete_user', user.username);
  }, limit);

  /** A publisher and a consumer of one queue at work, on a connection each. */
  async function underLoad(): Promise<{
    readonly publisher: Witness;
    readonly consumer: Witness;
    readonly channel: Channel;
    readonly stop: () => Promise<void>;
  }> {
    const [publisher, consumer] = [
      await standards.connect(url(), { connectionName: 'publisher' }),
      await standards.connect(url(), { connectionName: 'consumer' }),
    ];
    const sending = await publisher.connection.openChannel({ confirm: true });
    const channel = await consumer.connection.openChannel({ prefetch: 7 });
    await channel.queueDeclare('load');
    const seen = new Set<string>();
    await channel.basicConsume(
      'load',
      (delivery) => {
        seen.add(idOf(delivery.body));
        delivery.ack();
      },
      { consumerTag: 'the-tag' },
    );
    const publishes = new Publishes();
    const timer = setInterval(() => {
      publishes.publish(sending, 'load', String(publishes.attempted.size));
    }, 2);
    const stop = async (): Promise<void> => {
      clearInterval(timer);
      await until('each publish has an outcome', () => publishes.settled === publishes.attempted.size);
      await until('all that was confirmed is seen', () => [...publishes.confirmed].every((id) => seen.has(id)));
      publishes.expectSafe(seen);
    };
    return { publisher, consumer, channel, stop };
  }

  test(
    'scenario 1: one connection closed under load: only that one reconnects; tag and prefetch are as before',
    async () => {
      const { publisher, consumer, channel, stop } = await underLoad();
      const list = await broker.control('list_connections', 'pid', 'vhost', 'client_properties');
      const line = list.split('\n').find((one) => one.includes(virtualHost) && one.includes('"consumer"'));
      const { restored, broken } = await consumer.recoveredAfter(
        () => broker.control('close_connection', line?.split('\t')[0] ?? '', 'maintenance'),
        20_000,
      );
      expect({ restored, broken }).toMatchObject({ restored: { channels: 1, queues: 1, consumers: 1 }, broken: [] });
      expect(consumer.losses[0]?.cause).toMatchObject({ name: 'ConnectionClosedByBrokerError', replyCode: 320 });
      expect(consumer.losses[0]?.cause.message).toContain('maintenance');
      await stop();
      consumer.expectOutages(1);
      publisher.expectOutages(0);
      expect(channel.consumers.map(({ consumerTag }) => consumerTag)).toEqual(['the-tag']);
      const consumers = await broker.control('list_consumers', '-p', virtualHost, 'consumer_tag', 'prefetch_count');
      expect(consumers).toMatch(/the-tag\s+7\b/);
    },
    limit,
  );

  test(
    'scenario 2: all connections closed again and again: as many recoveries as closes',
    async () => {
      const { publisher, consumer, stop } = await underLoad();
      const closes = 3;
      for (let count = 1; count <= closes; count++) {
        await broker.control('close_all_connections', '--vhost', virtualHost, 'again');
        await until('both are back', () =>
          [publisher, consumer].every(({ connection, recoveries }) => connection.isOpen && recoveries.length === count),
        );
      }
      await stop();
      publisher.expectOutages(closes);
      consumer.expectOutages(closes);
    },
    limit,
  );

  /** Takes something away from a connection that is up, gives it back, and answers how often it tried meanwhile. */
  async function without(
    witness: Witness,
    takeAway: () => Promise<unknown>,
    giveBack: () => Promise<unknown>,
  ): Promise<readonly ConnectionEvents['reconnecting'][]> {
    const attempts: ConnectionEvents['reconnecting'][] = [];
    witness.connection.on('reconnecting', (event) => attempts.push(event));
    await takeAway();
    await until('it has tried in vain', () => attempts.length >= 3, 15_000);
    const refused = attempts.slice(1);
    await giveBack();
    await until('it is back', () => witness.recoveries.length === 1 && witness.connection.isOpen, 15_000);
    witness.expectOutages(1);
    return refused;
  }

  const recovery = { initialDelay: 2, maxDelay: 600 };

  /** Near the cap from the first refusal on. */
  function expectSlow(refused: readonly ConnectionEvents['reconnecting'][]): void {
    for (const { delay } of refused) expect(delay).toBeGreaterThanOrEqual(recovery.maxDelay / 2);
  }

  test(
    'scenario 15: the password changed while up: told by name, tried slowly, and healed by a credentials function',
    async () => {
      const credentials = (): Promise<{ username: string; password: string }> => Promise.resolve({ ...user });
      const witness = await standards.connect(urlOf('', ''), { credentials, recovery });
      const refused = await without(
        witness,
        async () => {
          await broker.control('change_password', user.username, 'second');
          await broker.control('close_all_connections', '--vhost', virtualHost, 'out');
        },
        () => Promise.resolve((user.password = 'second')),
      );
      expect(refused.map(({ cause }) => cause.name)).toEqual(refused.map(() => 'AuthenticationError'));
      expectSlow(refused);
    },
    limit,
  );

  test(
    'scenario 15: the user deleted while up, and there again',
    async () => {
      const witness = await standards.connect(url(), { recovery });
      const refused = await without(
        witness,
        // It sends the connections of the user away.
        () => broker.control('delete_user', user.username),
        async () => {
          await broker.control('add_user', user.username, user.password);
          await allow();
        },
      );
      expect(new Set(refused.map(({ cause }) => cause.name))).toEqual(new Set(['AuthenticationError']));
      expectSlow(refused);
    },
    limit,
  );

  test(
    'scenario 15: the virtual host deleted while up, and there again: its queues are declared again',
    async () => {
      const witness = await standards.connect(url(), { recovery });
      const channel = await witness.connection.openChannel();
      await channel.queueDeclare('mine');
      const refused = await without(
        witness,
        () => broker.control('delete_vhost', virtualHost),
        async () => {
          await broker.control('add_vhost', virtualHost);
          await allow();
        },
      );
      for (const { cause } of refused) expect(cause.message).toContain(virtualHost);
      expect(new Set(refused.map(({ cause }) => cause.name)).size).toBe(1);
      expectSlow(refused.slice(1));
      await until('the queue is there', () => channel.queueExists('mine'));
    },
    limit,
  );

  test(
    'scenario 15: no connection allowed any more (max-connections 0), and allowed again',
    async () => {
      const witness = await standards.connect(url(), { recovery });
      const refused = await without(
        witness,
        async () => {
          await broker.control('set_vhost_limits', '-p', virtualHost, '{"max-connections": 0}');
          await broker.control('close_all_connections', '--vhost', virtualHost, 'out');
        },
        () => broker.control('clear_vhost_limits', '-p', virtualHost),
      );
      for (const { cause } of refused) expect(cause.message).toMatch(/connection limit \(0\)/);
      expectSlow(refused);
    },
    limit,
  );

  test(
    'scenario 19: 403 in the recovery: the rest is restored; told once; heals when the permission is back',
    async () => {
      const witness = await standards.connect(url());
      const { connection } = witness;
      const channel = await connection.openChannel();
      const reader = await connection.openChannel();
      await channel.queueDeclare('free');
      await channel.queueDeclare('secret', { autoDelete: true });
      await channel.basicConsume('free', () => undefined);
      const guilty = await reader.basicConsume('secret', () => undefined);
      const healed: ConnectionEvents['healed'][] = [];
      connection.on('healed', (entity) => healed.push(entity));
      await broker.control('set_permissions', '-p', virtualHost, user.username, '^free$', '.*', '^free$');
      const { broken } = await witness.recoveredAfter(
        () => broker.control('close_all_connections', '--vhost', virtualHost, 'out'),
        20_000,
      );
      expect(broken).toMatchObject([
        { kind: 'queue', name: 'secret', error: { replyCode: 403 } },
        { kind: 'consumer', name: guilty.consumerTag },
      ]);
      await allow();
      await until('all is healed', () => connection.broken.length === 0);
      expect(new Set(healed.map(({ name }) => name))).toEqual(new Set(['secret', guilty.consumerTag]));
      expect(await broker.control('list_consumers', '-p', virtualHost, 'queue_name')).toContain('secret');
      witness.expectOutages(1);
    },
    limit,
  );
});

describeOnBroker('queues and exchanges that others take away', (broker) => {
  let foreign: Connection;
  let meddler: Channel;

  beforeEach(async () => {
    foreign = await connect(broker.url);
    meddler = await foreign.openChannel({ confirm: true });
  });

  afterEach(async () => {
    await foreign.close();
  });

  // After the hooks above: what they open is not what a test leaves.
  const standards = new Standards();

  test.each([
    ['durable', {}],
    ['auto-delete', { autoDelete: true }],
    ['transient', { durable: false, autoDelete: true }],
  ] as const)(
    'scenario 17: a %s queue deleted under its consumer: told, and back at once, without a spin',
    async (_kind, options) => {
      const witness = await standards.connect(broker.url);
      const channel = await witness.connection.openChannel();
      const queue = broker.unique('taken');
      await channel.queueDeclare(queue, options);
      const bodies: string[] = [];
      const consumer = await channel.basicConsume(queue, (delivery) => bodies.push(delivery.text()), { noAck: true });
      const events: string[] = [];
      channel.on('consumerCancelled', ({ consumer: { consumerTag }, cause }) => {
        events.push(`cancelled ${consumerTag} ${cause.name}`);
      });
      channel.on('consumerRecovered', ({ consumer: { consumerTag } }) => events.push(`back ${consumerTag}`));
      await meddler.queueDelete(queue);
      await until('the consumer is back', () => events.length >= 2);
      await meddler.publish('', queue, 'after', {}, { mandatory: true });
      await until('it consumes', () => bodies.length > 0);
      expect(events).toEqual([
        `cancelled ${consumer.consumerTag} ConsumerCancelledError`,
        `back ${consumer.consumerTag}`,
      ]);
      expect(witness.connection.broken).toEqual([]);
      witness.expectOutages(0);
      await channel.queueDelete(queue);
    },
  );

  test('scenario 17: a queue that we did not declare is waited for, without a spin, and consumed from when it is back', async () => {
    const witness = await standards.connect(broker.url, { recovery: { initialDelay: 20, maxDelay: 100 } });
    const channel = await witness.connection.openChannel();
    const queue = broker.unique('theirs');
    await meddler.queueDeclare(queue);
    let deliveries = 0;
    await channel.basicConsume(queue, () => void (deliveries += 1), { noAck: true });
    const events: string[] = [];
    channel.on('consumerCancelled', () => events.push('cancelled')).on('consumerRecovered', () => events.push('back'));
    channel.on('lost', () => events.push('lost'));
    await meddler.queueDelete(queue);
    await until('it is told', () => events.length > 0);
    await pause(300);
    expect(events).toEqual(['cancelled']);
    expect(witness.connection.broken).toMatchObject([{ kind: 'consumer' }]);
    await meddler.queueDeclare(queue);
    await until('it is back', () => events.length > 1);
    await meddler.publish('', queue, 'x');
    await until('it consumes', () => deliveries === 1);
    expect(events).toEqual(['cancelled', 'back']);
    await meddler.queueDelete(queue);
  });

  test('scenario 17: with a delivery that was not settled, it is told that the queue is gone', async () => {
    const witness = await standards.connect(broker.url);
    const channel = await witness.connection.openChannel({ confirm: true });
    const queue = broker.unique('held');
    await channel.queueDeclare(queue);
    const held: Delivery[] = [];
    await channel.basicConsume(queue, (delivery) => held.push(delivery));
    await channel.publish('', queue, 'x');
    await until('it is delivered', () => held.length === 1);
    const causes: unknown[] = [];
    channel.on('consumerCancelled', ({ cause }) => causes.push(cause));
    const back = new Promise((resolve) => channel.once('consumerRecovered', resolve));
    await meddler.queueDelete(queue);
    await back;
    expect(causes).toMatchObject([{ name: 'ConsumerCancelledError', isQueueThere: false }]);
    held[0]?.ack();
    await channel.queueDelete(queue);
    witness.expectOutages(0);
  });

  test('scenario 18: the broker cancels, and the same tag consumes again on the same channel: no 530', async () => {
    const witness = await standards.connect(broker.url);
    const channel = await witness.connection.openChannel();
    const queue = broker.unique('again');
    await channel.queueDeclare(queue);
    let deliveries = 0;
    await channel.basicConsume(queue, () => void (deliveries += 1), { consumerTag: 'kept', noAck: true });
    for (let round = 1; round <= 5; round++) {
      const back = new Promise((resolve) => channel.once('consumerRecovered', resolve));
      await meddler.queueDelete(queue);
      await back;
      await meddler.publish('', queue, 'x', {}, { mandatory: true });
      await until('it consumes', () => deliveries === round);
    }
    expect(channel.consumers.map(({ consumerTag }) => consumerTag)).toEqual(['kept']);
    witness.expectOutages(0);
    await channel.queueDelete(queue);
  });

  test('scenario 19: 404, 405 and 406 in one recovery: the rest is restored; each told once; no loop; all heal', async () => {
    const proxy = await standards.proxy(broker.url);
    const witness = await standards.connect(proxy.url);
    const { connection } = witness;
    const names = ['good', 'elsewhere', 'locked', 'different', 'source'] as const;
    const [good, elsewhere, locked, different, source] = names.map((name) => broker.unique(name)) as [
      string,
      string,
      string,
      string,
      string,
    ];
    await meddler.queueDeclare(elsewhere);
    await meddler.exchangeDeclare(source, 'fanout');
    const channel = await connection.openChannel();
    for (const queue of [good, locked, different]) await channel.queueDeclare(queue);
    await channel.queueBind(good, source, '');
    const consumers = await Promise.all(
      [good, elsewhere, locked, different].map((queue) => channel.basicConsume(queue, () => undefined)),
    );
    const lost: string[] = [];
    const healed: string[] = [];
    channel.on('lost', ({ cause }) => lost.push(cause.message));
    connection.on('healed', ({ kind, name }) => healed.push(`${kind} ${name}`));

    // While nobody looks: what others declared is gone (404), a queue is exclusive to another (405), or of another kind (406).
    proxy.behave = () => ({ refuse: true });
    proxy.cut();
    await until('it is lost', () => witness.losses.length === 1);
    for (const queue of [elsewhere, locked, different]) await meddler.queueDelete(queue);
    await meddler.exchangeDelete(source);
    await meddler.queueDeclare(locked, { exclusive: true });
    await meddler.queueDeclare(different, { durable: false });
    proxy.behave = () => undefined;
    await until('it recovers', () => witness.recoveries.length === 1, 15_000);

    const { broken, restored } = witness.recoveries[0] ?? {};
    const codes = new Map(broken?.map(({ name, error }) => [name, 'replyCode' in error ? error.replyCode : undefined]));
    expect(codes.get(locked)).toBe(405);
    expect(codes.get(different)).toBe(406);
    expect(codes.get(consumers[1]?.consumerTag ?? '')).toBe(404);
    expect(broken?.filter(({ kind }) => kind === 'binding').map(({ error }) => error)).toMatchObject([
      { replyCode: 404 },
    ]);
    expect(restored).toMatchObject({ channels: 1 });
    const told = new Set(broken?.map(({ kind, name }) => `${kind} ${name}`));
    expect(told.size).toBe(broken?.length);
    // The good one consumes all the while.
    expect((await meddler.queueDeclare(good, { passive: true })).consumerCount).toBe(1);
    const losses = lost.length;
    await pause(300);
    expect(lost).toHaveLength(losses);

    await meddler.queueDelete(locked);
    await meddler.queueDelete(different);
    await meddler.queueDeclare(elsewhere);
    await meddler.exchangeDeclare(source, 'fanout');
    await until('all is healed', () => connection.broken.length === 0);
    // And the consumer of the queue of another kind, which went with it and came with ours.
    expect(new Set(healed)).toEqual(new Set([...told, `consumer ${consumers[3]?.consumerTag ?? ''}`]));
    for (const queue of [good, elsewhere, locked, different]) {
      expect((await meddler.queueDeclare(queue, { passive: true })).consumerCount).toBe(1);
    }
    witness.expectOutages(1);
    for (const queue of [good, elsewhere, locked, different]) await meddler.queueDelete(queue);
    await meddler.exchangeDelete(source);
  });

  test('scenario 15: a wrong password at the start rejects at once, by name', async () => {
    const url = new URL(broker.url);
    url.password = 'wrong';
    const error = await rejection(connect(url.href));
    expect(error.name).toBe('AuthenticationError');
    expect(error.message).not.toContain('wrong');
  });
});
