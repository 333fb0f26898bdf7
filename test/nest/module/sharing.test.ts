/** Several handlers on one queue, told apart by routing key; consumers that the module's options complete by name. */
import { Injectable } from '@nestjs/common';
import { Ack, ConfigurationError, Consume, ConsumerRegistry, NoHandlerError, type ConsumeOptions } from 'leveret';
import { describeOnBroker } from '../../support/brokers.js';
import { Bystander, closeApplications, eventually, startApplication } from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';

describeOnBroker('handlers that share a queue', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  /** Two handlers with these options. */
  function sharing(first: ConsumeOptions, second: ConsumeOptions): { Orders: new () => object; seen: unknown[] } {
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume(first)
      onFirst(payload: unknown): void {
        seen.push(['first', payload]);
      }
      @Consume(second)
      @Ack({ then: 'drop' })
      onSecond(payload: unknown): void {
        seen.push(['second', payload]);
        if (payload === 'bad') throw new Error('refused by the second');
      }
    }
    return { Orders, seen };
  }

  test('each gets the messages of its routing keys, over one consumer, and settles them by its own policy', async () => {
    const queue = broker.unique('shared');
    const exchange = broker.unique('shop');
    const { Orders, seen } = sharing(
      { queue, exchange, routingKey: 'order.*', prefetch: 5 },
      { queue, exchange, routingKey: ['invoice.#', 'credit'] },
    );
    const exchanges = [{ name: exchange, type: 'topic', durable: false, autoDelete: true }];
    const { app } = await startApplication({ url: broker.url, exchanges }, { providers: [Orders] });
    const { consumerCount } = await bystander.channel.queueDeclare(queue, { passive: true });
    expect(consumerCount).toBe(1);
    expect(app.get(ConsumerRegistry).status()).toMatchObject([{ handler: 'Orders.onFirst, Orders.onSecond', queue }]);
    for (const [key, body] of [
      ['order.created', 1],
      ['invoice.paid.late', 2],
      ['credit', 3],
      ['invoice', 'bad'],
    ] as const) {
      await bystander.channel.publish(exchange, key, JSON.stringify(body), {}, { mandatory: true });
    }
    await eventually(() => expect(seen).toHaveLength(4));
    expect(seen).toEqual([
      ['first', 1],
      ['second', 2],
      ['second', 3],
      ['second', 'bad'],
    ]);
    // Dropped by the second's policy; the first's would have parked it.
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
    expect(await bystander.count(`${queue}.parked`)).toBe(0);
  });

  test("what is nobody's is settled by the module's policy, and never blocks the queue", async () => {
    const queue = broker.unique('nobody');
    const { Orders, seen } = sharing(
      { queue, declare: false, routingKey: 'a' },
      { queue, declare: false, routingKey: queue },
    );
    await bystander.channel.queueDeclare(queue);
    const exchange = broker.unique('any');
    await bystander.channel.exchangeDeclare(exchange, 'fanout', { durable: false, autoDelete: true });
    await bystander.channel.queueBind(queue, exchange, '');
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.channel.publish(exchange, 'unknown', '1');
    await bystander.send(queue, 2);
    const parked = await bystander.take(`${queue}.parked`);
    expect(parked.properties.headers).toMatchObject({
      'x-leveret-reason': 'no-handler',
      'x-leveret-error-message': 'there is no handler for "unknown"',
    });
    await eventually(() => expect(seen).toEqual([['second', 2]]));
    await closeApplications();
    const ack = { errors: [[NoHandlerError, { then: 'drop' }] as const] };
    await startApplication({ url: broker.url, defaults: { ack } }, { providers: [Orders] });
    await bystander.channel.publish(exchange, 'unknown', '1');
    await bystander.send(queue, 3);
    await eventually(() => expect(seen).toContainEqual(['second', 3]));
    expect(await bystander.count(`${queue}.parked`)).toBe(0);
  });

  test.each<[string, Partial<ConsumeOptions>, Partial<ConsumeOptions>, string]>([
    ['the same key', { routingKey: 'a.b' }, { routingKey: ['c', 'a.b'] }, 'both take "a.b"'],
    ['patterns with a common key', { routingKey: 'a.*' }, { routingKey: '#.b' }, '"a.*" and "#.b" overlap'],
    ['one without a key', { routingKey: 'a' }, {}, 'Orders.onSecond has no routing key'],
    ['another queue type', { routingKey: 'a' }, { routingKey: 'b', queueType: 'quorum' }, ''],
    ['another prefetch', { routingKey: 'a', prefetch: 1 }, { routingKey: 'b', prefetch: 2 }, 'different prefetch'],
    ['declared by one only', { routingKey: 'a' }, { declare: false, routingKey: 'b' }, 'different declare'],
  ])('%s: an error at start that names both, or none', async (_case, first, second, expected) => {
    const queue = broker.unique('overlap');
    const exchange = broker.unique('shop');
    const complete = (options: Partial<ConsumeOptions>): ConsumeOptions => ({
      queue,
      ...(options.declare === false ? {} : { exchange }),
      ...options,
    });
    const { Orders } = sharing(complete(first), complete(second));
    const exchanges = [{ name: exchange, type: 'topic', durable: false, autoDelete: true }];
    const starting = startApplication({ url: broker.url, exchanges }, { providers: [Orders] });
    if (expected === '') {
      await starting;
      return;
    }
    const error = await rejection(starting);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toMatch(/^Orders\.onSecond: the queue .* is consumed by Orders\.onFirst too, and /);
    expect(error.message).toContain(expected);
    expect(await bystander.channel.queueExists(queue)).toBe(false);
  });

  test('roles that would tear a queue apart are an error, roles of alternatives are not', async () => {
    const queue = broker.unique('torn');
    const exchange = 'amq.topic';
    const torn = sharing({ queue, exchange, routingKey: 'a', role: 'one' }, { queue, exchange, routingKey: 'b' });
    const error = await rejection(
      startApplication({ url: broker.url, roles: ['other'] }, { providers: [torn.Orders] }),
    );
    expect(error.message).toMatch(/^Orders\.onFirst: .* Orders\.onSecond too, and their roles keep them/);
    const alternatives = sharing({ queue, role: 'one' }, { queue, role: 'two' });
    await startApplication({ url: broker.url, roles: ['two'] }, { providers: [alternatives.Orders] });
    await bystander.send(queue, 1);
    await eventually(() => expect(alternatives.seen).toEqual([['second', 1]]));
  });
});

