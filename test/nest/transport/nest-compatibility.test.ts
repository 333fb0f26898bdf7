/**
 * Ours and Nest's own RabbitMQ transport in one fleet, so that it can move over one service at a time: each kind of client
 * with each kind of server, all held against the same expectations, Nest's own pair among them.
 */
import 'reflect-metadata';
import { Controller, type Type } from '@nestjs/common';
import {
  ClientRMQ,
  Ctx,
  MessagePattern,
  Payload,
  RmqContext,
  RmqRecordBuilder,
  RpcException,
  Transport,
  type ClientProxy,
} from '@nestjs/microservices';
import { concatMap, delay, EMPTY, from, lastValueFrom, of, throwError, type Observable } from 'rxjs';
import type { Channel } from 'leveret/amqp';
import { describeOnBroker, type TestBroker } from '../../support/brokers.js';
import { until } from '../../support/waiting.js';
import { AmqpRecordBuilder, type AmqpClientOptions, type AmqpServerOptions } from 'leveret';
import { Bench, EventPattern } from './support.js';

type Kind = 'ours' | "Nest's";

const pairs: [client: Kind, server: Kind][] = [
  ["Nest's", "Nest's"],
  ['ours', "Nest's"],
  ["Nest's", 'ours'],
  ['ours', 'ours'],
];

/** What came of a request: its values in order, then the error or the end. */
interface Outcome {
  readonly values: readonly unknown[];
  readonly error?: unknown;
}

function outcomeOf(answers: Observable<unknown>): Promise<Outcome> {
  return new Promise((resolve) => {
    const values: unknown[] = [];
    answers.subscribe({
      next: (value) => values.push(value),
      error: (error: unknown) => {
        resolve({ values, error });
      },
      complete: () => {
        resolve({ values });
      },
    });
  });
}

/** Both kinds of transport on one broker. */
class Fleet {
  readonly bench: Bench;

  constructor(private readonly broker: TestBroker) {
    this.bench = new Bench(() => broker.url);
  }

  client(kind: Kind, options: AmqpClientOptions): ClientProxy {
    if (kind === 'ours') return this.bench.client(options);
    const client = new ClientRMQ({ urls: [this.broker.url], ...(options as object) });
    this.bench.closeLater(() => client.close());
    // Its statuses are an enum of Nest's own.
    return client as unknown as ClientProxy;
  }

  async serve(kind: Kind, controllers: Type[], options: AmqpServerOptions): Promise<() => Promise<void>> {
    if (kind === 'ours') {
      const { app } = await this.bench.serve(controllers, options);
      return () => app.close();
    }
    const rmq = { urls: [this.broker.url], ...options };
    const app = await this.bench.serveBy(controllers, { transport: Transport.RMQ, options: rmq });
    // Nest's own closes its channel under replies that are not confirmed yet, whose promises nobody handles then.
    const { channel } = Reflect.get(app, 'serverInstance') as {
      channel: Record<'_messages' | '_unconfirmedMessages', unknown[]>;
    };
    return async () => {
      const { _messages: waiting, _unconfirmedMessages: sent } = channel;
      await until("Nest's replies are confirmed", () => waiting.length + sent.length === 0);
      await app.close();
    };
  }
}

const emitted = (client: ClientProxy, pattern: unknown, data: unknown): Promise<unknown> =>
  lastValueFrom(client.emit(pattern, data), { defaultValue: undefined });
const propertiesOf = (context: RmqContext): Record<string, unknown> =>
  context.getMessage()['properties'] as Record<string, unknown>;
const channelOf = (context: RmqContext): { ack(message: object): void; nack(...settling: unknown[]): void } =>
  context.getChannelRef() as never;

const seen: unknown[] = [];

