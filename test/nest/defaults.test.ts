/**
 * What holds where nobody said anything: a test for each row of docs/defaults.md. None gives the option that its row is about.
 *
 * Limits of seconds pass on a clock of the test's own; sockets and brokers are real.
 */
import { jest } from '@jest/globals';
import {
  Controller,
  Inject,
  Injectable,
  UseGuards,
  ValidationPipe,
  type CanActivate,
  type ExecutionContext,
  type OnModuleDestroy,
} from '@nestjs/common';
import { Ctx, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { IsInt } from 'class-validator';
import {
  AmqpClient,
  AmqpModule,
  AmqpServer,
  Consume,
  InjectPublisher,
  NoReceiverError,
  Publisher,
  PublisherFactory,
  RecoveryService,
  RemoteError,
  RequestTimeoutError,
  ShutdownError,
  type AmqpContext,
} from 'leveret';
import {
  AuthenticationError,
  NackError,
  NoFreeChannelsError,
  NotSentError,
  UnroutableError,
  type TransportFactory,
} from 'leveret/amqp';
import { EmbeddedBroker } from 'leveret/broker';
import { lastValueFrom, Subject } from 'rxjs';
import { describeOnBroker, describeOnControlledRabbitmq, type TestBroker } from '../support/brokers.js';
import { breathe, elapse, letTimeGo, soon, stopTime } from '../support/fake-time.js';
import { Gate } from '../support/gate.js';
import {
  Bystander,
  closeApplication,
  closeApplications,
  eventually,
  pause,
  recordingConsumer,
  startApplication,
  startModule,
} from '../support/nest-app.js';
import { TappedTransport } from '../support/tapped-transport.js';
import { rejection } from '../support/waiting.js';
import { Bench, EventPattern } from './transport/support.js';

class OrderDto {
  @IsInt()
  id!: number;
}

jest.setTimeout(20_000);

describeOnBroker('by default', (broker) => {
  const bystander = new Bystander();
  const bench = new Bench(() => broker.url);
  const queues: string[] = [];
  beforeAll(() => bystander.open(broker.url));
  beforeEach(() => bench.begin());
  afterEach(async () => {
    letTimeGo();
    await closeApplications();
    await bench.end();
  });
  afterAll(async () => {
    for (const queue of queues) await bystander.channel.queueDelete(queue);
    await bystander.close();
  });

  function queueNamed(name: string): string {
    const queue = broker.unique(`default-${name}`);
    queues.push(queue, `${queue}.parked`);
    return queue;
  }

  /** As both kinds of our clients send it. */
  const event = (pattern: string, data: unknown): object => ({ pattern, data });
  const emitted = (client: AmqpClient, pattern: string, data: unknown): Promise<unknown> =>
    lastValueFrom(client.emit(pattern, data), { defaultValue: 'confirmed' });

  /** An application that sends, and nothing else. */
  async function startSender(options: Parameters<typeof startApplication>[0] = {}) {
    const started = await startApplication({ url: broker.url, ...options }, {});
    return { ...started, direct: started.app.get(PublisherFactory).create() };
  }

  /** The reasons in a parking queue, of so many messages. */
  async function reasonsIn(parkingQueue: string, count: number): Promise<unknown[]> {
    const reasons: unknown[] = [];
    while (reasons.length < count) {
      reasons.push((await bystander.take(parkingQueue)).properties.headers?.['x-leveret-reason']);
    }
    return reasons.sort();
  }

  /** Sees the message whose id is the queue's name wait in that delay queue, and sends it on before its time. */
  async function hasten(queue: string, delay: number): Promise<void> {
    await eventually(async () => {
      const waiting = await bystander.channel.basicGet(`leveret.delay.${String(delay)}`);
      if (waiting?.properties.messageId !== queue) {
        waiting?.nack({ requeue: true });
        throw new Error(`nothing for ${queue} waits for ${String(delay)} ms`);
      }
      const { expiration: _none, ...properties } = waiting.properties;
      await bystander.channel.publish('', queue, waiting.body, properties, { mandatory: true });
      waiting.ack();
    });
  }

  // --- handlers -----------------------------------------------------------------------------------

  test.each(['@Consume', 'AmqpServer'])(
    '%s: a message is acknowledged after its handler’s promise or observable completed',
    async (door) => {
      const queue = queueNamed('acknowledged');
      const runs: { readonly context: AmqpContext; readonly ending: Subject<string> }[] = [];
      const handle = (kind: string, context: AmqpContext): unknown => {
        const ending = new Subject<string>();
        runs.push({ context, ending });
        return kind === 'promise' ? lastValueFrom(ending) : ending;
      };
      @Injectable()
      class Orders {
        @Consume(queue)
        onOrder(@Payload() kind: string, @Ctx() context: AmqpContext): unknown {
          return handle(kind, context);
        }
      }
      @Controller()
      class Handlers {
        @EventPattern('order')
        onOrder(@Payload() kind: string, @Ctx() context: AmqpContext): unknown {
          return handle(kind, context);
        }
      }
      const gate = new Gate();
      if (door === '@Consume') {
        await startApplication({ url: broker.url, transport: gate.transport }, { providers: [Orders] });
      } else await bench.serve([Handlers], { queue, transport: gate.transport });
      for (const kind of ['promise', 'observable']) {
        await bystander.send(queue, door === '@Consume' ? JSON.stringify(kind) : event('order', kind));
        await eventually(() => expect(runs).toHaveLength(1));
        gate.cut();
        // The broker has no acknowledgement: the message comes again.
        await eventually(() => expect(runs).toHaveLength(2));
        const [first, again] = runs.splice(0);
        expect(again?.context.delivery).toMatchObject({ redelivered: true, isSettled: false });
        again?.ending.next('a value is not the end');
        await pause(30);
        expect(again?.context.delivery.isSettled).toBe(false);
        for (const run of [first, again]) run?.ending.complete();
        await eventually(() => expect(again?.context.delivery.isSettled).toBe(true));
      }
      await closeApplications();
      await bench.end();
      expect(await bystander.count(queue)).toBe(0);
    },
  );

  test('20 messages at a time for each consumer, over a channel of its own while channel_max allows', async () => {
    const [first, second, served] = [queueNamed('first'), queueNamed('second'), queueNamed('served')];
    const running: Record<string, number> = {};
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const run = (queue: string): Promise<void> => {
      running[queue] = (running[queue] ?? 0) + 1;
      return released;
    };
    @Injectable()
    class Orders {
      @Consume(first)
      onFirst(): Promise<void> {
        return run(first);
      }
      @Consume(second)
      onSecond(): Promise<void> {
        return run(second);
      }
    }
    @Controller()
    class Handlers {
      @EventPattern('order')
      onOrder(): Promise<void> {
        return run(served);
      }
    }
    const tap = new TappedTransport();
    await startApplication({ url: broker.url, transport: tap.transport }, { providers: [Orders] });
    await bench.serve([Handlers], { queue: served });
    const consumes = tap.sent.filter(({ name }) => name === 'basic.consume');
    expect(new Set(consumes.map(({ channel }) => channel)).size).toBe(2);
    for (let count = 0; count < 25; count++) {
      for (const queue of [first, second]) await bystander.send(queue, {});
      await bystander.send(served, event('order', {}));
    }
    const limits = { [first]: 20, [second]: 20, [served]: 20 };
    await eventually(() => expect(running).toEqual(limits));
    await pause(50);
    expect(running).toEqual(limits);
    release();
    await eventually(() => expect(running).toEqual({ [first]: 25, [second]: 25, [served]: 25 }));
    const crowded = startApplication({ url: broker.url, channelMax: 1 }, { providers: [Orders] });
    expect(await rejection(crowded)).toBeInstanceOf(NoFreeChannelsError);
  });

  test('a batch raises the prefetch to its size', async () => {
    const queue = queueNamed('batch');
    const sizes: number[] = [];
    @Injectable()
    class Orders {
      @Consume({ queue, batch: { size: 30, wait: 2_000 } })
      onOrders(orders: unknown[]): void {
        sizes.push(orders.length);
      }
    }
    const tap = new TappedTransport();
    await startApplication({ url: broker.url, transport: tap.transport }, { providers: [Orders] });
    const messages = Array.from({ length: 30 }, (_, id) => bystander.send(queue, { id }));
    await Promise.all(messages);
    await eventually(() => expect(sizes).toEqual([30]));
  });

  test('an event that fails is tried again after 1, 2, 4, 8 and 16 s, then parked; what no retry mends is parked at once', async () => {
    const [queue, served] = [queueNamed('failing'), queueNamed('served')];
    const runs: string[] = [];
    const fail = (door: string, attempts: number): never => {
      runs.push(`${door} ${String(attempts)}`);
      throw new Error('out of stock');
    };
    @Injectable()
    class Orders {
      @Consume(queue)
      onOrder(_order: OrderDto, @Ctx() context: AmqpContext): void {
        fail('consumed', context.attempts);
      }
    }
    @Controller()
    class Handlers {
      @EventPattern('order')
      onOrder(@Payload(new ValidationPipe()) _order: OrderDto, @Ctx() context: AmqpContext): void {
        fail('served', context.attempts);
      }
    }
    const server = new AmqpServer({ url: broker.url, queue: served });
    const metadata = {
      imports: [AmqpModule.forRoot({ url: broker.url })],
      providers: [Orders],
      controllers: [Handlers],
    };
    const { app } = await startModule(metadata, (application) => {
      application.useGlobalPipes(new ValidationPipe());
      application.connectMicroservice({ strategy: server });
    });
    await app.startAllMicroservices();
    for (const body of ['{"id":', { id: 'x' }]) await bystander.send(queue, body);
    expect(await reasonsIn(`${queue}.parked`, 2)).toEqual(['invalid', 'unreadable']);
    for (const body of ['{"id":', event('order', { id: 'x' })]) await bystander.send(served, body);
    await eventually(async () => expect(await bystander.channel.queueExists(`${served}.parked`)).toBe(true));
    expect(await reasonsIn(`${served}.parked`, 2)).toEqual(['invalid', 'unreadable']);
    expect(runs).toEqual([]);

    await bystander.send(queue, { id: 1 }, { messageId: queue });
    await bystander.send(served, event('order', { id: 2 }), { messageId: served });
    for (const [index, delay] of [1_000, 2_000, 4_000, 8_000, 16_000].entries()) {
      await eventually(() => expect(runs).toHaveLength(2 * (index + 1)));
      for (const one of [queue, served]) await hasten(one, delay);
    }
    expect(await reasonsIn(`${queue}.parked`, 1)).toEqual(['error']);
    expect(await reasonsIn(`${served}.parked`, 1)).toEqual(['error']);
    const attempts = [1, 2, 3, 4, 5, 6].map(String);
    expect([...runs].sort()).toEqual([
      ...attempts.map((attempt) => `consumed ${attempt}`),
      ...attempts.map((attempt) => `served ${attempt}`),
    ]);
    for (const one of [queue, served]) expect(await bystander.count(one)).toBe(0);
  });

  test('an error is the reply of a request, which is acknowledged then: it is neither run again nor parked', async () => {
    const [queue, served] = [queueNamed('asked'), queueNamed('served')];
    let runs = 0;
    const refuse = (): never => {
      runs += 1;
      throw new RpcException('sold out');
    };
    @Injectable()
    class Stock {
      @Consume({ queue, reply: true })
      onAsked(): void {
        refuse();
      }
    }
    @Controller()
    class Handlers {
      @MessagePattern('stock')
      stock(): void {
        refuse();
      }
    }
    const { app } = await startApplication({ url: broker.url }, { providers: [Stock] });
    await bench.serve([Handlers], { queue: served });
    const errors = [
      await rejection(app.get(PublisherFactory).create().request(queue, {})),
      await rejection(bench.client({ queue: served }).request('stock', {})),
    ];
    for (const error of errors) {
      expect(error).toBeInstanceOf(RemoteError);
      expect(error.message).toContain('sold out');
    }
    await closeApplications();
    await bench.end();
    expect(runs).toBe(2);
    for (const one of [queue, served, `${queue}.parked`]) expect(await bystander.count(one)).toBe(0);
    expect(await bystander.channel.queueExists(`${served}.parked`)).toBe(false);
  });

  test('the context type of a handler is rpc', async () => {
    const [queue, served] = [queueNamed('typed'), queueNamed('served')];
    const types: string[] = [];
    class Guard implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        types.push(context.getType());
        return true;
      }
    }
    @Injectable()
    @UseGuards(Guard)
    class Orders {
      @Consume(queue)
      onOrder(): void {}
    }
    @Controller()
    @UseGuards(Guard)
    class Handlers {
      @EventPattern('order')
      onOrder(): void {}
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(queue, {});
    await eventually(() => expect(types).toEqual(['rpc']));
    await bench.serve([Handlers], { queue: served });
    await bystander.send(served, event('order', {}));
    await eventually(() => expect(types).toEqual(['rpc', 'rpc']));
  });

  test('a handler’s undecorated first parameter is the payload, and passes the pipes', async () => {
    const [queue, served] = [queueNamed('piped'), queueNamed('served')];
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume(queue)
      onOrder(order: OrderDto): void {
        seen.push(order);
      }
    }
    @Controller()
    class Handlers {
      @MessagePattern('order')
      onOrder(order: OrderDto): boolean {
        return seen.push(order) > 0;
      }
    }
    const pipe = new ValidationPipe({ transform: true });
    await startApplication({ url: broker.url }, { providers: [Orders] }, (app) => app.useGlobalPipes(pipe));
    await bystander.send(queue, { id: 1 });
    await eventually(() => expect(seen).toEqual([{ id: 1 }]));
    const server = new AmqpServer({ url: broker.url, queue: served });
    const { app } = await startApplication({ url: broker.url }, { controllers: [Handlers] }, (hybrid) => {
      hybrid.useGlobalPipes(pipe);
      hybrid.connectMicroservice({ strategy: server }, { inheritAppConfig: true });
    });
    await app.startAllMicroservices();
    await expect(bench.client({ queue: served }).request('order', { id: 2 })).resolves.toBe(true);
    expect(seen).toEqual([{ id: 1 }, { id: 2 }]);
    for (const order of seen) expect(order).toBeInstanceOf(OrderDto);
  });

  // --- what is declared ---------------------------------------------------------------------------

  test('the parking queue is declared, and where it is not wanted a warning at the start says so', async () => {
    const [queue, other, served] = [queueNamed('parking'), queueNamed('other'), queueNamed('served')];
    const { Orders } = recordingConsumer(queue);
    const { log } = await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.channel.queueDeclare(`${queue}.parked`, { durable: true });
    expect(log.texts('warn')).toEqual([]);
    const unwanted = recordingConsumer({ queue: other, parking: false });
    const second = await startApplication({ url: broker.url }, { providers: [unwanted.Orders] });
    expect(second.log.texts('warn')).toEqual([
      expect.stringMatching(new RegExp(`Orders.onOrder: failed messages are parked, but .*"${other}.parked"`)),
    ]);
    expect(await bystander.channel.queueExists(`${other}.parked`)).toBe(false);
    await bystander.channel.queueDeclare(served);
    bench.begin();
    await bench.serve([], { queue: served, noAssert: true });
    expect(bench.logger.warnings.join()).toContain(`There is no queue \\"${served}.parked\\"`);
  });

  test('messages are persistent, queues and exchanges durable, queues classic, and AmqpServer declares as Nest does', async () => {
    const [queue, sent, served] = [queueNamed('durable'), queueNamed('sent'), queueNamed('served')];
    const exchange = broker.unique('default-exchange');
    @Injectable()
    class Orders {
      @Consume({ queue, exchange, routingKey: 'order' })
      onOrder(): void {}
    }
    const { app } = await startApplication(
      { url: broker.url, exchanges: [{ name: exchange, type: 'topic' }] },
      { providers: [Orders] },
    );
    await bench.serve([], { queue: served, wildcards: true });
    const { channel } = bystander;
    // A broker accepts a second declaration only where it is the same; amqplib's and so Nest's is durable, no arguments.
    for (const one of [queue, `${queue}.parked`, served]) await channel.queueDeclare(one, { durable: true });
    for (const one of [exchange, served]) await channel.exchangeDeclare(one, 'topic', { durable: true });
    await channel.queueDeclare(sent);
    await app.get(PublisherFactory).create().publish(sent, {});
    await emitted(bench.client({ queue: sent }), 'order', {});
    for (let count = 0; count < 2; count++) {
      expect((await bystander.take(sent)).properties.deliveryMode).toBe(2);
    }
    for (const one of [exchange, served]) await channel.exchangeDelete(one);
  });

  test('a quorum queue dead-letters to its parking queue: what was lost with too many connections is there', async () => {
    const queue = queueNamed('quorum');
    let runs = 0;
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    @Injectable()
    class Orders {
      @Consume({ queue, queueType: 'quorum', arguments: { 'x-delivery-limit': 2 } })
      async onOrder(): Promise<void> {
        runs += 1;
        await released;
      }
    }
    const gate = new Gate();
    await startApplication({ url: broker.url, transport: gate.transport }, { providers: [Orders] });
    await bystander.send(queue, { id: 1 });
    for (let losses = 0; losses < 3; losses++) {
      await eventually(() => expect(runs).toBe(losses + 1), 15_000);
      gate.cut();
    }
    const parked = await bystander.take(`${queue}.parked`);
    expect(JSON.parse(parked.body.toString())).toEqual({ id: 1 });
    expect(JSON.stringify(parked.properties.headers)).toContain('delivery_limit');
    release();
  }, 60_000);

  test('what is given back at the end is cancelled, nacked, and its channel closed: no loss that would count', async () => {
    const queue = queueNamed('given-back');
    let runs = 0;
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    @Injectable()
    class Orders {
      @Consume({ queue, queueType: 'quorum', concurrency: 1 })
      async onOrder(): Promise<void> {
        runs += 1;
        await released;
      }
    }
    const tap = new TappedTransport();
    const { app } = await startApplication({ url: broker.url, transport: tap.transport }, { providers: [Orders] });
    for (let count = 0; count < 3; count++) await bystander.send(queue, count);
    await eventually(() => expect(tap.received.filter(({ name }) => name === 'basic.deliver')).toHaveLength(3));
    const closing = closeApplication(app);
    await eventually(() => expect(tap.sent.some(({ name }) => name === 'basic.nack')).toBe(true));
    release();
    await closing;
    const ends = ['basic.cancel', 'basic.nack', 'channel.close', 'connection.close'];
    const told = tap.sent.map(({ name }) => name).filter((name) => ends.includes(name));
    const begin = told.indexOf('basic.cancel');
    expect([...new Set(told.slice(begin))]).toEqual(ends);
    expect(runs).toBe(1);
    await eventually(async () => expect(await bystander.count(queue)).toBe(2));
  });

  test('senders declare nothing', async () => {
    const queue = queueNamed('foreign');
    // With arguments that no declaration of ours would have.
    await bystander.channel.queueDeclare(queue, { durable: false, arguments: { 'x-max-length': 7 } });
    const taps = [new TappedTransport(), new TappedTransport()] as const;
    const { direct, app } = await startSender({ transport: taps[0].transport });
    const topic = app.get(PublisherFactory).create({ exchange: 'amq.topic' });
    const client = bench.client({ queue, transport: taps[1].transport });
    await direct.publish(queue, 1);
    await topic.publish('nobody', 2);
    await emitted(client, 'order', 3);
    expect(await rejection(direct.request(queue, 4, { timeout: 20 }))).toBeInstanceOf(RequestTimeoutError);
    expect(await rejection(client.request('order', 5, { timeout: 20 }))).toBeInstanceOf(RequestTimeoutError);
    expect(await rejection(direct.publish(`${queue}.missing`, 6))).toBeInstanceOf(UnroutableError);
    for (const tap of taps) {
      const names = tap.sent.map(({ name }) => name);
      expect(names).toContain('basic.publish');
      expect(names.filter((name) => /^(queue|exchange)\./.test(name))).toEqual([]);
    }
  });

  test('* stands for one word and # for any number, at any place', async () => {
    const [queue, served] = [queueNamed('patterns'), queueNamed('served')];
    const got: string[] = [];
    @Injectable()
    class Orders {
      @Consume({ queue, exchange: served, routingKey: 'a.#.z' })
      onMiddle(key: string): void {
        got.push(`a.#.z ${key}`);
      }
      @Consume({ queue, exchange: served, routingKey: ['*.b', '#.end'] })
      onOthers(key: string): void {
        got.push(`others ${key}`);
      }
    }
    @Controller()
    class Handlers {
      @EventPattern('a.#.z')
      middle(@Payload() key: string): void {
        got.push(`a.#.z ${key}`);
      }
      @EventPattern('*.b')
      one(@Payload() key: string): void {
        got.push(`others ${key}`);
      }
      @EventPattern('#.end')
      first(@Payload() key: string): void {
        got.push(`others ${key}`);
      }
    }
    await bench.serve([Handlers], { queue: served, wildcards: true });
    const keys = ['a.z', 'a.b.c.z', 'a.b', 'b', 'x.y.b', 'end', 'x.y.end', 'end.x', 'a.z.x'];
    const expected = ['a.#.z a.b.c.z', 'a.#.z a.z', 'others a.b', 'others end', 'others x.y.end'];
    const client = bench.client({ queue: served, wildcards: true });
    for (const key of keys) await emitted(client, key, key);
    await eventually(() => expect([...got].sort()).toEqual(expected));
    got.length = 0;
    await bench.end();
    await startApplication({ url: broker.url }, { providers: [Orders] });
    for (const key of keys) await bystander.channel.publish(served, key, JSON.stringify(key));
    await eventually(() => expect([...got].sort()).toEqual(expected));
    await bystander.channel.exchangeDelete(served);
  });

  // --- publishing ---------------------------------------------------------------------------------

  test('publishes are confirmed; requests and what is sent to a queue are mandatory', async () => {
    const full = queueNamed('full');
    await bystander.channel.queueDeclare(full, {
      arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' },
    });
    await bystander.send(full, {});
    const { direct, app } = await startSender();
    const topic = app.get(PublisherFactory).create({ exchange: 'amq.topic' });
    // Only a confirm tells of it.
    expect(await rejection(direct.publish(full, {}))).toBeInstanceOf(NackError);
    expect(await rejection(emitted(bench.client({ queue: full }), 'order', {}))).toBeInstanceOf(NackError);
    const missing = bench.client({ queue: `${full}.missing` });
    expect(await rejection(direct.publish(`${full}.missing`, {}))).toBeInstanceOf(UnroutableError);
    expect(await rejection(emitted(missing, 'order', {}))).toBeInstanceOf(UnroutableError);
    expect(await rejection(direct.request(`${full}.missing`, {}))).toBeInstanceOf(NoReceiverError);
    expect(await rejection(topic.request(`${full}.nobody`, {}))).toBeInstanceOf(NoReceiverError);
    expect(await rejection(missing.request('order', {}))).toBeInstanceOf(NoReceiverError);
    // An event that nobody listens for is none's failure.
    await topic.publish(`${full}.nobody`, {});
  });

  test('publishers send at once and give a promise; a failure that nobody awaited is logged, and ends no process', async () => {
    const queue = queueNamed('at-once');
    await bystander.channel.queueDeclare(queue);
    const unhandled: unknown[] = [];
    const onUnhandled = (reason: unknown): number => unhandled.push(reason);
    process.on('unhandledRejection', onUnhandled);
    const { direct, log } = await startSender();
    const client = bench.client({ queue });
    await client.connect();
    // Nest's contract: nothing is sent before somebody subscribes.
    client.send('order', 'cold');
    expect(direct.publish(queue, {})).toBeInstanceOf(Promise);
    client.emit('order', {});
    const asking = rejection(client.request('order', {}, { timeout: 200 }));
    await eventually(async () => expect(await bystander.count(queue)).toBe(3));
    await asking;
    expect(await bystander.count(queue)).toBe(3);
    const missing = bench.client({ queue: `${queue}.missing` });
    void direct.publish(`${queue}.missing`, {});
    void direct.request(`${queue}.missing`, {});
    missing.emit('order', {});
    void missing.request('order', {});
    await eventually(() => expect(log.texts('error')).toHaveLength(4));
    await pause(30);
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled).toEqual([]);
    expect(log.texts('error').join('\n')).toMatch(
      /publish .* nobody awaited failed[^]*request .* nobody awaited failed/,
    );
  });

  test('the consumer of replies is opened at the first request', async () => {
    const queue = queueNamed('replies');
    await bystander.channel.queueDeclare(queue);
    const taps = [new TappedTransport(), new TappedTransport()] as const;
    const { direct } = await startSender({ transport: taps[0].transport });
    const client = bench.client({ queue, transport: taps[1].transport });
    const consumes = (): number[] => taps.map(({ sent }) => sent.filter(({ name }) => name === 'basic.consume').length);
    await direct.publish(queue, {});
    await emitted(client, 'order', {});
    expect(consumes()).toEqual([0, 0]);
    for (let count = 0; count < 2; count++) {
      await rejection(direct.request(queue, {}, { timeout: 50 }));
      await rejection(client.request('order', {}, { timeout: 50 }));
      expect(consumes()).toEqual([1, 1]);
    }
  });

  test('a request waits 30 s for its reply', async () => {
    const queue = queueNamed('unanswered');
    await bystander.channel.queueDeclare(queue);
    stopTime();
    const { direct } = await startSender();
    const client = bench.client({ queue });
    const ends: unknown[] = [];
    for (const request of [direct.request(queue, {}), client.request('order', {})]) {
      request.catch((error: unknown) => ends.push(error));
    }
    await soon(async () => expect(await bystander.count(queue)).toBe(2));
    await elapse(29_999);
    expect(ends).toEqual([]);
    await elapse(1);
    expect(ends).toEqual([expect.any(RequestTimeoutError), expect.any(RequestTimeoutError)]);
  });

  test('while the connection is away 1,000 messages or 16 MiB wait, for 10 s, and then fail with NotSentError', async () => {
    stopTime();
    const gate = new Gate();
    const { app, direct } = await startSender({ transport: gate.transport });
    const topic = app.get(PublisherFactory).create({ exchange: 'amq.topic' });
    // Each exchange has a channel, and each channel a buffer of its own.
    await topic.publish('nobody', {});
    const client = bench.client({ queue: 'anywhere', transport: gate.transport });
    await client.connect();
    await breathe(50);
    gate.shut();
    await soon(() => expect(app.get(RecoveryService).connections()).toMatchObject([{ state: 'recovering' }]));
    await soon(() => expect(client.unwrap().state).toBe('recovering'));
    const ends: unknown[] = [];
    const wait = (publishing: Promise<unknown>): unknown => publishing.catch((error: unknown) => ends.push(error));
    for (let count = 0; count < 1_000; count++) wait(direct.publish('anywhere', count));
    for (let count = 0; count < 1_000; count++) wait(emitted(client, 'order', count));
    const mebibyte = Buffer.alloc(1_048_576);
    for (let count = 0; count < 16; count++) wait(topic.publish('nobody', mebibyte));
    const beyond = [
      direct.publish('anywhere', 'one more'),
      emitted(client, 'order', 'one more'),
      topic.publish('nobody', Buffer.alloc(1)),
    ];
    for (const refused of beyond) expect(await rejection(refused)).toBeInstanceOf(NotSentError);
    await elapse(9_999);
    expect(ends).toEqual([]);
    await elapse(1);
    expect(ends).toHaveLength(2_016);
    expect(ends.every((error) => error instanceof NotSentError)).toBe(true);
    gate.open();
  });

  // --- the start, outages, the end ----------------------------------------------------------------

  test('the start waits 30 s over all hosts, and fails with the cause', async () => {
    stopTime();
    const asked: string[] = [];
    /** One host refuses at once, the other never answers. */
    const transport: TransportFactory = ({ host }) => {
      asked.push(host);
      return host === 'refusing' ? Promise.reject(new Error('nobody listens there')) : new Promise(() => undefined);
    };
    const options = { url: ['amqp://refusing', 'amqp://silent'], transport, plaintext: 'allow' } as const;
    const server = new AmqpServer({ ...options, queue: 'any' });
    const ends: Error[] = [];
    const noteEnd = (error: unknown): unknown => ends.push(error as Error);
    startApplication(options, {}).catch(noteEnd);
    bench
      .client({ ...options, queue: 'any' })
      .connect()
      .catch(noteEnd);
    server.listen(noteEnd);
    await breathe(50);
    await elapse(29_999);
    expect(ends).toEqual([]);
    expect(asked.filter((host) => host === 'refusing').length).toBeGreaterThan(3);
    expect(asked.filter((host) => host === 'silent').length).toBeGreaterThan(3);
    await elapse(1);
    await soon(() => expect(ends).toHaveLength(3));
    for (const error of ends) expect(`${error.message} ${String(error.cause)}`).toMatch(/no answer|nobody listens/);
  });

  test('a wrong password fails the first connect at once; later ones back off and say so', async () => {
    stopTime();
    const wrong = new URL(broker.url);
    wrong.password = 'wrong';
    const gates = [new Gate(), new Gate(), new Gate()] as const;
    const at = (index: 0 | 1 | 2) => ({ url: wrong.href, transport: gates[index].transport });
    const server = new AmqpServer({ ...at(1), queue: 'any' });
    const errors = [
      await rejection(startApplication(at(0), {})),
      await new Promise((resolve) => server.listen(resolve)),
      await rejection(bench.client({ ...at(2), queue: 'any' }).connect()),
    ];
    for (const error of errors) expect(error).toBeInstanceOf(AuthenticationError);
    expect(gates.map(({ attempts }) => attempts)).toEqual([1, 1, 1]);

    const login = { username: decodeURIComponent(wrong.username), password: new URL(broker.url).password };
    wrong.username = wrong.password = '';
    const [gate, other] = [new Gate(), new Gate()];
    const credentials = (): { username: string; password: string } => ({ ...login });
    const { app, log } = await startApplication({ url: wrong.href, credentials, transport: gate.transport }, {});
    const client = bench.client({ url: wrong.href, credentials, transport: other.transport, queue: 'any' });
    await client.connect();
    const told: unknown[] = [];
    app.get(RecoveryService).on('reconnecting', ({ attempt, delay, cause }) => {
      if (attempt > 1) told.push(cause instanceof AuthenticationError && delay >= 5_000 && delay <= 10_000);
    });
    const { password } = login;
    login.password = 'changed by somebody';
    const refusals = (): string[] => log.texts('error');
    gate.cut();
    other.cut();
    await soon(() => expect(log.texts('warn').filter((line) => line.includes('was lost'))).toHaveLength(2));
    for (let attempt = 1; attempt <= 3; attempt++) {
      await elapse(10_000);
      await soon(() => expect(told).toHaveLength(attempt));
      await soon(() => expect(other.attempts).toBe(attempt + 1));
    }
    expect(told).toEqual([true, true, true]);
    await soon(() => expect(refusals()).toHaveLength(2));
    expect(refusals().every((line) => line.includes('refuse') && line.includes('login'))).toBe(true);
    login.password = password;
    await elapse(10_000);
    await soon(() => expect(log.texts('log').filter((line) => /is back after|again after/.test(line))).toHaveLength(2));
    expect(refusals()).toHaveLength(2);
  });

  test('one warning an outage and one line on recovery, and no payload in any line', async () => {
    const [queue, served] = [queueNamed('logged'), queueNamed('served')];
    @Injectable()
    class Orders {
      @Consume(queue)
      onOrder(_order: OrderDto): never {
        throw new Error('out of stock');
      }
    }
    @Controller()
    class Handlers {
      @EventPattern('order')
      onOrder(@Payload(new ValidationPipe()) _order: OrderDto): never {
        throw new Error('out of stock');
      }
    }
    stopTime();
    const [gate, other] = [new Gate(), new Gate()];
    await bench.serve([Handlers], { queue: served, transport: other.transport });
    const { app, log } = await startApplication(
      { url: broker.url, transport: gate.transport },
      { providers: [Orders] },
      (configured) => configured.useGlobalPipes(new ValidationPipe()),
    );
    const since = log.lines.length;
    gate.shut();
    other.shut();
    await soon(() => expect(log.texts('warn')).toHaveLength(2));
    const before = gate.attempts;
    for (let second = 0; second < 60; second++) await elapse(1_000);
    expect(gate.attempts).toBeGreaterThan(before + 5);
    gate.open();
    other.open();
    await elapse(10_000);
    await soon(() => expect(log.lines.length).toBeGreaterThanOrEqual(since + 4));
    await breathe(50);
    const outage = log.lines.slice(since);
    expect(outage.map(({ level }) => level)).toEqual(['warn', 'warn', 'log', 'log']);
    expect(outage.filter(({ text }) => text.includes('was lost'))).toHaveLength(2);

    const secret = 'Zebra-4711';
    void app.get(PublisherFactory).create().publish(`${queue}.missing`, secret);
    for (const id of [1, secret]) {
      await bystander.send(queue, { id, secret });
      await bystander.send(served, event('order', { id, secret }));
    }
    for (const one of [queue, served]) await bystander.send(one, `{"${secret}":`);
    letTimeGo();
    await eventually(() => expect(log.texts('error').join()).toContain('nobody awaited'));
    await eventually(async () => expect(await bystander.channel.queueExists(`${served}.parked`)).toBe(true));
    expect(await reasonsIn(`${served}.parked`, 3)).toContain('unreadable');
    expect(await reasonsIn(`${queue}.parked`, 3)).toEqual(['error', 'invalid', 'unreadable']);
    expect(log.texts().filter((text) => text.includes(secret))).toEqual([]);
  });

  test.each(['@Consume', 'AmqpServer'])(
    '%s: the end cancels, waits 10 s for handlers, gives the rest back, and closes publishers last',
    async (door) => {
      const queue = queueNamed('end');
      let context: AmqpContext | undefined;
      const hang = (given: AmqpContext): Promise<void> => {
        context = given;
        return new Promise(() => undefined);
      };
      @Injectable()
      class Orders implements OnModuleDestroy {
        constructor(@InjectPublisher() private readonly direct: Publisher) {}
        @Consume(queue)
        onOrder(@Ctx() given: AmqpContext): Promise<void> {
          return hang(given);
        }
        onModuleDestroy(): Promise<void> {
          return this.direct.publish(queue, 'published in a destroy hook');
        }
      }
      @Controller()
      class Handlers {
        @EventPattern('order')
        onOrder(@Ctx() given: AmqpContext): Promise<void> {
          return hang(given);
        }
      }
      stopTime();
      const tap = new TappedTransport();
      const { app } =
        door === '@Consume'
          ? await startApplication({ url: broker.url, transport: tap.transport }, { providers: [Orders] })
          : await bench.serve([Handlers], { queue, transport: tap.transport });
      await bystander.send(queue, event('order', {}));
      await soon(() => expect(context).toBeDefined());
      let isClosed = false;
      const names = (): string[] => tap.sent.map(({ name }) => name);
      const closing = ('listen' in app && door === '@Consume' ? closeApplication(app as never) : app.close()).then(
        () => (isClosed = true),
      );
      await soon(() => expect(names()).toContain('basic.cancel'));
      await breathe(50);
      await elapse(9_990);
      await breathe(50);
      expect(names()).not.toContain('basic.nack');
      await elapse(20);
      await soon(() => expect(isClosed).toBe(true));
      await closing;
      expect(context?.signal.reason).toBeInstanceOf(ShutdownError);
      const ends = [
        'basic.cancel',
        'basic.nack',
        ...(door === '@Consume' ? ['basic.publish'] : []),
        'connection.close',
      ];
      expect(names().filter((name) => ends.includes(name))).toEqual(ends);
      expect(await bystander.count(queue)).toBe(door === '@Consume' ? 2 : 1);
    },
  );

  test('two applications of one class in one process share nothing', async () => {
    const [one, two] = [queueNamed('one'), queueNamed('two')];
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      constructor(@Inject('label') private readonly label: string) {}
      @Consume({ name: 'orders' })
      onOrder(order: unknown): void {
        seen.push([this.label, order]);
      }
    }
    const start = (queue: string, label: string) =>
      startApplication(
        { url: broker.url, consumers: { orders: { queue } } },
        { providers: [Orders, { provide: 'label', useValue: label }] },
      );
    const first = await start(one, 'first');
    const second = await start(two, 'second');
    const direct = first.app.get(PublisherFactory).create();
    await direct.publish(one, 1);
    await second.app.get(PublisherFactory).create().publish(two, 2);
    await eventually(() => expect(seen).toHaveLength(2));
    await closeApplication(first.app);
    await bystander.send(two, 3);
    await bystander.send(one, 4);
    await eventually(() => expect(seen).toHaveLength(3));
    expect(seen).toEqual(
      expect.arrayContaining([
        ['first', 1],
        ['second', 2],
        ['second', 3],
      ]),
    );
    await expect(direct.publish(one, 5)).rejects.toThrow('is closed');
    expect(await bystander.count(one)).toBe(1);
  });
});

