/** Both ways between ours and Nest's own RabbitMQ transport, so that a fleet can move over one service at a time. */
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
} from '@nestjs/microservices';
import { concatMap, delay, firstValueFrom, from, lastValueFrom, of, throwError, toArray, type Observable } from 'rxjs';
import { describeOnBrokers } from '../../support/brokers.js';
import { rejection, until } from '../../support/waiting.js';
import { AmqpRecord, RemoteError } from 'leveret';
import { Bench, EventPattern } from './support.js';

const seen: unknown[] = [];

@Controller()
class Service {
  @MessagePattern('echo')
  echo(@Payload() data: unknown): unknown {
    return data;
  }
  @MessagePattern({ cmd: 'object', a: { b: 1 } })
  object(): string {
    return 'object pattern';
  }
  @MessagePattern('nothing')
  nothing(): void {}
  @MessagePattern('several')
  several(): Observable<number> {
    return from([1, 2, 3]).pipe(concatMap((n) => of(n).pipe(delay(5))));
  }
  @MessagePattern('refuse')
  refuse(): never {
    throw new RpcException({ code: 7, message: 'refused' });
  }
  @MessagePattern('fail')
  fail(): never {
    throw new Error('secret');
  }
  @MessagePattern('broken-stream')
  brokenStream(): Observable<number> {
    return from([1, 2]).pipe(concatMap((n) => (n === 1 ? of(n) : throwError(() => new RpcException('broken')))));
  }
  @MessagePattern('headers')
  headers(@Ctx() context: RmqContext): unknown {
    return (context.getMessage()['properties'] as { headers: unknown }).headers;
  }
  @MessagePattern('pattern')
  pattern(@Ctx() context: RmqContext): unknown {
    return context.getPattern();
  }
  @EventPattern('happened')
  happened(@Payload() data: unknown): void {
    seen.push(data);
  }
}

/** What both kinds of client must see of both kinds of server. */
interface Asking {
  send(pattern: unknown, data: unknown): Observable<unknown>;
  emit(pattern: unknown, data: unknown): Observable<unknown>;
}

async function expectService(
  client: Asking,
  record: (data: unknown, headers: Record<string, string>) => unknown,
): Promise<void> {
  const ask = (pattern: unknown, data: unknown = {}): Promise<unknown> =>
    lastValueFrom(client.send(pattern, data), { defaultValue: 'no value' });
  await expect(ask('echo', { text: 'ümläut', list: [1, null] })).resolves.toEqual({ text: 'ümläut', list: [1, null] });
  await expect(ask('echo', 0)).resolves.toBe(0);
  await expect(ask('echo', '')).resolves.toBe('');
  await expect(ask({ a: { b: 1 }, cmd: 'object' })).resolves.toBe('object pattern');
  await expect(ask('nothing')).resolves.toBe('no value');
  await expect(firstValueFrom(client.send('several', {}).pipe(toArray()))).resolves.toEqual([1, 2, 3]);
  await expect(ask('refuse')).rejects.toEqual({ code: 7, message: 'refused' });
  await expect(ask('fail')).rejects.toEqual({ status: 'error', message: 'Internal server error' });
  const values: unknown[] = [];
  const broken = new Promise((resolve, reject) => {
    client
      .send('broken-stream', {})
      .subscribe({ next: (value) => values.push(value), error: reject, complete: () => resolve(0) });
  });
  await expect(broken).rejects.toEqual({ status: 'error', message: 'broken' });
  expect(values).toEqual([1]);
  await expect(ask('headers', record({}, { tenant: 'a' }))).resolves.toMatchObject({ tenant: 'a' });
  await expect(ask('pattern')).resolves.toBe('pattern');
  await expect(ask('unheard-of')).rejects.toBe('There is no matching message handler defined in the remote service.');
  await lastValueFrom(client.emit('happened', { n: 1 }), { defaultValue: 0 });
  await until('the event arrived', () => seen.length === 1);
  expect(seen).toEqual([{ n: 1 }]);
}

const ourRecord = (data: unknown, headers: Record<string, string>): unknown => new AmqpRecord(data, { headers });
const nestsRecord = (data: unknown, headers: Record<string, string>): unknown =>
  new RmqRecordBuilder(data).setOptions({ headers }).build();

