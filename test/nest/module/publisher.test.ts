import { Injectable, Scope } from '@nestjs/common';
import { InjectPublisher, Publisher, PublishBatchError, PublisherFactory, type BatchMessage } from 'leveret';
import { ArgumentError, NotSentError, UnroutableError } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { Bystander, closeApplications, eventually, pause, startApplication } from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';

interface Events {
  'order.created': { id: number };
  'order.paid': { id: number; amount: number };
}

describeOnBroker('@InjectPublisher', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  test('publishes JSON, persistent, with an id and a time, confirmed', async () => {
    const exchange = broker.unique('shop');
    const queue = broker.unique('orders');
    @Injectable()
    class Checkout {
      constructor(@InjectPublisher({ exchange }) readonly shop: Publisher<Events>) {}
    }
    const { app } = await startApplication(
      {
        url: broker.url,
        exchanges: [{ name: exchange, type: 'topic', autoDelete: true }],
        queues: [{ name: queue }],
        bindings: [{ exchange, queue, routingKey: 'order.created' }],
      },
      { providers: [Checkout] },
    );
    const { shop } = app.get(Checkout);
    await shop.publish('order.created', { id: 1 });
    // Once it resolved the broker has it.
    expect(await bystander.count(queue)).toBe(1);
    const first = await bystander.take(queue);
    expect(JSON.parse(first.body.toString())).toEqual({ id: 1 });
    expect(first.properties).toMatchObject({
      contentType: 'application/json',
      deliveryMode: 2,
      messageId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      timestamp: expect.any(Date),
    });
    await shop.publish(
      'order.created',
      { id: 2 },
      { headers: { tenant: 'a' }, persistent: false, messageId: 'm', expiration: 60_000, priority: 4, type: 't' },
    );
    expect((await bystander.take(queue)).properties).toMatchObject({
      headers: { tenant: 'a' },
      deliveryMode: 1,
      messageId: 'm',
      expiration: '60000',
      priority: 4,
      type: 't',
    });
    // Events that nobody listens for are no failure, unless asked for.
    await shop.publish('order.paid', { id: 1, amount: 2 });
    await expect(shop.publish('order.paid', { id: 1, amount: 2 }, { mandatory: true })).rejects.toThrow(
      UnroutableError,
    );
    // @ts-expect-error -- the event map knows no such key
    await shop.publish('order.lost', {});
    // @ts-expect-error -- nor such a payload
    await shop.publish('order.paid', { id: 'x' });
  });

  test('sends to the default exchange are mandatory', async () => {
    @Injectable()
    class Checkout {
      @InjectPublisher() readonly direct!: Publisher;
    }
    const { app } = await startApplication({ url: broker.url }, { providers: [Checkout] });
    await expect(app.get(Checkout).direct.publish('no-such-queue', {})).rejects.toThrow(UnroutableError);
  });

  test('what a publisher is given holds for its messages that do not say otherwise', async () => {
    const queue = broker.unique('defaults');
    @Injectable()
    class Checkout {
      constructor(
        @InjectPublisher({ headers: { from: 'checkout' }, priority: 3, appId: 'shop', expiration: 60_000 })
        readonly direct: Publisher,
      ) {}
    }
    const { app } = await startApplication({ url: broker.url, queues: [{ name: queue }] }, { providers: [Checkout] });
    const { direct } = app.get(Checkout);
    await direct.publish(queue, {});
    const { properties } = await bystander.take(queue);
    expect(properties).toMatchObject({
      headers: { from: 'checkout' },
      priority: 3,
      appId: 'shop',
      expiration: '60000',
    });
    await direct.publish(queue, {}, { headers: { tenant: 'a' }, priority: 5, appId: undefined });
    expect((await bystander.take(queue)).properties).toMatchObject({
      headers: { from: 'checkout', tenant: 'a' },
      priority: 5,
      appId: 'shop',
    });
    expect(() => app.get(PublisherFactory).create({ priority: 256 })).toThrow(/"priority" must be/);
  });

  describe('a batch', () => {
    async function start(): Promise<{ queue: string; direct: Publisher }> {
      const queue = broker.unique('batch');
      @Injectable()
      class Checkout {
        @InjectPublisher() readonly direct!: Publisher;
      }
      const { app } = await startApplication({ url: broker.url, queues: [{ name: queue }] }, { providers: [Checkout] });
      return { queue, direct: app.get(Checkout).direct };
    }
    const batchOf = (queue: string, count: number): BatchMessage[] =>
      Array.from({ length: count }, (_, index) => ({ routingKey: queue, payload: index }));

    test('is there in its order once it resolved', async () => {
      const { queue, direct } = await start();
      const [first, ...others] = batchOf(queue, 500);
      if (!first) throw new Error('there is a first one');
      await direct.publishBatch([{ ...first, options: { type: 'first' } }, ...others], { type: 'other', appId: 'a' });
      expect(await bystander.count(queue)).toBe(500);
      const got = [await bystander.take(queue), await bystander.take(queue)];
      expect(got.map(({ body }) => body.toString())).toEqual(['0', '1']);
      expect(got.map(({ properties }) => [properties.type, properties.appId])).toEqual([
        ['first', 'a'],
        ['other', 'a'],
      ]);
      await direct.publishBatch([]);
    });

    test('tells which of its messages were not confirmed; all others were', async () => {
      const { queue, direct } = await start();
      const messages = [...batchOf(queue, 3), { routingKey: 'no-such-queue', payload: 'lost' }, ...batchOf(queue, 2)];
      const error = await rejection(direct.publishBatch(messages));
      expect(error).toBeInstanceOf(PublishBatchError);
      expect(error).toMatchObject({ confirmed: 5, failures: [{ index: 3, routingKey: 'no-such-queue' }] });
      expect((error as PublishBatchError).failures[0]?.error).toBeInstanceOf(UnroutableError);
      expect(error.message).toContain('1 of 6 messages were not confirmed; message 3, routing key "no-such-queue"');
      expect(await bystander.count(queue)).toBe(5);
    });

    test('with one that cannot be sent: that one is named, and nothing was sent', async () => {
      const { queue, direct } = await start();
      for (const wrong of [
        { routingKey: queue, payload: 1n },
        { routingKey: queue, payload: undefined },
        { routingKey: queue, payload: 1, options: { priority: 'high' } },
        undefined,
      ]) {
        const batch = [...batchOf(queue, 2), wrong as BatchMessage];
        const error = await rejection(direct.publishBatch(batch));
        expect(error).toBeInstanceOf(ArgumentError);
        expect(error.message).toContain('messages[2]');
      }
      expect(await rejection(direct.publishBatch({} as BatchMessage[]))).toBeInstanceOf(ArgumentError);
      expect(await bystander.count(queue)).toBe(0);
    });

    test('is typed by the event map', async () => {
      const batch: BatchMessage<Events>[] = [
        { routingKey: 'order.created', payload: { id: 1 } },
        { routingKey: 'order.paid', payload: { id: 1, amount: 2 } },
        // @ts-expect-error -- that is the payload of the other key
        { routingKey: 'order.paid', payload: { id: 1 } },
      ];
      const { direct } = await start();
      expect(await rejection(direct.publishBatch(batch as BatchMessage[]))).toBeInstanceOf(PublishBatchError);
    });
  });

  test('options and payloads that cannot be sent reject with ArgumentError, and nothing is sent', async () => {
    const queue = broker.unique('bad');
    await bystander.channel.queueDeclare(queue);
    @Injectable()
    class Checkout {
      @InjectPublisher() readonly direct!: Publisher;
    }
    const { app } = await startApplication({ url: broker.url }, { providers: [Checkout] });
    const { direct } = app.get(Checkout);
    const cyclic: Record<string, unknown> = {};
    cyclic['self'] = cyclic;
    for (const payload of [undefined, () => 1, 10n, cyclic]) {
      await expect(direct.publish(queue, payload)).rejects.toThrow(ArgumentError);
    }
    const wrong: object = { mandatroy: true };
    await expect(direct.publish(queue, {}, wrong)).rejects.toThrow('unknown option "mandatroy"');
    await expect(direct.publish(queue, {}, { priority: 999 })).rejects.toThrow('option "priority" must be');
    await expect(direct.publish('x'.repeat(256), {})).rejects.toThrow(ArgumentError);
    await expect(direct.publish(queue, {}, { signal: AbortSignal.abort() })).rejects.toThrow(NotSentError);
    expect(await bystander.count(queue)).toBe(0);
  });

  test('a failure that nobody awaited is logged, and is no unhandled rejection', async () => {
    const unhandled: unknown[] = [];
    const onUnhandled = (reason: unknown): number => unhandled.push(reason);
    process.on('unhandledRejection', onUnhandled);
    @Injectable()
    class Checkout {
      @InjectPublisher() readonly direct!: Publisher;
    }
    const { app, log } = await startApplication({ url: broker.url }, { providers: [Checkout] });
    void app.get(Checkout).direct.publish('no-such-queue', {});
    await eventually(() =>
      expect(log.texts('error')).toEqual([expect.stringContaining('nobody awaited failed: UnroutableError')]),
    );
    await expect(app.get(Checkout).direct.publish('no-such-queue', {})).rejects.toThrow(UnroutableError);
    await app
      .get(Checkout)
      .direct.publish('no-such-queue', {})
      .catch(() => undefined);
    await pause(20);
    expect(log.texts('error')).toHaveLength(1);
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled).toEqual([]);
  });

  test('an exchange that is not there fails its own publishes alone', async () => {
    const queue = broker.unique('alone');
    await bystander.channel.queueDeclare(queue);
    @Injectable()
    class Checkout {
      constructor(
        @InjectPublisher({ exchange: 'no-such-exchange' }) readonly lost: Publisher,
        @InjectPublisher() readonly direct: Publisher,
      ) {}
    }
    const { app } = await startApplication({ url: broker.url }, { providers: [Checkout] });
    const { lost, direct } = app.get(Checkout);
    const results = await Promise.allSettled([lost.publish('k', 1), direct.publish(queue, 2), lost.publish('k', 3)]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected']);
    expect(String((results[0] as PromiseRejectedResult).reason)).toContain('404');
  });

  test('each class gets its own, also where it is inherited or request-scoped', async () => {
    class Base {
      @InjectPublisher({ exchange: 'base' }) readonly base!: Publisher;
    }
    @Injectable()
    class Derived extends Base {
      @InjectPublisher({ exchange: 'derived' }) readonly derived!: Publisher;
      constructor(@InjectPublisher({ exchange: 'parameter' }) readonly parameter: Publisher) {
        super();
      }
    }
    @Injectable()
    class Other extends Base {
      @InjectPublisher({ exchange: 'other' }) readonly other!: Publisher;
    }
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {
      constructor(@InjectPublisher({ exchange: 'request' }) readonly publisher: Publisher) {}
    }
    const { app } = await startApplication({ url: broker.url }, { providers: [Derived, Other, PerRequest] });
    const derived = app.get(Derived);
    expect([derived.base, derived.derived, derived.parameter].map((publisher) => publisher.exchange)).toEqual([
      'base',
      'derived',
      'parameter',
    ]);
    expect([app.get(Other).base.exchange, app.get(Other).other.exchange]).toEqual(['base', 'other']);
    expect((await app.resolve(PerRequest)).publisher.exchange).toBe('request');
    expect(app.get(PublisherFactory).create({ exchange: 'made' }).exchange).toBe('made');
  });

  test('a transient class cannot inject one, which ends the start; it takes a PublisherFactory', async () => {
    @Injectable({ scope: Scope.TRANSIENT })
    class Transient {
      constructor(@InjectPublisher({ exchange: 'transient' }) readonly publisher: Publisher) {}
    }
    @Injectable()
    class User {
      constructor(readonly transient: Transient) {}
    }
    const starting = startApplication({ url: broker.url }, { providers: [Transient, User] });
    await expect(starting).rejects.toThrow(/^Transient: @InjectPublisher: .*transient.*PublisherFactory/);
    @Injectable({ scope: Scope.TRANSIENT })
    class Maker {
      readonly publisher: Publisher;
      constructor(factory: PublisherFactory) {
        this.publisher = factory.create({ exchange: 'made' });
      }
    }
    @Injectable()
    class MakerUser {
      constructor(readonly maker: Maker) {}
    }
    const { app } = await startApplication({ url: broker.url }, { providers: [Maker, MakerUser] });
    expect(app.get(MakerUser).maker.publisher.exchange).toBe('made');
  });
});