@Controller()
class Service {
  @MessagePattern('echo')
  echo(@Payload() data: unknown): unknown {
    return data;
  }
  @MessagePattern('promise')
  promise(@Payload() data: unknown): Promise<unknown> {
    return new Promise((resolve) => setImmediate(resolve, data));
  }
  @MessagePattern('nothing')
  nothing(): void {}
  @MessagePattern('no-value')
  noValue(): null {
    return null;
  }
  @MessagePattern({ cmd: 'object', a: { b: 1 } })
  object(): string {
    return 'object pattern';
  }
  @MessagePattern(7 as never)
  number(): string {
    return 'number pattern';
  }
  @MessagePattern('spread-out')
  spreadOut(@Payload() count: number): Observable<number> {
    return from(Array.from({ length: count }, (_, n) => n)).pipe(concatMap((n) => of(n).pipe(delay(3))));
  }
  @MessagePattern('at-once')
  atOnce(@Payload() count: number): Observable<number> {
    return from(Array.from({ length: count }, (_, n) => n));
  }
  @MessagePattern('promised-stream')
  promisedStream(): Promise<Observable<string>> {
    return Promise.resolve(of('a', 'b'));
  }
  @MessagePattern('empty')
  empty(): Observable<never> {
    return EMPTY;
  }
  @MessagePattern('refuse-with-text')
  refuseWithText(): never {
    throw new RpcException('refused');
  }
  @MessagePattern('refuse-with-object')
  refuseWithObject(): never {
    throw new RpcException({ code: 7, message: 'refused', details: ['a'] });
  }
  @MessagePattern('refuse-later')
  refuseLater(): Promise<never> {
    return Promise.reject(new RpcException('refused later'));
  }
  @MessagePattern('fail')
  fail(): never {
    throw new Error('a secret of the service');
  }
  @MessagePattern('broken-stream')
  brokenStream(): Observable<number> {
    return from([1, 2]).pipe(
      concatMap((n) => (n === 1 ? of(n).pipe(delay(3)) : throwError(() => new RpcException('broken')))),
    );
  }
  @MessagePattern('message')
  message(@Payload() data: unknown, @Ctx() context: RmqContext): object {
    const { headers, priority, expiration, messageId, type, appId, contentType } = propertiesOf(context);
    const { tenant, everywhere } = headers as Record<string, unknown>;
    const properties = { priority, expiration, messageId, type, appId, contentType };
    return { data, pattern: context.getPattern(), headers: { tenant, everywhere }, properties };
  }

  @EventPattern('happened')
  happened(@Payload() data: unknown): void {
    seen.push(['happened', data]);
  }
  @EventPattern('heard-by-two')
  first(@Payload() data: unknown): void {
    seen.push(['first', data]);
  }
  @EventPattern('heard-by-two')
  second(@Payload() data: unknown): void {
    seen.push(['second', data]);
  }
  @EventPattern('fails')
  fails(@Payload() data: unknown): void {
    seen.push(['fails', data]);
    throw new Error('on purpose');
  }
  @EventPattern('refuses')
  refuses(@Payload() data: unknown): Promise<never> {
    seen.push(['refuses', data]);
    return Promise.reject(new RpcException('on purpose'));
  }
  @MessagePattern('either')
  either(@Payload() data: unknown): string {
    seen.push(['either', data]);
    return 'answer';
  }
}

const internal = { status: 'error', message: 'Internal server error' };
const large = 'x'.repeat(300_000);

const requests: [what: string, pattern: unknown, data: unknown, outcome: Outcome][] = [
  ['a value', 'echo', { text: 'ümläut', list: [1, null] }, { values: [{ text: 'ümläut', list: [1, null] }] }],
  ['zero', 'echo', 0, { values: [0] }],
  ['an empty text', 'echo', '', { values: [''] }],
  ['false', 'echo', false, { values: [false] }],
  ['more than a frame holds', 'echo', large, { values: [large] }],
  ['null', 'no-value', {}, { values: [null] }],
  ['nothing', 'nothing', {}, { values: [] }],
  ['a promise', 'promise', 'later', { values: ['later'] }],
  ['a stream of several replies', 'spread-out', 4, { values: [0, 1, 2, 3] }],
  ['a stream of many replies at once', 'at-once', 200, { values: Array.from({ length: 200 }, (_, n) => n) }],
  ['a stream that was promised', 'promised-stream', {}, { values: ['a', 'b'] }],
  ['an empty stream', 'empty', {}, { values: [] }],
  [
    'an RpcException with a text',
    'refuse-with-text',
    {},
    { values: [], error: { status: 'error', message: 'refused' } },
  ],
  [
    'an RpcException with an object',
    'refuse-with-object',
    {},
    { values: [], error: { code: 7, message: 'refused', details: ['a'] } },
  ],
  [
    'an RpcException of a promise',
    'refuse-later',
    {},
    { values: [], error: { status: 'error', message: 'refused later' } },
  ],
  ['an Error, which stays in the service', 'fail', {}, { values: [], error: internal }],
  ['a stream that fails', 'broken-stream', {}, { values: [1], error: { status: 'error', message: 'broken' } }],
  [
    'a pattern that nobody handles',
    'unheard-of',
    {},
    { values: [], error: 'There is no matching message handler defined in the remote service.' },
  ],
  [
    'a pattern that is an object, its keys in any order',
    { a: { b: 1 }, cmd: 'object' },
    {},
    { values: ['object pattern'] },
  ],
  ['a pattern that is a number', 7, {}, { values: ['number pattern'] }],
  ['a pattern of which there is an event handler alone', 'happened', {}, { values: [] }],
  ['a handler that takes events as well', 'either', {}, { values: ['answer'] }],
];