/** `reader` may consume and publish, and declare nothing. */
function aReader(broker: TestBroker, bystander: Bystander, bench: Bench, reader: () => string): void {
  test('where the parking queue may not be declared, a warning at the start says so', async () => {
    const [queue, served] = [broker.unique('default-reader'), broker.unique('default-reader-served')];
    for (const one of [queue, served]) await bystander.channel.queueDeclare(one);
    const { Orders } = recordingConsumer(queue);
    const { log } = await startApplication({ url: reader() }, { providers: [Orders] });
    expect(log.texts('warn')).toEqual([
      expect.stringContaining(`queue "${queue}.parked" was refused by the broker: 403`),
    ]);
    bench.begin();
    await bench.serve([], { url: reader(), queue: served });
    expect(bench.logger.warnings).toEqual([expect.stringContaining(`There is no queue \\"${served}.parked\\"`)]);
    await closeApplications();
    await bench.end();
    for (const one of [queue, served]) await bystander.channel.queueDelete(one);
  });
}

const readerName = `default-reader-${String(process.pid)}`;

describeOnControlledRabbitmq('by default, with a user who may declare nothing', (broker) => {
  const bystander = new Bystander();
  beforeAll(async () => {
    await bystander.open(broker.url);
    await broker.control('add_user', readerName, readerName);
    await broker.control('set_permissions', readerName, '^$', '.*', '.*');
  }, 30_000);
  afterAll(async () => {
    await broker.control('delete_user', readerName);
    await bystander.close();
  }, 30_000);
  const bench = new Bench(() => broker.url);
  aReader(broker, bystander, bench, () => {
    const url = new URL(broker.url);
    url.username = url.password = readerName;
    return url.href;
  });
});

describe('by default, with a user who may declare nothing (embedded)', () => {
  const bystander = new Bystander();
  let embedded: EmbeddedBroker;
  beforeAll(async () => {
    const mayDeclareNothing = { configure: '^$' };
    const users = [{ name: readerName, password: readerName, virtualHosts: { '/': mayDeclareNothing } }];
    embedded = await EmbeddedBroker.start({ port: 0, users });
    await bystander.open(embedded.url);
  });
  afterAll(async () => {
    await bystander.close();
    await embedded.stop();
  });
  const unique = (name: string): string => name;
  const broker: TestBroker = {
    kind: 'embedded',
    unique,
    get url() {
      return embedded.url;
    },
  };
  aReader(broker, bystander, new Bench(() => embedded.url), () => {
    const url = new URL(embedded.url);
    url.username = url.password = readerName;
    return url.href;
  });
});
