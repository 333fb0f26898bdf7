import { Controller, Inject, Injectable, Scope } from '@nestjs/common';
import { ContextIdFactory, REQUEST, type ContextId } from '@nestjs/core';
import { Consume, type AmqpContext } from 'leveret';
import { describeOnBroker } from '../../support/brokers.js';
import { Bystander, closeApplications, eventually, pause, startApplication } from '../../support/nest-app.js';

describeOnBroker('@Consume', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  test("a queue's name alone consumes it, declared as a durable classic queue", async () => {
    const queue = broker.unique('orders');
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume(queue)
      onOrder(order: unknown): void {
        seen.push(order);
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.channel.queueDeclare(queue, { durable: true });
    await bystander.send(queue, { id: 1 });
    await eventually(() => expect(seen).toEqual([{ id: 1 }]));
  });

  test('an exchange and several routing keys are bound, on a controller', async () => {
    const queue = broker.unique('orders');
    const exchange = broker.unique('shop');
    const seen: string[] = [];
    @Controller()
    class Orders {
      @Consume({ queue, exchange, routingKey: ['order.*', 'invoice.#'] })
      onOrder(name: string): void {
        seen.push(name);
      }
    }
    await startApplication(
      { url: broker.url, exchanges: [{ name: exchange, type: 'topic' }] },
      { controllers: [Orders] },
    );
    for (const key of ['order.created', 'invoice', 'invoice.a.b', 'order.a.b', 'other']) {
      await bystander.channel.publish(exchange, key, JSON.stringify(key));
    }
    await eventually(() => expect(seen).toEqual(['order.created', 'invoice', 'invoice.a.b']));
    await bystander.channel.exchangeDelete(exchange);
  });

  test('several on one method, and options from a factory with injected dependencies', async () => {
    const first = broker.unique('first');
    const second = broker.unique('second');
    const seen: string[] = [];
    @Injectable()
    class Settings {
      readonly queue = second;
    }
    @Injectable()
    class Orders {
      @Consume(first)
      @Consume({
        inject: [Settings, { token: 'missing', optional: true }],
        useFactory: async (settings: Settings, missing: unknown) =>
          Promise.resolve({ queue: missing === undefined ? settings.queue : '' }),
      })
      onOrder(name: string, _nothing: unknown): void {
        seen.push(name);
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders, Settings] });
    await bystander.send(first, '"one"');
    await eventually(() => expect(seen).toEqual(['one']));
    await bystander.send(second, '"two"');
    await eventually(() => expect(seen).toEqual(['one', 'two']));
  });

  test('a subclass inherits the handlers of its base class, which is no provider itself', async () => {
    const queue = broker.unique('inherited');
    const seen: unknown[] = [];
    abstract class Base {
      abstract readonly label: string;
      @Consume(queue)
      onOrder(order: unknown): void {
        seen.push([this.label, order]);
      }
    }
    @Injectable()
    class Orders extends Base {
      readonly label = 'derived';
    }
    await startApplication({ url: broker.url }, { providers: [Orders, { provide: 'alias', useExisting: Orders }] });
    await bystander.send(queue, { id: 1 });
    await eventually(() => expect(seen).toEqual([['derived', { id: 1 }]]));
  });

  test('declare: false takes a queue as it is, whatever its arguments', async () => {
    const queue = broker.unique('foreign');
    await bystander.channel.queueDeclare(queue, { arguments: { 'x-max-length': 7 } });
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume({ queue, declare: false })
      onOrder(order: unknown): void {
        seen.push(order);
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(queue, '1');
    await eventually(() => expect(seen).toEqual([1]));
  });

  test('queueType, deadLetter and arguments go into the declaration; the module may give them instead', async () => {
    const quorum = broker.unique('quorum');
    const shared = broker.unique('shared');
    @Injectable()
    class Orders {
      @Consume({ queue: quorum, queueType: 'quorum' })
      onQuorum(): void {}
      @Consume(shared)
      onShared(): void {}
    }
    await startApplication(
      {
        url: broker.url,
        queues: [{ name: shared, deadLetter: { exchange: '', routingKey: 'dead' }, arguments: { 'x-max-length': 9 } }],
      },
      { providers: [Orders] },
    );
    // The broker accepts a declaration again only with the same arguments.
    await bystander.channel.queueDeclare(quorum, {
      arguments: {
        'x-queue-type': 'quorum',
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': `${quorum}.parked`,
      },
    });
    await bystander.channel.queueDeclare(`${quorum}.parked`, {
      arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 0x7fff_ffff },
    });
    await bystander.channel.queueDeclare(shared, {
      arguments: { 'x-max-length': 9, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' },
    });
  });

  test('prefetch is 20 for each consumer, and concurrency limits the handlers that run', async () => {
    const wide = broker.unique('wide');
    const narrow = broker.unique('narrow');
    let running = 0;
    let most = 0;
    let done = 0;
    const releases: (() => void)[] = [];
    let markAllSent = (): void => undefined;
    const allAreSent = new Promise<void>((resolve) => (markAllSent = resolve));
    @Injectable()
    class Orders {
      @Consume(wide)
      onWide(): Promise<void> {
        return new Promise((resolve) => releases.push(resolve));
      }
      @Consume({ queue: narrow, concurrency: 3, prefetch: 1 })
      async onNarrow(): Promise<void> {
        running += 1;
        most = Math.max(most, running);
        await allAreSent;
        await pause(5);
        running -= 1;
        done += 1;
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    for (let count = 0; count < 25; count++) {
      await bystander.send(wide, '1');
      await bystander.send(narrow, '1');
    }
    markAllSent();
    await eventually(() => expect(done).toBe(25));
    expect(most).toBe(3);
    expect(releases).toHaveLength(20);
    releases.splice(0).forEach((release) => release());
    await eventually(() => expect(releases).toHaveLength(5));
    releases.forEach((release) => release());
  });

  test('a request-scoped handler is made anew for each delivery, and may inject the request', async () => {
    const queue = broker.unique('scoped');
    const seen: unknown[] = [];
    let made = 0;
    @Injectable({ scope: Scope.REQUEST })
    class Orders {
      constructor(@Inject(REQUEST) readonly request: { data: unknown; context: AmqpContext }) {
        made += 1;
      }
      @Consume(queue)
      onOrder(order: unknown): void {
        seen.push([order, this.request.data, this.request.context.getQueue() === queue]);
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(queue, '1');
    await bystander.send(queue, '2');
    await eventually(() => expect(seen).toHaveLength(2));
    expect(seen).toEqual([
      [1, 1, true],
      [2, 2, true],
    ]);
    expect(made).toBe(2);
  });

  describe('durable providers', () => {
    // Nest has one strategy for the whole process.
    afterAll(() => ContextIdFactory.apply({ attach: (contextId) => () => contextId }));

    test('live as long as their tenant, and know what its strategy tells of the request', async () => {
      const queue = broker.unique('durable');
      const tenants = new Map<string, ContextId>();
      ContextIdFactory.apply({
        attach(contextId: ContextId, request: { context: AmqpContext }) {
          const tenant = request.context.getHeaders()['x-tenant'] as string;
          const tenantId = tenants.get(tenant) ?? ContextIdFactory.create();
          tenants.set(tenant, tenantId);
          return { resolve: (info) => (info.isTreeDurable ? tenantId : contextId), payload: { tenant } };
        },
      });
      const made: unknown[] = [];
      const seen: unknown[] = [];
      @Injectable({ scope: Scope.REQUEST, durable: true })
      class Store {
        constructor(@Inject(REQUEST) readonly request: { tenant: string }) {
          made.push(request.tenant);
        }
      }
      @Injectable({ scope: Scope.REQUEST, durable: true })
      class Orders {
        constructor(@Inject(Store) private readonly store: Store) {}
        @Consume(queue)
        onOrder(order: unknown): void {
          seen.push([this.store.request.tenant, order]);
        }
      }
      await startApplication({ url: broker.url }, { providers: [Orders, Store] });
      for (const [order, tenant] of ['acme', 'other', 'acme'].entries()) {
        await bystander.send(queue, order, { headers: { 'x-tenant': tenant } });
        await eventually(() => expect(seen).toHaveLength(order + 1));
      }
      expect(seen).toEqual([
        ['acme', 0],
        ['other', 1],
        ['acme', 2],
      ]);
      expect(made).toEqual(['acme', 'other']);
    });
  });
});
