/** Where pattern and payload stand: by setting, and in the messages of MassTransit, Spring and Celery. */
import { Controller, Injectable } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { encode } from '@msgpack/msgpack';
import { gzipSync } from 'node:zlib';
import {
  Ack,
  AmqpContext,
  celery,
  Consume,
  InjectPublisher,
  massTransit,
  NoHandlerError,
  Publisher,
  spring,
  UnreadableBodyError,
  type AmqpServerOptions,
  type MessageLayout,
} from 'leveret';
import type { PublishProperties } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { foreignMessage } from '../../support/fixtures.js';
import { messagePack } from '../../support/message-pack.js';
import {
  Bystander,
  closeApplications,
  eventually,
  recordingConsumer,
  startApplication,
} from '../../support/nest-app.js';
import { Bench, EventPattern } from '../transport/support.js';

describeOnBroker('layouts of messages', (broker) => {
  const bystander = new Bystander();
  const bench = new Bench(() => broker.url);
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  beforeEach(() => {
    bench.begin();
  });
  afterEach(async () => {
    await closeApplications();
    await bench.end();
  });

  const parkedReason = async (queue: string): Promise<[unknown, unknown]> => {
    const { headers = {} } = (await bystander.take(`${queue}.parked`)).properties;
    return [headers['x-leveret-reason'], headers['x-leveret-error']];
  };

  test('MassTransit: handlers are told apart by messageType, the most special one first, and get the message', async () => {
    const queue = broker.unique('mass-transit');
    const { properties, body } = foreignMessage('mass-transit');
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume({ queue, layout: massTransit, pattern: 'urn:message:Shop.Contracts:IOrderEvent' })
      onAny(@Payload() order: unknown, @Ctx() context: AmqpContext): void {
        seen.push(['any', order, context.getPattern()]);
      }
      @Consume({
        queue,
        pattern: ['urn:message:Shop.Contracts:OrderSubmitted', 'urn:message:Shop.Contracts:OrderPaid'],
      })
      onSubmitted(@Payload('sku') sku: unknown, @Ctx() context: AmqpContext): void {
        seen.push(['submitted', sku, context.getPattern()]);
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(queue, body, properties);
    await eventually(() =>
      expect(seen).toEqual([['submitted', 'hay-12', 'urn:message:Shop.Contracts:OrderSubmitted']]),
    );
    const envelope = body as { message: object };
    await bystander.send(queue, {
      ...envelope,
      messageType: ['urn:message:Shop:Other', 'urn:message:Shop.Contracts:IOrderEvent'],
    });
    await eventually(() =>
      expect(seen.at(-1)).toEqual(['any', envelope.message, 'urn:message:Shop.Contracts:IOrderEvent']),
    );
    await bystander.send(queue, { ...envelope, messageType: ['urn:message:Shop:Other'] });
    expect(await parkedReason(queue)).toEqual(['no-handler', NoHandlerError.name]);
    const hostile: unknown[] = [
      null,
      5,
      [],
      {},
      { messageType: 'urn:message:a' },
      { messageType: [] },
      { messageType: [5] },
      { messageType: Array.from({ length: 65 }, () => 'a') },
      { messageType: ['x.'.repeat(100_000)] },
      '{"__proto__":{"messageType":["urn:message:Shop.Contracts:OrderPaid"],"message":{}}}',
      { messageType: ['urn:message:Shop.Contracts:OrderPaid'] },
      '{"messageType":["urn:message:Shop.Contracts:OrderPaid"],"__proto__":{"message":1}}',
      'no JSON',
    ];
    for (const one of hostile) {
      await bystander.send(queue, one);
      expect(await parkedReason(queue)).toEqual(['unreadable', UnreadableBodyError.name]);
    }
    expect(seen).toHaveLength(2);
    expect(Object.hasOwn(Object.prototype, 'messageType')).toBe(false);
  });

  test('Spring: handlers are told apart by __TypeId__, and get the body', async () => {
    const queue = broker.unique('spring');
    const { properties, body } = foreignMessage('spring');
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume({ queue, layout: spring, pattern: 'com.example.shop.*' })
      onOrder(order: unknown): void {
        seen.push(order);
      }
      @Consume({ queue, layout: spring, pattern: 'com.example.mail.#', reply: true })
      onMail(): string {
        return 'sent';
      }
    }
    @Injectable()
    class Asker {
      constructor(@InjectPublisher() readonly publisher: Publisher) {}
    }
    const { app } = await startApplication({ url: broker.url }, { providers: [Orders, Asker] });
    await bystander.send(queue, body, properties);
    await eventually(() => expect(seen).toEqual([body]));
    // As RabbitTemplate.convertSendAndReceive does.
    const headers = { __TypeId__: 'com.example.mail.Letter' };
    expect(await app.get(Asker).publisher.request(queue, {}, { headers })).toBe('sent');
    const hostile: [PublishProperties, string, string][] = [
      [{}, 'no-handler', NoHandlerError.name],
      [{ headers: { __TypeId__: 'com.example.Other' } }, 'no-handler', NoHandlerError.name],
      [{ headers: { __TypeId__: 5 } }, 'unreadable', UnreadableBodyError.name],
      [{ headers: { __TypeId__: { a: 1 } } }, 'unreadable', UnreadableBodyError.name],
    ];
    for (const [given, reason, error] of hostile) {
      await bystander.send(queue, body, given);
      expect(await parkedReason(queue)).toEqual([reason, error]);
    }
  });

  test('Celery: handlers are told apart by the task, and get its arguments', async () => {
    const queue = broker.unique('celery');
    const { properties, body } = foreignMessage('celery');
    const { Orders, seen } = recordingConsumer({
      queue,
      layout: celery,
      pattern: 'shop.tasks.send_mail',
      formats: [messagePack],
    });
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(queue, body, properties);
    const task = {
      id: properties.correlationId,
      task: 'shop.tasks.send_mail',
      args: ['anna@example.org'],
      kwargs: { subject: 'Your hay' },
      embed: { callbacks: null, errbacks: null, chain: null, chord: null },
      retries: 0,
      eta: undefined,
      expires: undefined,
    };
    await eventually(() => expect(seen).toEqual([task]));
    // As with task_serializer = 'msgpack', and an embed that its sender left out.
    const packed = encode([[1], {}, null]);
    const headers = { ...properties.headers, retries: 2, eta: '2030-01-01T00:00:00+00:00' };
    await bystander.send(queue, packed, {
      ...properties,
      headers,
      contentType: 'application/x-msgpack',
      contentEncoding: 'binary',
    });
    await eventually(() =>
      expect(seen.at(-1)).toEqual({ ...task, args: [1], kwargs: {}, embed: {}, retries: 2, eta: headers.eta }),
    );
    const hostile = [{}, [], [[], {}], [{}, {}, {}], [[], [], {}], [[], {}, 5], [[], {}, {}, 1], null, '__proto__'];
    for (const one of hostile) {
      await bystander.send(queue, JSON.stringify(one), properties);
      expect(await parkedReason(queue)).toEqual(['unreadable', UnreadableBodyError.name]);
    }
    await bystander.send(queue, body, { headers: { task: 'shop.tasks.send_mail' } });
    expect(await parkedReason(queue)).toEqual(['unreadable', UnreadableBodyError.name]);
    // Protocol 1 has the task in the body.
    await bystander.send(queue, { task: 'shop.tasks.send_mail', id: '1', args: [], kwargs: {} });
    expect(await parkedReason(queue)).toEqual(['no-handler', NoHandlerError.name]);
  });

  test.each<[string, MessageLayout, unknown, PublishProperties, unknown]>([
    ['type', { patternFrom: 'type' }, { a: 1 }, { type: 'order.paid' }, { a: 1 }],
    [
      'header',
      { patternFrom: { header: 'x-event' }, payloadFrom: 'data' },
      { data: 2 },
      { headers: { 'x-event': 'order.paid' } },
      2,
    ],
    ['body', { patternFrom: 'body', payloadFrom: 'data' }, { pattern: 'order.paid', data: 3 }, {}, 3],
    [
      'field',
      { patternFrom: { field: 'kind' }, payloadFrom: { field: 'order' } },
      { kind: 'order.paid', order: 4 },
      {},
      4,
    ],
    [
      'functions',
      {
        patternFrom: (delivery, body) => `order.${(body as { kind: string }).kind}${delivery.exchange}`,
        payloadFrom: (body, delivery) => [body, delivery.properties.type],
      },
      { kind: 'paid' },
      { type: 't' },
      [{ kind: 'paid' }, 't'],
    ],
  ])('@Consume: the pattern stands in: %s', async (_name, layout, body, properties, expected) => {
    const queue = broker.unique('layout');
    const { Orders, seen } = recordingConsumer({ queue, layout, pattern: 'order.paid' });
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(queue, body, properties);
    await eventually(() => expect(seen).toEqual([expected]));
    await bystander.send(queue, '"something else"', { type: 'other', headers: { 'x-event': 'other' } });
    expect((await parkedReason(queue))[0]).toMatch(/no-handler|unreadable/);
  });

  test("body: 'bytes' and a payload of its own work where the pattern stands outside; one handler needs no pattern", async () => {
    const [bytes, whole] = [broker.unique('layout-bytes'), broker.unique('layout-one')];
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume({ queue: bytes, layout: { patternFrom: 'type' }, pattern: 'a', body: 'bytes' })
      onBytes(body: unknown): void {
        seen.push(body);
      }
      @Consume({ queue: whole, layout: { payloadFrom: { field: 'order' } } })
      onWhole(order: unknown): void {
        seen.push(order);
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(bytes, 'x', { type: 'a' });
    await eventually(() => expect(seen).toEqual([Buffer.from('x')]));
    await bystander.send(whole, { order: 1 });
    await eventually(() => expect(seen.at(-1)).toBe(1));
  });

  test('a function that fails is an UnreadableBodyError that does not tell its words, settled by policy', async () => {
    const queue = broker.unique('layout-fails');
    const fails = (): never => {
      throw new TypeError('secret');
    };
    const patternFrom = (_delivery: unknown, body: unknown): string => (body === 'pattern' ? fails() : 'a');
    const payloadFrom = (body: unknown): unknown => (body === 'payload' ? fails() : Promise.resolve(1));
    const { Orders, seen } = recordingConsumer({ queue, layout: { patternFrom, payloadFrom }, pattern: 'a' });
    await startApplication({ url: broker.url }, { providers: [Orders] });
    for (const body of ['"pattern"', '"payload"', '"promise"']) {
      await bystander.send(queue, body);
      const { headers } = (await bystander.take(`${queue}.parked`)).properties;
      expect(headers).toMatchObject({ 'x-leveret-reason': 'unreadable' });
      expect(JSON.stringify(headers)).not.toContain('secret');
    }
    expect(seen).toEqual([]);
  });

  test('what is tried again finds its handler again, by routing key and by pattern, compressed as it came', async () => {
    const [queue, exchange] = [broker.unique('layout-retry'), broker.unique('layout-retry-exchange')];
    const runs: string[] = [];
    const fail = (what: string): void => {
      runs.push(what);
      if (runs.filter((one) => one === what).length === 1) throw new Error('on purpose');
    };
    @Injectable()
    class Orders {
      @Consume({ queue, exchange, routingKey: 'order.*', layout: { patternFrom: 'routingKey' }, pattern: 'order.paid' })
      @Ack({ retry: { attempts: 2, delay: 50 } })
      onPaid(order: string): void {
        fail(`paid ${String(order.length)}`);
      }
      @Consume({ queue, catchAll: true })
      @Ack({ retry: { attempts: 2, delay: 50 } })
      onAny(order: string): void {
        fail(`any ${String(order.length)}`);
      }
    }
    const exchanges = [{ name: exchange, type: 'topic', autoDelete: true }];
    await startApplication({ url: broker.url, exchanges }, { providers: [Orders] });
    const body = gzipSync(JSON.stringify('hay, '.repeat(50_000)));
    const properties = { contentEncoding: 'gzip' };
    await bystander.channel.publish(exchange, 'order.paid', body, properties, { mandatory: true });
    await bystander.channel.publish(exchange, 'order.gone', '"x"', {}, { mandatory: true });
    await eventually(() => expect(runs.toSorted()).toEqual(['any 1', 'any 1', 'paid 250000', 'paid 250000']));
  });

  describe('AmqpServer', () => {
    const serve = async (options: AmqpServerOptions): Promise<{ queue: string; seen: unknown[] }> => {
      const queue = broker.unique('layout-server');
      const seen: unknown[] = [];
      await bench.deleteLater(queue, `${queue}.parked`);
      @Controller()
      class Events {
        @EventPattern('order.paid')
        onPaid(@Payload() data: unknown, @Ctx() context: AmqpContext): void {
          seen.push([data, context.getPattern()]);
        }
        @EventPattern('urn:message:Shop.Contracts:OrderSubmitted')
        onSubmitted(@Payload() data: unknown): void {
          seen.push(data);
        }
        @EventPattern('shop.tasks.send_mail')
        onTask(@Payload() data: unknown): void {
          seen.push(data);
        }
        @MessagePattern('sum')
        sum(@Payload() numbers: number[]): number {
          return numbers.reduce((sum, one) => sum + one, 0);
        }
      }
      await bench.serve([Events], { queue, ...options });
      return { queue, seen };
    };

    test.each<[string, MessageLayout, unknown, PublishProperties]>([
      ['type', { patternFrom: 'type', payloadFrom: 'body' }, { a: 1 }, { type: 'order.paid' }],
      ['header', { patternFrom: { header: 'h' } }, { data: { a: 1 } }, { headers: { h: 'order.paid' } }],
      [
        'field',
        { patternFrom: { field: 'kind' }, payloadFrom: { field: 'of' } },
        { kind: 'order.paid', of: { a: 1 } },
        {},
      ],
      ['function', { patternFrom: () => ['nobody', 'order.paid'], payloadFrom: 'body' }, { a: 1 }, {}],
    ])('the pattern stands in: %s', async (_name, layout, body, properties) => {
      const { queue, seen } = await serve({ layout });
      await bystander.send(queue, body, properties);
      await eventually(() => expect(seen).toEqual([[{ a: 1 }, 'order.paid']]));
    });

    test('in the routing key, over an exchange', async () => {
      const exchange = broker.unique('layout-exchange');
      const { seen } = await serve({
        exchange,
        wildcards: true,
        layout: { patternFrom: 'routingKey', payloadFrom: 'body' },
      });
      await bystander.channel.publish(exchange, 'order.paid', '{"a":1}', {}, { mandatory: true });
      await eventually(() => expect(seen).toEqual([[{ a: 1 }, 'order.paid']]));
      await bystander.channel.exchangeDelete(exchange);
    });

    test('messages of MassTransit and Celery are events, also where they name a reply-to', async () => {
      const transit = await serve({ layout: massTransit });
      const { properties, body } = foreignMessage('mass-transit');
      await bystander.send(transit.queue, body, properties);
      await eventually(() => expect(transit.seen).toEqual([(body as { message: unknown }).message]));
      const tasks = await serve({ layout: celery });
      const task = foreignMessage('celery');
      await bystander.send(tasks.queue, task.body, task.properties);
      await eventually(() => expect(tasks.seen).toMatchObject([{ args: ['anna@example.org'] }]));
      for (const hostile of [{ messageType: 5 }, null, '{"__proto__":{"messageType":["order.paid"]}}']) {
        await bystander.send(transit.queue, JSON.stringify(hostile));
        expect(await parkedReason(transit.queue)).toEqual(['unreadable', UnreadableBodyError.name]);
      }
      expect(bench.logger.warnings.filter((line) => line.includes('nobody waits'))).toEqual([]);
    });

    test('a packet of Nest\u2019s whose pattern alone stands elsewhere may be a request', async () => {
      const { queue } = await serve({ layout: { patternFrom: 'type' } });
      const replies = (await bystander.channel.queueDeclare('', { exclusive: true })).queue;
      await bystander.send(queue, { data: [1, 2], id: 'x' }, { type: 'sum', replyTo: replies, correlationId: 'x' });
      const { body, properties } = await bystander.take(replies);
      expect(JSON.parse(body.toString())).toEqual({ response: 3, isDisposed: true });
      expect(properties.correlationId).toBe('x');
    });
  });
});
