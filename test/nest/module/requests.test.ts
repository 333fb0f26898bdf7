/** `@Consume({ reply: true })` answers whoever asked, and `Publisher.request` asks: plain JSON, as foreign clients speak it. */
import { Injectable } from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';
import {
  Ack,
  Consume,
  InjectPublisher,
  NoReceiverError,
  Publisher,
  RemoteError,
  RequestTimeoutError,
  UnreadableBodyError,
} from 'leveret';
import { ArgumentError, ConnectionLostError, type Delivery } from 'leveret/amqp';
import { EMPTY, from, of, throwError } from 'rxjs';
import { describeOnBroker } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { TappedTransport } from '../../support/tapped-transport.js';
import { Bystander, closeApplications, eventually, startApplication } from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';

describeOnBroker('requests over publishers and @Consume', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  const answers: Record<string, () => unknown> = {
    value: () => ({ stock: 3 }),
    promise: () => Promise.resolve([1, 2]),
    several: () => from([1, 2, 3]),
    one: () => of('one'),
    nothing: () => undefined,
    empty: () => EMPTY,
    null: () => null,
    unwritable: () => 1n,
    'rpc text': () => throwError(() => new RpcException('sold out')),
    'rpc object': () => {
      throw new RpcException({ code: 7, message: 'sold out' });
    },
    secret: () => Promise.reject(new Error('the database is at 10.0.0.1')),
    never: () => new Promise(() => undefined),
  };

  async function start(options: object = {}): Promise<{
    queue: string;
    asker: Publisher;
    cuts: Cuts;
    errors(): string[];
  }> {
    const queue = broker.unique('asked');
    @Injectable()
    class Stock {
      @Consume({ queue, reply: true })
      onAsked(kind: string): unknown {
        return answers[kind]?.();
      }
      @Consume({ queue: `${queue}.kept`, reply: true })
      @Ack({ then: 'park' })
      onKept(): never {
        throw new RpcException('no, and kept');
      }
      @Consume(`${queue}.silent`)
      silent(): string {
        return 'nobody is told';
      }
    }
    @Injectable()
    class Asker {
      constructor(@InjectPublisher() readonly publisher: Publisher) {}
    }
    const cuts = new Cuts();
    const { app, log } = await startApplication(
      { url: broker.url, transport: cuts.transport, defaults: { drainTimeout: 100 }, ...options },
      { providers: [Stock, Asker] },
    );
    return { queue, asker: app.get(Asker).publisher, cuts, errors: () => log.texts('error') };
  }

  test.each([
    ['value', { stock: 3 }],
    ['promise', [1, 2]],
    ['several', 3],
    ['one', 'one'],
    ['nothing', undefined],
    ['empty', undefined],
    ['null', null],
  ])('%s: the reply is what the handler gave last', async (kind, expected) => {
    const { queue, asker, errors } = await start();
    await expect(asker.request(queue, kind)).resolves.toEqual(expected);
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
    expect(errors()).toEqual([]);
  });

  test.each([
    ['rpc text', { status: 'error', message: 'sold out' }, 0],
    ['rpc object', { code: 7, message: 'sold out' }, 0],
    ['secret', { status: 'error', message: 'Internal server error' }, 1],
    ['unwritable', { status: 'error', message: 'Internal server error' }, 1],
  ])(
    '%s: the error is the reply, nothing is parked, and what is no RpcException is logged',
    async (kind, told, lines) => {
      const { queue, asker, errors } = await start();
      const error = await rejection(asker.request(queue, kind));
      expect(error).toBeInstanceOf(RemoteError);
      expect((error as RemoteError).getError()).toEqual(told);
      await eventually(async () => expect(await bystander.count(queue)).toBe(0));
      expect(await bystander.count(`${queue}.parked`)).toBe(0);
      expect(errors()).toHaveLength(lines);
    },
  );

  test('its own @Ack says what else becomes of a request that failed', async () => {
    const { queue, asker } = await start();
    expect((await rejection(asker.request(`${queue}.kept`, {}))).message).toContain('no, and kept');
    expect((await bystander.take(`${queue}.kept.parked`)).properties.headers).toMatchObject({
      'x-leveret-error-message': 'no, and kept',
    });
  });

  test('a message without reply-to is handled as any other, and without `reply` nobody is told', async () => {
    const { queue, asker } = await start();
    await bystander.send(queue, '"secret"');
    expect((await bystander.take(`${queue}.parked`)).properties.headers).toMatchObject({ 'x-leveret-reason': 'error' });
    const error = await rejection(asker.request(`${queue}.silent`, {}, { timeout: 200 }));
    expect(error).toBeInstanceOf(RequestTimeoutError);
  });

  test('a foreign client asks with a reply queue of its own, and a reply queue that is gone does no harm', async () => {
    const { queue, errors } = await start();
    const { queue: replies } = await bystander.channel.queueDeclare('', { exclusive: true });
    await bystander.send(queue, '"value"', { replyTo: replies, correlationId: 'c-1', headers: { tenant: 'a' } });
    const { body, properties } = await bystander.take(replies);
    expect(JSON.parse(body.toString())).toEqual({ stock: 3 });
    expect(properties).toMatchObject({ correlationId: 'c-1', contentType: 'application/json' });
    await bystander.send(queue, '"value"', { replyTo: 'gone', correlationId: 'c-2' });
    await bystander.send(queue, '"rpc text"', { replyTo: replies, correlationId: '__proto__' });
    expect((await bystander.take(replies)).properties).toMatchObject({
      correlationId: '__proto__',
      headers: { 'x-leveret-error': 'RpcException' },
    });
    expect(errors()).toEqual([]);
  });

  test('and a foreign service answers: its JSON, none of ours needed', async () => {
    const { asker } = await start();
    const queue = broker.unique('foreign');
    await bystander.channel.queueDeclare(queue);
    const answer = (body: string) => async (delivery: Delivery) => {
      const { replyTo = '', correlationId } = delivery.properties;
      delivery.ack();
      await bystander.channel.publish('', replyTo, 'too early', { correlationId: 'nobody' });
      for (const twice of [body, body]) await bystander.channel.publish('', replyTo, twice, { correlationId });
    };
    const json = await bystander.channel.basicConsume(queue, answer('{"a":1}'));
    await expect(asker.request(queue, {})).resolves.toEqual({ a: 1 });
    await json.cancel();
    const other = await bystander.channel.basicConsume(queue, answer('{"a":'));
    expect(await rejection(asker.request(queue, {}))).toBeInstanceOf(UnreadableBodyError);
    await other.cancel();
    await bystander.channel.queueDelete(queue);
  });

  test('typed errors: no receiver, time-out, abort, a lost connection, what cannot be sent', async () => {
    const { queue, asker, cuts } = await start();
    expect(await rejection(asker.request('no-such-queue', {}))).toBeInstanceOf(NoReceiverError);
    expect(await rejection(asker.request(queue, 'never', { timeout: 50 }))).toMatchObject({
      name: 'RequestTimeoutError',
      pattern: queue,
    });
    const abort = new AbortController();
    const aborted = rejection(asker.request(queue, 'never', { signal: abort.signal }));
    abort.abort(new Error('not needed any more'));
    expect((await aborted).message).toBe('not needed any more');
    const lost = rejection(asker.request(queue, 'never'));
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
    await asker.request(queue, 'value');
    cuts.cutAll();
    expect(await lost).toBeInstanceOf(ConnectionLostError);
    await expect(asker.request(queue, 'value')).resolves.toEqual({ stock: 3 });
    for (const options of [{ timeout: -1 }, { replyTo: 'mine' }, { surplus: 1 }]) {
      expect(await rejection(asker.request(queue, 'value', options as object))).toBeInstanceOf(ArgumentError);
    }
    expect(await rejection(asker.request(queue, 1n))).toBeInstanceOf(ArgumentError);
  });

  test('the consumer of replies is opened at the first request, one for all', async () => {
    const tap = new TappedTransport();
    const { queue, asker } = await start({ transport: tap.transport });
    const consumes = (): number =>
      tap.sent.filter(({ name, bytes }) => name === 'basic.consume' && bytes.includes('amq.rabbitmq.reply-to')).length;
    await asker.publish(queue, 'value');
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
    expect(consumes()).toBe(0);
    await asker.request(queue, 'value');
    await Promise.all(Array.from({ length: 50 }, () => asker.request(queue, 'value')));
    expect(consumes()).toBe(1);
  });

  test('an error that is let through reaches the first who asked', async () => {
    const { queue, asker } = await start();
    const outer = broker.unique('outer');
    @Injectable()
    class Gateway {
      constructor(@InjectPublisher() private readonly publisher: Publisher) {}
      @Consume({ queue: outer, reply: true })
      ask(): Promise<unknown> {
        return this.publisher.request(queue, 'rpc object');
      }
    }
    await startApplication({ url: broker.url }, { providers: [Gateway] });
    const error = await rejection(asker.request(outer, {}));
    expect((error as RemoteError).getError()).toEqual({ code: 7, message: 'sold out' });
  });
});
