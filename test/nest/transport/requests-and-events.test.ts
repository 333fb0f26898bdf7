import 'reflect-metadata';
import { Catch, Controller, Inject, Injectable, Scope, UseFilters, type ExceptionFilter } from '@nestjs/common';
import {
  ClientProxy,
  ClientsModule,
  Ctx,
  MessagePattern,
  Payload,
  RmqRecordBuilder,
  RpcException,
} from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { UnroutableError } from 'leveret/amqp';
import {
  EMPTY,
  firstValueFrom,
  from,
  lastValueFrom,
  of,
  throwError,
  toArray,
  concatMap,
  delay,
  type Observable,
} from 'rxjs';
import { describeOnBroker } from '../../support/brokers.js';
import { withoutRetries } from '../../support/nest-app.js';
import { pause, rejection, until } from '../../support/waiting.js';
import {
  AmqpClient,
  AmqpContext,
  AmqpRecord,
  AmqpRecordBuilder,
  AmqpServer,
  NoReceiverError,
  RemoteError,
  RequestTimeoutError,
} from 'leveret';
import { Bench, EventPattern } from './support.js';

describeOnBroker('AmqpServer and AmqpClient', (broker) => {
  const bench = new Bench(() => broker.url);
  let queue = '';
  const seen: unknown[] = [];

  class Unhappy extends Error {}

  @Catch(Unhappy)
  class UnhappyFilter implements ExceptionFilter {
    catch(error: Unhappy): Observable<never> {
      return throwError(() => ({ code: 'unhappy', message: error.message }));
    }
  }

  @Catch(Unhappy)
  class ForgivingFilter implements ExceptionFilter {
    catch(): Observable<never> {
      return EMPTY;
    }
  }

  @Injectable({ scope: Scope.REQUEST })
  class PerRequest {
    readonly number = Math.random();
  }

  @Controller()
  class Sums {
    @MessagePattern('sum')
    sum(@Payload() numbers: number[]): number {
      return numbers.reduce((total, number) => total + number, 0);
    }
    @MessagePattern({ cmd: 'later', version: 2 })
    async later(text: string): Promise<string> {
      await pause(5);
      return text.toUpperCase();
    }
    @MessagePattern('nothing')
    nothing(): void {}
    @MessagePattern('count')
    count(to: number): Observable<number> {
      return from(Array.from({ length: to }, (_, index) => index + 1)).pipe(concatMap((n) => of(n).pipe(delay(3))));
    }
    @MessagePattern('count-at-once')
    countAtOnce(to: number): Observable<number> {
      return from(Array.from({ length: to }, (_, index) => index + 1));
    }
    @MessagePattern('fail')
    fail(): never {
      throw new Error('a secret of the service');
    }
    @MessagePattern('refuse')
    refuse(): never {
      throw new RpcException({ code: 42, message: 'no' });
    }
    @MessagePattern('half')
    half(): Observable<number> {
      return from([1, 2]).pipe(concatMap((n) => (n === 1 ? of(n) : throwError(() => new RpcException('broken')))));
    }
    @MessagePattern('filtered')
    @UseFilters(UnhappyFilter)
    filtered(): never {
      throw new Unhappy('rain');
    }
    @MessagePattern('circular')
    circular(): unknown {
      const value: Record<string, unknown> = {};
      value['self'] = value;
      return value;
    }
    @MessagePattern('slow')
    async slow(): Promise<string> {
      await pause(500);
      return 'at last';
    }
    @MessagePattern('headers')
    headers(@Ctx() context: AmqpContext): unknown {
      const { headers, priority, deliveryMode } = context.getMessage().properties;
      return { pattern: context.getPattern(), headers, priority, deliveryMode };
    }
    @EventPattern('noted')
    noted(@Payload() data: unknown): void {
      seen.push(['noted', data]);
    }
    @EventPattern('noted')
    async notedToo(@Payload() data: unknown): Promise<void> {
      await pause(20);
      seen.push(['noted too', data]);
    }
    @EventPattern('broken')
    broken(): never {
      throw new Error('the handler is broken');
    }
    @EventPattern('broken')
    async notBroken(): Promise<void> {
      await pause(50);
      seen.push('the other handler');
    }
    @EventPattern('refused')
    refused(): never {
      throw new RpcException('not today');
    }
    @EventPattern('forgiven')
    @UseFilters(ForgivingFilter)
    forgiven(): never {
      throw new Unhappy('forgiven');
    }
  }

  @Controller()
  class RequestScoped {
    constructor(@Inject(PerRequest) private readonly perRequest: PerRequest) {}
    @MessagePattern('scoped')
    scoped(): number {
      return this.perRequest.number;
    }
    @EventPattern('scoped-event')
    event(@Payload() data: unknown): void {
      seen.push(['scoped', data]);
    }
    @EventPattern('scoped-event')
    eventToo(@Payload() data: unknown): void {
      seen.push(['scoped too', data]);
    }
  }

  beforeEach(() => {
    bench.begin();
    seen.length = 0;
    queue = broker.unique('transport');
    void bench.deleteLater(queue, `${queue}.parked`);
  });
  afterEach(() => bench.end());

  const serve = (): ReturnType<Bench['serve']> => bench.serve([Sums], { queue });
  const parked = async (): Promise<{ reason: unknown; body: string } | null> => {
    const channel = await bench.channel();
    if (!(await channel.queueExists(`${queue}.parked`))) return null;
    const delivery = await channel.basicGet(`${queue}.parked`, { noAck: true });
    if (!delivery) return null;
    return { reason: delivery.properties.headers?.['x-leveret-error-message'], body: delivery.body.toString() };
  };
  const isEmpty = async (): Promise<boolean> =>
    (await (await bench.channel()).queueDeclare(queue, { passive: true })).messageCount === 0;

  test('a request is answered with what the handler returns', async () => {
    await serve();
    const client = bench.client({ queue });
    await expect(client.request('sum', [1, 2, 3])).resolves.toBe(6);
    await expect(client.request({ version: 2, cmd: 'later' }, 'text')).resolves.toBe('TEXT');
    await expect(firstValueFrom(client.send('sum', [4, 5]))).resolves.toBe(9);
    await expect(client.request('nothing', {})).resolves.toBeUndefined();
    await expect(lastValueFrom(client.send('nothing', {}), { defaultValue: 'none' })).resolves.toBe('none');
  });

  test('an observable is replied value by value', async () => {
    await serve();
    const client = bench.client({ queue });
    await expect(firstValueFrom(client.send('count', 4).pipe(toArray()))).resolves.toEqual([1, 2, 3, 4]);
    await expect(firstValueFrom(client.send('count-at-once', 100).pipe(toArray()))).resolves.toHaveLength(100);
    await expect(client.request('count', 4)).resolves.toBe(1);
  });

  test('many requests at once each get their own answer', async () => {
    await serve();
    const client = bench.client({ queue });
    const sums = await Promise.all(Array.from({ length: 300 }, (_, n) => client.request<number>('sum', [n, 1])));
    expect(sums).toEqual(Array.from({ length: 300 }, (_, n) => n + 1));
    expect(bench.logger.errors).toEqual([]);
    expect(bench.logger.warnings).toEqual([]);
  });

  test('an error is the reply, and the request is acknowledged', async () => {
    await serve();
    const client = bench.client({ queue });
    const failure = await rejection(client.request('fail', {}));
    expect(failure).toBeInstanceOf(RemoteError);
    expect(failure).toMatchObject({ error: { status: 'error', message: 'Internal server error' } });
    expect(await rejection(client.request('refuse', {}))).toMatchObject({ error: { code: 42, message: 'no' } });
    expect(await rejection(client.request('filtered', {}))).toMatchObject({
      error: { code: 'unhappy', message: 'rain' },
    });
    expect(await rejection(client.request('circular', {}))).toBeInstanceOf(RemoteError);
    // Nest's own form of the error for `send`.
    await expect(firstValueFrom(client.send('refuse', {}))).rejects.toEqual({ code: 42, message: 'no' });
    const values: number[] = [];
    await expect(
      new Promise((resolve, reject) =>
        client
          .send<number>('half', {})
          .subscribe({ next: (n) => values.push(n), error: reject, complete: () => resolve(0) }),
      ),
    ).rejects.toEqual({ status: 'error', message: 'broken' });
    expect(values).toEqual([1]);
    await until('the queue is empty', isEmpty);
    expect(await parked()).toBeNull();
  });

  test('headers and properties travel with a record of ours or of Nest', async () => {
    await serve();
    const client = bench.client({ queue, headers: { everywhere: 'yes' } });
    const record = new AmqpRecordBuilder({ any: 1 }).setOptions({ headers: { tenant: 'a' }, priority: 3 }).build();
    expect(await client.request('headers', record)).toMatchObject({
      pattern: 'headers',
      headers: { everywhere: 'yes', tenant: 'a' },
      priority: 3,
      deliveryMode: 2,
    });
    const nests = new RmqRecordBuilder({ any: 1 }).setOptions({ headers: { tenant: 'b' }, persistent: false }).build();
    expect(await client.request('headers', nests, { headers: { more: 1 } })).toMatchObject({
      headers: { everywhere: 'yes', tenant: 'b', more: 1 },
      deliveryMode: 1,
    });
    expect(await rejection(client.request('headers', new AmqpRecord(1, { nonsense: 1 } as never)))).toMatchObject({
      message: expect.stringContaining('nonsense') as string,
    });
  });

  test('all event handlers of a pattern run, and the delivery is settled after all of them', async () => {
    await serve();
    const client = bench.client({ queue });
    await lastValueFrom(client.emit('noted', { n: 1 }), { defaultValue: undefined });
    await until('both handlers ran', () => seen.length === 2);
    expect(seen).toEqual([
      ['noted', { n: 1 }],
      ['noted too', { n: 1 }],
    ]);
    await until('the queue is empty', isEmpty);
    expect(await parked()).toBeNull();
  });

  test('an event that fails is logged once with its pattern and parked with the reason, after all handlers', async () => {
    await serve();
    const client = bench.client({ queue });
    await lastValueFrom(client.emit('broken', { n: 1 }), { defaultValue: undefined });
    let copy: Awaited<ReturnType<typeof parked>> = null;
    await until('it is parked', async () => (copy = await parked()) !== null);
    expect(seen).toEqual(['the other handler']);
    expect(copy).toMatchObject({ body: JSON.stringify({ pattern: 'broken', data: { n: 1 } }) });
    expect(bench.logger.errors.filter((line) => line.includes('the handler is broken'))).toHaveLength(1);
    const told = [...bench.logger.errors, ...bench.logger.warnings];
    expect(told.filter((line) => line.includes('\\"broken\\"'))).toHaveLength(1);
    client.emit('refused', {});
    await until('it is parked', async () => (copy = await parked()) !== null);
    expect(copy).toMatchObject({ reason: expect.stringContaining('not today') as string });
    expect(bench.logger.errors.filter((line) => line.includes('not today'))).toHaveLength(1);
  });

  test('an error that a filter forgives is a success', async () => {
    await serve();
    const client = bench.client({ queue });
    client.emit('forgiven', {});
    client.emit('noted', {});
    await until('the next event is through', () => seen.length === 2);
    await until('the queue is empty', isEmpty);
    expect(await parked()).toBeNull();
    expect(bench.logger.errors).toEqual([]);
  });

  test('an unknown pattern: a request is told so, an event is parked, the queue goes on', async () => {
    await serve();
    const client = bench.client({ queue });
    const failure = await rejection(client.request('unheard-of', {}));
    expect(failure).toBeInstanceOf(RemoteError);
    expect(failure).toMatchObject({
      error: 'There is no matching message handler defined in the remote service.',
    });
    client.emit('unheard-of', { lost: false });
    let copy: Awaited<ReturnType<typeof parked>> = null;
    await until('it is parked', async () => (copy = await parked()) !== null);
    expect(copy).toMatchObject({ reason: expect.stringContaining('unheard-of') as string });
    await expect(client.request('sum', [1])).resolves.toBe(1);
  });

  test('a body that is no JSON, and correlation ids that are names of Object.prototype, do no harm', async () => {
    await serve();
    const client = bench.client({ queue });
    await client.connect();
    const channel = await bench.channel();
    const bodies = [
      'no json',
      '',
      'null',
      '42',
      '[]',
      '{"pattern":{"__proto__":1},"data":1}',
      '{"data":1}',
      Buffer.from([0xff, 0]),
    ];
    for (const body of bodies) await channel.publish('', queue, body);
    let count = 0;
    await until('all are parked', async () => ((await parked()) === null ? false : (count += 1) === bodies.length));
    for (const correlationId of ['__proto__', 'error', 'constructor', 'toString']) {
      const reply = await channel.queueDeclare('', { exclusive: true });
      const request = JSON.stringify({ pattern: 'sum', data: [1], id: correlationId });
      await channel.publish('', queue, request, { correlationId, replyTo: reply.queue });
      for await (const delivery of channel.consume(reply.queue, { noAck: true })) {
        expect(delivery.properties.correlationId).toBe(correlationId);
        expect(JSON.parse(delivery.body.toString())).toEqual({ response: 1, isDisposed: true });
        break;
      }
    }
    await expect(client.request('sum', [2])).resolves.toBe(2);
  });

  test('typed errors: no receiver, time-out, abort', async () => {
    const client = bench.client({ queue });
    const nobody = await rejection(client.request('sum', [1]));
    expect(nobody).toBeInstanceOf(NoReceiverError);
    await expect(firstValueFrom(client.send('sum', [1]))).rejects.toBeInstanceOf(NoReceiverError);
    await expect(lastValueFrom(client.emit('noted', {}))).rejects.toBeInstanceOf(UnroutableError);
    await serve();
    for (const timeout of [Number.NaN, -1, '50' as unknown as number]) {
      const refused = await rejection(client.request('slow', {}, { timeout }));
      expect(refused.name).toBe('ArgumentError');
      expect(refused.message).toContain('timeout');
    }
    const late = await rejection(client.request('slow', {}, { timeout: 50 }));
    expect(late).toBeInstanceOf(RequestTimeoutError);
    expect(late).toMatchObject({ pattern: 'slow', limit: 50 });
    await expect(client.request('slow', {}, { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone');
    await expect(client.request('slow', {}, { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    await expect(client.request('sum', [2])).resolves.toBe(2);
  });

  test('an event that could not be sent and that nobody awaited is logged', async () => {
    const client = bench.client({ queue });
    client.emit('noted', {});
    await until('it is logged', () => bench.logger.errors.some((line) => line.includes('noted')));
  });

  test('request-scoped controllers', async () => {
    const server = new AmqpServer({ url: broker.url, queue, ...withoutRetries });
    const module = await Test.createTestingModule({ controllers: [RequestScoped], providers: [PerRequest] })
      .setLogger(bench.logger)
      .compile();
    const app = module.createNestMicroservice({ strategy: server } as never);
    bench.closeLater(() => app.close());
    await app.listen();
    const client = bench.client({ queue });
    const numbers = [await client.request('scoped', {}), await client.request('scoped', {})];
    expect(new Set(numbers).size).toBe(2);
    client.emit('scoped-event', 7);
    await until('both handlers ran', () => seen.length === 2);
    expect(seen).toEqual([
      ['scoped', 7],
      ['scoped too', 7],
    ]);
  });

  test('ClientsModule, in a hybrid application', async () => {
    @Controller()
    class Asking {
      constructor(@Inject('SUMS') readonly client: ClientProxy) {}
    }
    const module = await Test.createTestingModule({
      imports: [
        ClientsModule.register([{ name: 'SUMS', customClass: AmqpClient, options: { url: broker.url, queue } }]),
      ],
      controllers: [Asking, Sums],
    })
      .setLogger(bench.logger)
      .compile();
    const app = module.createNestApplication();
    bench.closeLater(() => app.close());
    app.connectMicroservice({ strategy: new AmqpServer({ url: broker.url, queue, ...withoutRetries }) });
    await app.startAllMicroservices();
    await app.init();
    const { client } = app.get(Asking);
    await expect(firstValueFrom(client.send('sum', [1, 1]))).resolves.toBe(2);
    await app.close();
  });

  test('where nothing may be declared and the parking queue is missing, a failed event stays in its queue', async () => {
    const channel = await bench.channel();
    await channel.queueDeclare(queue);
    await bench.serve([Sums], { queue, noAssert: true });
    expect(bench.logger.warnings.filter((line) => line.includes(`${queue}.parked`))).toHaveLength(1);
    bench.client({ queue }).emit('refused', {});
    await until('it is told', () => bench.logger.errors.some((line) => line.includes('could not be parked')));
    await channel.queueDeclare(`${queue}.parked`);
    await until('it is parked', async () => (await parked()) !== null);
  });

  test('with noAck, as is the default of Nest, a failure is logged and that is all', async () => {
    await bench.serve([Sums], { queue, noAck: true });
    const client = bench.client({ queue });
    client.emit('refused', {});
    await until('it is told', () => bench.logger.errors.some((line) => line.includes('refused')));
    await expect(client.request('sum', [1])).resolves.toBe(1);
    expect(await parked()).toBeNull();
  });

  test('the hooks of Nest run once around each delivery', async () => {
    const { server } = await serve();
    const hooks: unknown[] = [];
    server.setOnProcessingStartHook((_transport, context, done) => {
      hooks.push(['start', (context as AmqpContext).getPattern()]);
      void done();
    });
    server.setOnProcessingEndHook((_transport, context) => hooks.push(['end', (context as AmqpContext).getPattern()]));
    const client = bench.client({ queue });
    await client.request('count', 3);
    await rejection(client.request('refuse', {}));
    await until('both ended', () => hooks.length === 4);
    client.emit('noted', {});
    await until('the event ended', () => hooks.length === 6);
    expect(hooks).toEqual(
      expect.arrayContaining([
        ['start', 'count'],
        ['end', 'count'],
        ['start', 'refuse'],
        ['end', 'refuse'],
      ]),
    );
    expect(hooks.slice(4)).toEqual([
      ['start', 'noted'],
      ['end', 'noted'],
    ]);
  });

  test('two request handlers for one pattern are an error at start', async () => {
    @Controller()
    class Other {
      @MessagePattern('sum')
      sum(): number {
        return 0;
      }
    }
    await expect(bench.serve([Sums, Other], { queue })).rejects.toThrow('"sum"');
  });

  test('patterns with wildcards are routing keys of the exchange', async () => {
    const got: unknown[] = [];
    @Controller()
    class Wild {
      @EventPattern('order.*.done')
      one(@Payload() data: unknown): void {
        got.push(['one', data]);
      }
      @EventPattern('#.audit')
      all(@Payload() data: unknown): void {
        got.push(['all', data]);
      }
      @MessagePattern('price.#')
      price(): string {
        return 'cheap';
      }
    }
    await bench.serve([Wild], { queue, wildcards: true });
    const client = bench.client({ queue, wildcards: true });
    await lastValueFrom(client.emit('order.7.done', 1), { defaultValue: 0 });
    await lastValueFrom(client.emit('a.b.audit', 2), { defaultValue: 0 });
    await lastValueFrom(client.emit('audit', 3), { defaultValue: 0 });
    await lastValueFrom(client.emit('order.7.8.done', 4), { defaultValue: 0 });
    await until('three events', () => got.length === 3);
    expect(got).toEqual([
      ['one', 1],
      ['all', 2],
      ['all', 3],
    ]);
    await expect(client.request('price.of.rice', {})).resolves.toBe('cheap');
    expect(await rejection(client.request('other', {}))).toBeInstanceOf(NoReceiverError);
    await (await bench.channel()).exchangeDelete(queue);
  });

  test('an exclusive or a named reply queue', async () => {
    await serve();
    await expect(bench.client({ queue, replyQueue: '' }).request('sum', [1])).resolves.toBe(1);
    const channel = await bench.channel();
    const named = broker.unique('replies');
    await channel.queueDeclare(named, { durable: false });
    await expect(bench.client({ queue, replyQueue: named, noAck: false }).request('sum', [2])).resolves.toBe(2);
    await channel.queueDelete(named);
  });
});