describeOnBrokers("beside Nest's own transport", (broker) => {
  const bench = new Bench(() => broker.url);
  let queue = '';

  beforeEach(() => {
    bench.begin();
    seen.length = 0;
    queue = broker.unique('mixed');
    void bench.deleteLater(queue, `${queue}.parked`);
  });
  afterEach(() => bench.end());

  const nestClient = (options: object): ClientRMQ => {
    const client = new ClientRMQ({ urls: [broker.url], queue, ...options });
    bench.closeLater(() => client.close());
    return client;
  };
  const nestServer = (options: object, controllers: Type[] = [Service]): Promise<unknown> =>
    bench.serveBy(controllers, { transport: Transport.RMQ, options: { urls: [broker.url], queue, ...options } });

  test.each([
    ['as Nest declares by default', {}],
    ['not durable', { durable: false }],
    ['with arguments by amqplib names', { messageTtl: 60_000, maxLength: 1000, arguments: { 'x-max-priority': 5 } }],
  ])("our client asks Nest's server (%s)", async (_name, queueOptions) => {
    await nestServer({ queueOptions });
    await expectService(bench.client({ queue }), ourRecord);
    expect(
      await rejection(bench.client({ queue, queueOptions, noAssert: false }).request('refuse', {})),
    ).toBeInstanceOf(RemoteError);
  });

  test.each([
    ['as Nest declares by default', {}],
    ['not durable', { durable: false }],
    ['with arguments by amqplib names', { messageTtl: 60_000, maxLength: 1000, arguments: { 'x-max-priority': 5 } }],
  ])("Nest's client asks our server (%s)", async (_name, queueOptions) => {
    await bench.serve([Service], { queue, queueOptions });
    // Nest's client asserts the queue: other arguments than its own would be 406.
    await expectService(nestClient({ queueOptions }), nestsRecord);
  });

  test('servers of both kinds share a queue, also with noAck: false', async () => {
    await nestServer({ noAck: false, prefetchCount: 1 }, [Service]);
    await bench.serve([Service], { queue });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => bench.client({ queue }).request<number>('several', { n })),
    );
    expect(answers).toHaveLength(20);
  });

  test('wildcards and fan-out through an exchange, both ways', async () => {
    @Controller()
    class Wild {
      @EventPattern('order.#')
      order(@Payload() data: unknown): void {
        seen.push(data);
      }
    }
    const exchange = broker.unique('exchange');
    await nestServer({ wildcards: true, exchange, queue: `${queue}.nest` }, [Wild]);
    await bench.serve([Wild], { wildcards: true, exchange, queue });
    await lastValueFrom(bench.client({ wildcards: true, exchange }).emit('order.created', 'ours'), { defaultValue: 0 });
    await until('both got it', () => seen.length === 2);
    await lastValueFrom(nestClient({ wildcards: true, exchange }).emit('order.created', "Nest's"), { defaultValue: 0 });
    await until('both got it', () => seen.length === 4);
    expect(seen).toEqual(['ours', 'ours', "Nest's", "Nest's"]);

    const fanout = broker.unique('fanout');
    await nestServer({ exchange: fanout, exchangeType: 'fanout', queue: `${queue}.fn` });
    await bench.serve([Service], { exchange: fanout, exchangeType: 'fanout', queue: `${queue}.fl` });
    const ours = bench.client({ exchange: fanout, exchangeType: 'fanout' });
    await lastValueFrom(ours.emit('happened', 'fan'), { defaultValue: 0 });
    await until('both got it', () => seen.length === 6);
    const nests = nestClient({ exchange: fanout, exchangeType: 'fanout' });
    await lastValueFrom(nests.emit('happened', 'fan'), { defaultValue: 0 });
    await until('both got it', () => seen.length === 8);
    const channel = await bench.channel();
    for (const name of [exchange, fanout]) await channel.exchangeDelete(name);
    void bench.deleteLater(`${queue}.nest`, `${queue}.fn`, `${queue}.fl`);
  });

  test("a handler that acknowledges by hand, as with Nest's transport, is not acknowledged twice", async () => {
    @Controller()
    class Manual {
      @EventPattern('happened')
      happened(@Payload() data: unknown, @Ctx() context: RmqContext): void {
        const channel = context.getChannelRef() as { ack(message: object): void };
        channel.ack(context.getMessage());
        seen.push(data);
      }
    }
    await bench.serve([Manual], { queue, noAck: false });
    const client = bench.client({ queue });
    for (let n = 0; n < 30; n++) client.emit('happened', n);
    await until('all are handled', () => seen.length === 30);
    expect(bench.logger.errors).toEqual([]);
    expect(bench.logger.warnings).toEqual([]);
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
