/** Messages that are published now and come later. */
import { Injectable } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import { AmqpContext, AmqpModule, Consume, DelayUnavailableError, InjectPublisher, Publisher } from 'leveret';
import { ArgumentError, NotSentError } from 'leveret/amqp';
import { describeOnBroker, describeOnControlledRabbitmq } from '../../support/brokers.js';
import {
  Bystander,
  closeApplications,
  eventually,
  pause,
  startApplication,
  startModule,
} from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';

describeOnBroker('a delayed message', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  /** A publisher to a queue and one to an exchange that it is bound to, and when what came. */
  async function startClock() {
    const [queue, exchange] = [broker.unique('delayed'), broker.unique('shop')];
    const came: { readonly value: unknown; readonly at: number; readonly from: string; readonly key: string }[] = [];
    const properties: unknown[] = [];
    @Injectable()
    class Clock {
      constructor(
        @InjectPublisher() readonly direct: Publisher,
        @InjectPublisher({ exchange }) readonly shop: Publisher,
        @InjectPublisher({ expiration: 5_000 }) readonly expiring: Publisher,
      ) {}
      @Consume({ queue, exchange, routingKey: 'order.*' })
      onTime(value: unknown, @Ctx() context: AmqpContext): void {
        came.push({ value, at: performance.now(), from: context.getExchange(), key: context.getRoutingKey() });
        properties.push(context.getProperties());
      }
    }
    const exchanges = [{ name: exchange, type: 'topic', autoDelete: true }];
    const { app } = await startApplication({ url: broker.url, exchanges }, { providers: [Clock] });
    return { queue, exchange, came, properties, ...pick(app.get(Clock)) };
  }

  const pick = ({ direct, shop, expiring }: { direct: Publisher; shop: Publisher; expiring: Publisher }) => ({
    direct,
    shop,
    expiring,
  });

  test('comes after its delay, to a queue and to an exchange, with its routing key and properties', async () => {
    const { queue, exchange, came, properties, direct, shop } = await startClock();
    const start = performance.now();
    await direct.publish(queue, 'direct', { delay: 300, messageId: 'm1', priority: 4, headers: { tenant: 'a' } });
    await shop.publish('order.created', 'shop', { delay: 600 });
    expect(came).toEqual([]);
    await eventually(() => expect(came).toHaveLength(2));
    expect(came).toMatchObject([
      { value: 'direct', from: '', key: queue },
      { value: 'shop', from: exchange, key: 'order.created' },
    ]);
    for (const [index, delay] of [300, 600].entries()) {
      const waited = (came[index]?.at ?? 0) - start;
      expect(waited).toBeGreaterThanOrEqual(delay - 5);
      expect(waited).toBeLessThan(delay + 1_500);
    }
    expect(properties[0]).toMatchObject({ messageId: 'm1', priority: 4, deliveryMode: 2, headers: { tenant: 'a' } });
    expect((properties[0] as { expiration?: string }).expiration).toBeUndefined();
  });

  test('waits in the queue of the next power of two, which is declared when it is first needed', async () => {
    const { queue, direct } = await startClock();
    await direct.publish(queue, 'later', { delay: 3_000_000 });
    const table = {
      'x-queue-type': 'quorum',
      'x-message-ttl': 4_194_304,
      'x-dead-letter-exchange': 'leveret.delay',
      'x-dead-letter-strategy': 'at-least-once',
      'x-overflow': 'reject-publish',
    };
    await bystander.channel.queueDeclare('leveret.delay.4194304', { durable: true, arguments: table });
    await bystander.channel.exchangeDeclare('leveret.delay.4194304', 'fanout', { durable: true });
    const waiting = await bystander.channel.basicGet('leveret.delay.4194304');
    expect(waiting?.properties).toMatchObject({ expiration: '3000000', deliveryMode: 2 });
    waiting?.ack();
  });

  test('behind one that waits longer comes by the end of its step at the latest', async () => {
    const { queue, came, direct } = await startClock();
    const start = performance.now();
    await direct.publish(queue, 'longer', { delay: 1_000 });
    await direct.publish(queue, 'shorter', { delay: 600 });
    await eventually(() => expect(came).toHaveLength(2));
    const shorter = (came.find(({ value }) => value === 'shorter')?.at ?? 0) - start;
    expect(shorter).toBeGreaterThanOrEqual(595);
    expect(shorter).toBeLessThan(1_024 + 1_500);
  });

  test('at a time: then, and at once where it has passed', async () => {
    const { queue, came, direct } = await startClock();
    await direct.publish(queue, 'past', { at: new Date(Date.now() - 60_000) });
    await eventually(() => expect(came.map(({ value }) => value)).toEqual(['past']));
    const at = new Date(Date.now() + 400);
    await direct.publish(queue, 'future', { at });
    await eventually(() => expect(came).toHaveLength(2));
    expect(Date.now()).toBeGreaterThanOrEqual(at.getTime() - 5);
    await direct.publish(queue, 'now', { delay: 0 });
    await eventually(() => expect(came).toHaveLength(3));
  });

  test('in a batch, each as it says', async () => {
    const { queue, came, direct } = await startClock();
    await direct.publishBatch([
      { routingKey: queue, payload: 'late', options: { delay: 300 } },
      { routingKey: queue, payload: 'now' },
    ]);
    await eventually(() => expect(came.map(({ value }) => value)).toEqual(['now', 'late']));
  });

  test('outlives its application: who is there then has it', async () => {
    const first = await startClock();
    await first.direct.publish(first.queue, 'heirloom', { delay: 800 });
    await closeApplications();
    expect((await bystander.take(first.queue)).body.toString()).toBe('"heirloom"');
  });

  test('whose delay queue was deleted meanwhile is put into a new one', async () => {
    const { came, shop } = await startClock();
    // Of no other test.
    const [delay, name] = [3, 'leveret.delay.4'];
    await shop.publish('order.created', 1, { delay });
    await eventually(() => expect(came).toHaveLength(1));
    await bystander.channel.queueDelete(name);
    await shop.publish('order.created', 2, { delay });
    await eventually(() => expect(came).toHaveLength(2));
    await bystander.channel.exchangeDelete(name);
    await shop.publish('order.created', 3, { delay });
    await eventually(() => expect(came).toHaveLength(3));
  });

  test('holds up no other one where its queue is gone, or its exchange sends it nowhere', async () => {
    const { queue, came, direct, shop } = await startClock();
    const gone = broker.unique('gone');
    await bystander.channel.queueDeclare(gone);
    const delay = 500;
    await Promise.all(Array.from({ length: 50 }, (_, index) => direct.publish(gone, index, { delay })));
    await Promise.all(Array.from({ length: 50 }, (_, index) => shop.publish('nobody.cares', index, { delay })));
    await bystander.channel.queueDelete(gone);
    await direct.publish(queue, 'through', { delay });
    await shop.publish('order.created', 'too', { delay });
    await eventually(() => expect(came.map(({ value }) => value).sort()).toEqual(['through', 'too']), 4_500);
  });

  test('comes to an exchange that was deleted and made again', async () => {
    const { queue, exchange, came, shop } = await startClock();
    await shop.publish('order.created', 1, { delay: 20 });
    await eventually(() => expect(came).toHaveLength(1));
    await bystander.channel.exchangeDelete(exchange);
    await pause(1_100);
    expect(await rejection(shop.publish('order.created', 2, { delay: 20 }))).toBeInstanceOf(DelayUnavailableError);
    await bystander.channel.exchangeDeclare(exchange, 'topic', { autoDelete: true });
    await bystander.channel.queueBind(queue, exchange, 'order.*');
    await pause(1_100);
    await shop.publish('order.created', 3, { delay: 20 });
    await eventually(() => expect(came.map(({ value }) => value)).toEqual([1, 3]));
  });

  test('to a queue or an exchange that is not there is refused at once', async () => {
    const { direct } = await startClock();
    const error = await rejection(direct.publish(broker.unique('none'), 1, { delay: 100 }));
    expect(error).toBeInstanceOf(DelayUnavailableError);
    expect(error.message).toContain('404');
  });

  test('what makes no sense is an ArgumentError, and nothing is sent', async () => {
    const { queue, came, direct, expiring } = await startClock();
    const far = new Date(Date.now() + 2 ** 31 + 10_000);
    const bad = [
      { delay: -1 },
      { delay: 1.5 },
      { delay: Number.NaN },
      { delay: 2 ** 31 },
      { delay: '5' as never },
      { at: new Date('no date') },
      { at: far },
      { at: 5 as never },
      { delay: 5, at: new Date() },
      { delay: 5, expiration: 5 },
      { delay: 5, replyTo: 'amq.rabbitmq.reply-to' },
    ];
    for (const options of bad) {
      expect(await rejection(direct.publish(queue, 'bad', options))).toBeInstanceOf(ArgumentError);
    }
    expect(await rejection(expiring.publish(queue, 'bad', { delay: 5 }))).toBeInstanceOf(ArgumentError);
    expect(await rejection(direct.request(queue, 'bad', { delay: 5 }))).toBeInstanceOf(ArgumentError);
    expect(came).toEqual([]);
  });
});