describeOnBroker('a mixed fleet', (broker) => {
  describe.each(pairs)('%s client, %s server', (clientKind, serverKind) => {
    const { bench, ...fleet } = fleetOf(broker);
    let queue = '';
    let client: ClientProxy;
    let channel: Channel;

    beforeAll(async () => {
      bench.begin();
      queue = broker.unique('mixed');
      void bench.deleteLater(queue, `${queue}.parked`);
      channel = await bench.channel();
      await fleet.serve(serverKind, [Service], { queue });
      client = fleet.client(clientKind, { queue, headers: { everywhere: 'yes' } });
    });
    beforeEach(() => {
      seen.length = 0;
    });
    afterAll(() => bench.end());

    /** Everything that was sent before was taken from the queue. */
    const settled = async (): Promise<void> => {
      await emitted(client, 'happened', 'the last');
      await until('the last one is handled', () => seen.some((entry) => isSame(entry, ['happened', 'the last'])));
      await until('the queue is empty', async () => {
        return (await channel.queueDeclare(queue, { passive: true })).messageCount === 0;
      });
    };
    const parked = async (): Promise<number> =>
      (await channel.queueExists(`${queue}.parked`)) ? await channel.queuePurge(`${queue}.parked`) : 0;

    describe('a request that is answered with', () => {
      test.each(requests)('%s', async (_what, pattern, data, outcome) => {
        expect(await outcomeOf(client.send(pattern, data))).toEqual(outcome);
      });
    });

    test('a hundred requests at once: each gets its own answer', async () => {
      const numbers = Array.from({ length: 100 }, (_, n) => n);
      const outcomes = await Promise.all(numbers.map((n) => outcomeOf(client.send('echo', n))));
      expect(outcomes).toEqual(numbers.map((n) => ({ values: [n] })));
    });

    const options = {
      headers: { tenant: 'a' },
      priority: 3,
      expiration: 60_000,
      messageId: 'm-1',
      type: 'any',
      appId: 'shop',
      contentType: 'application/vnd.shop+json',
    };
    const records: [kind: Kind, record: unknown][] = [
      ["Nest's", new RmqRecordBuilder({ n: 1 }).setOptions(options).build()],
      ['ours', new AmqpRecordBuilder({ n: 1 }).setOptions(options).build()],
    ];
    // Nest's client knows its own alone.
    test.each(records.slice(0, clientKind === 'ours' ? 2 : 1))(
      'headers and properties of a record (%s), beside the headers of the client',
      async (_kind, record) => {
        const { headers, ...properties } = { ...options, expiration: '60000' };
        const expected = { data: { n: 1 }, pattern: 'message', headers: { everywhere: 'yes', ...headers }, properties };
        expect(await outcomeOf(client.send('message', record))).toEqual({ values: [expected] });
      },
    );

    test('an event', async () => {
      await emitted(client, 'happened', { n: 1 });
      await settled();
      expect(seen).toEqual([
        ['happened', { n: 1 }],
        ['happened', 'the last'],
      ]);
    });

    test('an event of which there are two handlers', async () => {
      await emitted(client, 'heard-by-two', 1);
      await settled();
      expect(seen.slice(0, 2)).toEqual([
        ['first', 1],
        ['second', 1],
      ]);
    });

    test('an event of which there is a request handler alone', async () => {
      await emitted(client, 'either', 1);
      await settled();
      expect(seen[0]).toEqual(['either', 1]);
    });

    test.each([
      ['whose handler fails', 'fails', [['fails', 1]]],
      ['whose handler rejects with an RpcException', 'refuses', [['refuses', 1]]],
      ['that nobody handles', 'unheard-of', []],
    ])('an event %s: it runs once, and the next one is handled; ours keeps it', async (_what, pattern, runs) => {
      await emitted(client, pattern, 1);
      let kept = 0;
      if (serverKind === 'ours') await until('it is parked', async () => (kept += await parked()) > 0);
      await settled();
      expect(seen).toEqual([...runs, ['happened', 'the last']]);
      expect(kept + (await parked())).toBe(serverKind === 'ours' ? 1 : 0);
    });

    test('a reply queue by name', async () => {
      const replyQueue = `${queue}.replies`;
      void bench.deleteLater(replyQueue);
      await channel.queueDeclare(replyQueue, { durable: false });
      const asking = fleet.client(clientKind, { queue, replyQueue });
      expect(await outcomeOf(asking.send('echo', 1))).toEqual({ values: [1] });
      // Of several replies that come together out of such a queue Nest's client now and then loses the last but one.
      if (clientKind === 'ours') {
        expect(await outcomeOf(asking.send('at-once', 3))).toEqual({ values: [0, 1, 2] });
      }
      expect(await outcomeOf(asking.send('refuse-with-text', {}))).toMatchObject({ error: { message: 'refused' } });
    });

    test('a topic exchange: patterns are routing keys, also with wildcards', async () => {
      @Controller()
      class Topics {
        @MessagePattern('price.*.*')
        price(@Payload() data: unknown, @Ctx() context: RmqContext): unknown {
          return [context.getPattern(), data];
        }
        @EventPattern('order.#')
        order(@Payload() data: unknown, @Ctx() context: RmqContext): void {
          seen.push([context.getPattern(), data]);
        }
        @EventPattern('exactly')
        exactly(@Payload() data: unknown): void {
          seen.push(['exactly', data]);
        }
      }
      const exchange = broker.unique('topic');
      const options = { queue: `${queue}.topic`, exchange, wildcards: true };
      void bench.deleteLater(options.queue);
      await fleet.serve(serverKind, [Topics], options);
      const asking = fleet.client(clientKind, options);
      expect(await outcomeOf(asking.send('price.of.rice', 1))).toEqual({ values: [['price.of.rice', 1]] });
      await emitted(asking, 'order.created.now', 2);
      await emitted(asking, 'unheard.of', 3);
      await emitted(asking, 'exactly', 4);
      await until('both are handled', () => seen.length === 2);
      expect(seen).toEqual([
        ['order.created.now', 2],
        ['exactly', 4],
      ]);
      await channel.exchangeDelete(exchange);
    });

    test('a fan-out exchange: every service hears an event, and answers a request', async () => {
      const exchange = broker.unique('fanout');
      const options = { exchange, exchangeType: 'fanout' };
      const queues = ['a', 'b'].map((name) => `${queue}.fanout.${name}`);
      void bench.deleteLater(...queues);
      for (const one of queues) await fleet.serve(serverKind, [Service], { queue: one, ...options });
      const asking = fleet.client(clientKind, options);
      await emitted(asking, 'happened', 'to all');
      await until('both heard it', () => seen.length === 2);
      expect(seen).toEqual([
        ['happened', 'to all'],
        ['happened', 'to all'],
      ]);
      expect(await outcomeOf(asking.send('echo', 'any'))).toEqual({ values: ['any'] });
      await channel.exchangeDelete(exchange);
    });

    describe('where handlers settle (noAck: false)', () => {
      let settling: ClientProxy;
      let close: () => Promise<void>;
      let ownQueue = '';
      const dead = (): string => `${ownQueue}.dead`;

      @Controller()
      class ByHand {
        @EventPattern('acknowledged')
        acknowledged(@Payload() data: unknown, @Ctx() context: RmqContext): void {
          channelOf(context).ack(context.getMessage());
          seen.push(['acknowledged', data]);
        }
        @EventPattern('given-back')
        givenBack(@Payload() data: unknown, @Ctx() context: RmqContext): void {
          seen.push(['given back', data]);
          if (seen.length === 1) channelOf(context).nack(context.getMessage(), false, true);
          else channelOf(context).ack(context.getMessage());
        }
        @EventPattern('dead-lettered')
        deadLettered(@Payload() data: unknown, @Ctx() context: RmqContext): void {
          seen.push(['dead-lettered', data]);
          channelOf(context).nack(context.getMessage(), false, false);
        }
        @MessagePattern('answered')
        answered(@Payload() data: unknown, @Ctx() context: RmqContext): unknown {
          channelOf(context).ack(context.getMessage());
          return data;
        }
      }

      beforeEach(async () => {
        bench.begin();
        ownQueue = broker.unique('by-hand');
        void bench.deleteLater(ownQueue, dead(), `${ownQueue}.parked`);
        await channel.queueDeclare(dead());
        const queueOptions = { deadLetterExchange: '', deadLetterRoutingKey: dead() };
        close = await fleet.serve(serverKind, [ByHand], {
          queue: ownQueue,
          noAck: false,
          prefetchCount: 5,
          queueOptions,
        });
        settling = fleet.client(clientKind, { queue: ownQueue, queueOptions });
      });

      /** What is left when the service is gone. */
      const left = async (): Promise<object> => {
        await close();
        if (serverKind === 'ours') expect([...bench.logger.errors, ...bench.logger.warnings]).toEqual([]);
        const count = async (name: string): Promise<number> =>
          (await channel.queueDeclare(name, { passive: true })).messageCount;
        return { queue: await count(ownQueue), dead: await count(dead()) };
      };

      test('each message is settled once, beyond the prefetch', async () => {
        for (let n = 0; n < 20; n++) await emitted(settling, 'acknowledged', n);
        await until('all are handled', () => seen.length === 20);
        expect(await left()).toEqual({ queue: 0, dead: 0 });
      });

      test('a message that is given back comes again', async () => {
        await emitted(settling, 'given-back', 1);
        await until('it came twice', () => seen.length === 2);
        expect(await left()).toEqual({ queue: 0, dead: 0 });
      });

      test('a message that is refused goes to the dead-letter exchange', async () => {
        await emitted(settling, 'dead-lettered', 1);
        await until('it is there', async () => {
          return (await channel.queueDeclare(dead(), { passive: true })).messageCount === 1;
        });
        expect(await left()).toEqual({ queue: 0, dead: 1 });
        expect(seen).toEqual([['dead-lettered', 1]]);
      });

      test('what nobody handles: a request is told so, and is done with; ours parks the event, Nest refuses both', async () => {
        const outcome = await outcomeOf(settling.send('unheard-of', {}));
        expect(outcome.error).toBe('There is no matching message handler defined in the remote service.');
        await emitted(settling, 'unheard-of', {});
        const isOurs = serverKind === 'ours';
        const kept = isOurs ? `${ownQueue}.parked` : dead();
        await until('they are where they go', async () => {
          if (!(await channel.queueExists(kept))) return false;
          return (await channel.queueDeclare(kept, { passive: true })).messageCount === (isOurs ? 1 : 2);
        });
        bench.begin();
        expect(await left()).toEqual({ queue: 0, dead: isOurs ? 0 : 2 });
      });

      test('a request is answered', async () => {
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, (_, n) => outcomeOf(settling.send('answered', n))),
        );
        expect(outcomes).toEqual(Array.from({ length: 20 }, (_, n) => ({ values: [n] })));
        expect(await left()).toEqual({ queue: 0, dead: 0 });
      });
    });
  });

  describe('the same queue', () => {
    const { bench, ...fleet } = fleetOf(broker);
    let queue = '';

    beforeEach(() => {
      bench.begin();
      seen.length = 0;
      queue = broker.unique('mixed');
      void bench.deleteLater(queue, `${queue}.parked`);
    });
    afterEach(() => bench.end());

    const shapes: [string, object][] = [
      ['as Nest declares by default', {}],
      ['not durable', { durable: false }],
      ['with arguments by amqplib names', { messageTtl: 60_000, maxLength: 1000, arguments: { 'x-max-priority': 5 } }],
      ['of another type', { arguments: { 'x-queue-type': 'quorum' } }],
    ];
    test.each(shapes)('declared by both kinds of client and server, %s', async (_what, queueOptions) => {
      for (const kind of ["Nest's", 'ours'] as const) {
        await fleet.serve(kind, [Service], { queue, queueOptions });
        for (const asking of ["Nest's", 'ours'] as const) {
          const client = fleet.client(asking, { queue, queueOptions, noAssert: false });
          expect(await outcomeOf(client.send('echo', asking))).toEqual({ values: [asking] });
        }
      }
    });

    test('consumed by servers of both kinds: each request is answered once, whoever takes it', async () => {
      await fleet.serve("Nest's", [Service], { queue, noAck: false, prefetchCount: 1 });
      await fleet.serve('ours', [Service], { queue });
      const client = fleet.client('ours', { queue });
      const outcomes = await Promise.all(Array.from({ length: 20 }, (_, n) => outcomeOf(client.send('echo', n))));
      expect(outcomes).toEqual(Array.from({ length: 20 }, (_, n) => ({ values: [n] })));
    });

    test.each(["Nest's", 'ours'] as const)('bound to a direct exchange by a routing key (%s server)', async (kind) => {
      const exchange = broker.unique('direct');
      await fleet.serve(kind, [Service], { queue, exchange, exchangeType: 'direct', routingKey: 'orders' });
      const channel = await bench.channel();
      const event = JSON.stringify({ pattern: 'happened', data: 1 });
      await channel.publish(exchange, 'orders', event, {}, { mandatory: true });
      await until('it is handled', () => seen.length === 1);
      await channel.exchangeDelete(exchange);
    });

    test('one exchange with a server of each kind: both hear every event, of both kinds of client', async () => {
      const exchange = broker.unique('both');
      @Controller()
      class Orders {
        @EventPattern('order.#')
        order(@Payload() data: unknown): void {
          seen.push(data);
        }
      }
      void bench.deleteLater(`${queue}.nest`);
      await fleet.serve("Nest's", [Orders], { queue: `${queue}.nest`, exchange, wildcards: true });
      await fleet.serve('ours', [Orders], { queue, exchange, wildcards: true });
      for (const [index, kind] of (["Nest's", 'ours'] as const).entries()) {
        await emitted(fleet.client(kind, { exchange, wildcards: true }), 'order.created', kind);
        await until('both heard it', () => seen.length === 2 * (index + 1));
      }
      expect(seen).toEqual(["Nest's", "Nest's", 'ours', 'ours']);
      await (await bench.channel()).exchangeDelete(exchange);
    });

    test("a handler that reads the message as Nest's transport gives it, by amqplib's names, need not change", async () => {
      interface AmqplibMessage {
        readonly content: Buffer;
        readonly fields: { readonly routingKey: string; readonly redelivered: boolean };
        readonly properties: { readonly headers?: Record<string, unknown> };
      }
      @Controller()
      class Reading {
        @EventPattern('happened')
        happened(@Payload() data: unknown, @Ctx() context: RmqContext): void {
          const { content, fields, properties } = context.getMessage() as AmqplibMessage;
          const { routingKey, redelivered } = fields;
          seen.push([data, JSON.parse(content.toString()), routingKey, redelivered, properties.headers?.['tenant']]);
          seen.push([context.getPattern(), context.getArgs().length]);
          // Twice is the same.
          seen.push((context.getMessage() as AmqplibMessage).fields === fields);
        }
      }
      await bench.serve([Reading], { queue });
      bench.client({ queue, headers: { tenant: 'a' } }).emit('happened', 1);
      await until('it is handled', () => seen.length === 3);
      expect(seen).toEqual([[1, { pattern: 'happened', data: 1 }, queue, false, 'a'], ['happened', 3], true]);
    });
  });
});

function fleetOf(broker: TestBroker): Pick<Fleet, 'bench' | 'client' | 'serve'> {
  const fleet = new Fleet(broker);
  return { bench: fleet.bench, client: fleet.client.bind(fleet), serve: fleet.serve.bind(fleet) };
}

function isSame(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