describeOnBroker('consumers in the module’s options', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  function named(options: ConsumeOptions | { name: string; prefetch?: number }): {
    Orders: new () => object;
    seen: unknown[];
  } {
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume(options)
      onOrder(payload: unknown): void {
        seen.push(payload);
      }
    }
    return { Orders, seen };
  }

  test('complete a @Consume by its name, and have the last word', async () => {
    const queue = broker.unique('configured');
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    @Injectable()
    class Orders {
      @Consume({ name: 'orders', prefetch: 7 })
      onOrder(): Promise<void> {
        return released;
      }
    }
    const consumers = { orders: { queue, exchange: 'amq.topic', routingKey: queue, prefetch: 1 }, nobody: {} };
    const { app, log } = await startApplication({ url: broker.url, consumers }, { providers: [Orders] });
    for (const body of ['1', '2', '3']) {
      await bystander.channel.publish('amq.topic', queue, body, {}, { mandatory: true });
    }
    await eventually(() => expect(app.get(ConsumerRegistry).status('orders')).toMatchObject([{ queue, running: 1 }]));
    // With the decorator's 7 none would be left there.
    expect(await bystander.count(queue)).toBe(2);
    expect(log.texts('warn')).toContain('consumers.nobody is configured, but no @Consume has that name AmqpModule');
    release();
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
  });

  test('that are missing, unknown or wrong are errors at start that say where', async () => {
    const { Orders } = named({ name: 'orders' });
    const start = (consumers: object): Promise<Error> =>
      rejection(startApplication({ url: broker.url, consumers: consumers as never }, { providers: [Orders] }));
    expect((await start({})).message).toBe(
      'Orders.onOrder: @Consume names no queue, and there is no consumers.orders of AmqpModule (connection "default") ' +
        'to take it from',
    );
    expect((await start({ orders: { queue: 'q', prefetch: -1, wrong: 1 } })).message).toMatch(
      /"consumers\.orders\.prefetch" must be .*unknown option "consumers\.orders\.wrong"/s,
    );
    expect((await start({ orders: { queue: 'q', routingKey: 'a' } })).message).toMatch(
      /^Orders\.onOrder: @Consume with consumers\.orders of AmqpModule .*"routingKey" needs an exchange/,
    );
    expect((await start({ orders: { queue: '' } })).message).toContain('must not be empty');
  });
});