describeOnControlledRabbitmq('a delay of who may declare nothing', (broker) => {
  const user = `delays-${String(process.pid)}`;
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  beforeAll(async () => {
    await broker.control('add_user', user, 'secret');
    await broker.control('set_permissions', user, '^$', '.*', '.*');
  });
  afterAll(() => broker.control('delete_user', user));
  afterEach(closeApplications);

  test('is a DelayUnavailableError that names the queue; and works once somebody else declared it', async () => {
    @Injectable()
    class Sender {
      constructor(@InjectPublisher() readonly publisher: Publisher) {}
    }
    const url = new URL(broker.url);
    Object.assign(url, { username: user, password: 'secret' });
    const imports = [AmqpModule.forRoot({ url: url.href })];
    const { app } = await startModule({ imports, providers: [Sender] });
    const { publisher } = app.get(Sender);
    const error = await rejection(publisher.publish('any', 1, { delay: 120_000_000 }));
    expect(error).toBeInstanceOf(DelayUnavailableError);
    expect(error).toBeInstanceOf(NotSentError);
    expect(error).toMatchObject({ delayQueue: 'leveret.delay.134217728' });
    expect(error.message).toContain('403');

    const name = 'leveret.delay.8388608';
    const queue = broker.unique('waits');
    await bystander.channel.queueDeclare(queue);
    const sender = await startModule({ imports: [AmqpModule.forRoot({ url: broker.url })], providers: [Sender] });
    await sender.app.get(Sender).publisher.publish(queue, 1, { delay: 8_000_000 });
    await publisher.publish(queue, 2, { delay: 8_000_001 });
    const bodies = [await bystander.take(name), await bystander.take(name)].map(({ body }) => body.toString());
    expect(bodies).toEqual(['1', '2']);
    await bystander.channel.queueDelete(name);
    await bystander.channel.exchangeDelete(name);
  });
});
