/** What a handler knows of the delivery at hand: its parameters, its async context, and what its publishes carry on. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Inject, Injectable, ParseIntPipe } from '@nestjs/common';
import { ClientsModule, Payload } from '@nestjs/microservices';
import { AmqpClient, AmqpContext, Consume, Delivery, Headers, InjectPublisher, Properties, Publisher } from 'leveret';
import type { FieldTable } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { Bystander, closeApplications, eventually, pause, startApplication } from '../../support/nest-app.js';

/** Without the mark that our client puts on mandatory publishes. */
function withoutMark({ 'x-leveret-sequence': _mark, ...headers }: FieldTable = {}): FieldTable {
  return headers;
}

describeOnBroker('the delivery at hand', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  test('@Headers, @Properties and @Delivery give its parts, through pipes', async () => {
    const queue = broker.unique('parts');
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume(queue)
      onOrder(
        @Payload() order: unknown,
        @Headers() headers: Record<string, unknown>,
        @Headers('x-tenant') tenant: unknown,
        @Headers('x-count', ParseIntPipe) count: unknown,
        @Headers('toString') inherited: unknown,
        @Properties() properties: { messageId?: string },
        @Properties('type') type: unknown,
        @Delivery() delivery: { routingKey: string; body: Buffer },
      ): void {
        seen.push(order, headers, tenant, count, inherited, properties.messageId, type, delivery.routingKey);
        seen.push(delivery.body.toString());
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    const headers = { 'x-tenant': 'acme', 'x-count': '7' };
    await bystander.send(queue, { id: 1 }, { headers, messageId: 'm-1', type: 'order' });
    await eventually(() => expect(seen).toHaveLength(9));
    expect(seen).toEqual([
      { id: 1 },
      expect.objectContaining(headers),
      'acme',
      7,
      undefined,
      'm-1',
      'order',
      queue,
      '{"id":1}',
    ]);
  });

  test('a header that is missing is undefined, one that a pipe refuses is settled by policy', async () => {
    const queue = broker.unique('refused');
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume(queue)
      onOrder(@Headers('x-absent') absent: unknown, @Headers('x-count', ParseIntPipe) count: unknown): void {
        seen.push(absent, count);
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(queue, {}, { headers: { 'x-count': 'many' } });
    const parked = await bystander.take(`${queue}.parked`);
    expect(parked.properties.headers).toMatchObject({ 'x-leveret-reason': 'invalid' });
    await bystander.send(queue, {}, { headers: { 'x-count': '2' } });
    await eventually(() => expect(seen).toEqual([undefined, 2]));
  });

  describe('is known to whatever a handler calls and awaits', () => {
    async function started(): Promise<{ queue: string; events: string; seen: unknown[] }> {
      const queue = broker.unique('context');
      const events = broker.unique('context-events');
      await bystander.channel.queueDeclare(events);
      const seen: unknown[] = [];
      @Injectable()
      class Deep {
        constructor(
          @InjectPublisher() private readonly publisher: Publisher,
          @Inject('EVENTS') private readonly client: AmqpClient,
        ) {}
        async work(own: object): Promise<void> {
          await pause(5);
          seen.push(AmqpContext.current()?.getProperties().messageId);
          await this.publisher.publish(events, 'published', own);
          this.client.emit('emitted', {});
        }
      }
      @Injectable()
      class Orders {
        constructor(@Inject(Deep) private readonly deep: Deep) {}
        @Consume(queue)
        async onOrder(order: { own?: object }): Promise<void> {
          await this.deep.work(order.own ?? {});
        }
      }
      const client = { name: 'EVENTS', customClass: AmqpClient, options: { url: broker.url, queue: events } };
      await startApplication(
        { url: broker.url },
        { imports: [ClientsModule.register([client])], providers: [Orders, Deep] },
      );
      return { queue, events, seen };
    }

    test('each its own, also where many are handled at a time', async () => {
      const { queue, seen } = await started();
      const ids = Array.from({ length: 20 }, (_, index) => `m-${String(index)}`);
      await Promise.all(ids.map((messageId) => bystander.send(queue, {}, { messageId })));
      await eventually(() => expect(seen.toSorted()).toEqual(ids.toSorted()));
      expect(AmqpContext.current()).toBeUndefined();
    });

    test('and what a handler enters for itself, no other delivery sees', async () => {
      const queue = broker.unique('scope');
      const storage = new AsyncLocalStorage<string>();
      const seen: (string | undefined)[] = [];
      @Injectable()
      class Orders {
        @Consume({ queue, concurrency: 2 })
        async onOrder(order: string): Promise<void> {
          seen.push(storage.getStore());
          storage.enterWith(order);
          await pause(5);
        }
      }
      await startApplication({ url: broker.url }, { providers: [Orders] });
      for (const order of ['1', '2', '3', '4', '5', '6']) await bystander.send(queue, JSON.stringify(order));
      await eventually(() => expect(seen).toHaveLength(6));
      expect(seen).toEqual(Array.from({ length: 6 }, () => undefined));
    });

    test('publishes inside a handler carry on correlation and trace, unless they say otherwise', async () => {
      const { queue, events } = await started();
      const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
      const headers = { traceparent, baggage: 'a=b', 'x-tenant': 'acme' };
      const takeBoth = async (): Promise<object[]> => {
        const taken = [await bystander.take(events), await bystander.take(events)];
        return taken.map(({ properties }) => ({
          correlationId: properties.correlationId,
          headers: withoutMark(properties.headers),
        }));
      };
      await bystander.send(queue, {}, { correlationId: 'c-1', messageId: 'm-1', headers });
      const carried = { correlationId: 'c-1', headers: { traceparent, baggage: 'a=b' } };
      expect(await takeBoth()).toEqual([carried, carried]);
      await bystander.send(queue, {}, { messageId: 'm-2' });
      expect(await takeBoth()).toMatchObject([{ correlationId: 'm-2' }, { correlationId: 'm-2' }]);
      const own = { correlationId: 'own', headers: { traceparent: 'own' } };
      await bystander.send(queue, { own }, { correlationId: 'c-3', headers });
      expect(await takeBoth()).toContainEqual({
        correlationId: 'own',
        headers: { traceparent: 'own', baggage: 'a=b' },
      });
    });
  });
});
