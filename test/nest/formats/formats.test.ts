/** How bodies are written and read, by content type: for a connection, a handler, a publisher, a message. */
import { encode, decode } from '@msgpack/msgpack';
import { Injectable } from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';
import {
  Ack,
  AmqpModule,
  Consume,
  InjectPublisher,
  Publisher,
  RemoteError,
  UnreadableBodyError,
  type AboutMessage,
  type MessageFormat,
} from 'leveret';
import { ArgumentError } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { messagePack } from '../../support/message-pack.js';
import {
  Bystander,
  closeApplications,
  eventually,
  recordingConsumer,
  startApplication,
  startModule,
} from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';

/** Text of lines, whose words are in the first place. */
const lines: MessageFormat = {
  contentTypes: 'text/x-lines',
  serialize: (value) => (value as string[]).join('\n'),
  deserialize: (body) => body.toString('utf8').split('\n'),
};

describeOnBroker('formats by content type', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  test('those of the connection read what comes in them, and JSON what comes in none', async () => {
    const queue = broker.unique('formats');
    const { Orders, seen } = recordingConsumer({ queue, prefetch: 1 });
    await startApplication({ url: broker.url, formats: [messagePack, lines] }, { providers: [Orders] });
    await bystander.send(queue, encode({ sku: 'a', at: [1, 2] }), { contentType: 'application/msgpack' });
    await bystander.send(queue, encode('b'), { contentType: 'Application/MsgPack; charset=binary' });
    await bystander.send(queue, encode('c'), { contentType: 'application/vnd.shop.order+msgpack' });
    await bystander.send(queue, 'd\ne', { contentType: 'text/x-lines' });
    await bystander.send(queue, { sku: 'f' });
    await bystander.send(queue, { sku: 'g' }, { contentType: 'application/json; charset=utf-8' });
    await bystander.send(queue, { sku: 'h' }, { contentType: 'application/vnd.shop+json' });
    await bystander.send(queue, { sku: 'i' }, { contentType: 'text/plain' });
    await eventually(() =>
      expect(seen).toEqual([
        { sku: 'a', at: [1, 2] },
        'b',
        'c',
        ['d', 'e'],
        { sku: 'f' },
        { sku: 'g' },
        { sku: 'h' },
        { sku: 'i' },
      ]),
    );
  });

  test('those of a handler go before those of its connection, and leave other handlers alone', async () => {
    const [own, other] = [broker.unique('own'), broker.unique('other')];
    const marked: MessageFormat = { ...messagePack, deserialize: (body) => ['marked', decode(body)] };
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume({ queue: own, formats: [marked], contentType: 'application/msgpack' })
      onOwn(order: unknown): void {
        seen.push(order);
      }
      @Consume({ queue: other })
      onOther(order: unknown): void {
        seen.push(order);
      }
    }
    await startApplication({ url: broker.url, formats: [messagePack, lines] }, { providers: [Orders] });
    const properties = { contentType: 'application/msgpack' };
    await bystander.send(own, encode(1), properties);
    await eventually(() => expect(seen).toEqual([['marked', 1]]));
    // `contentType` of a handler: what messages are that say nothing.
    await bystander.send(own, encode(2));
    await eventually(() => expect(seen).toContainEqual(['marked', 2]));
    await bystander.send(own, 'x\ny', { contentType: 'text/x-lines' });
    await eventually(() => expect(seen).toContainEqual(['x', 'y']));
    await bystander.send(other, encode(3), properties);
    await eventually(() => expect(seen).toContain(3));
  });

  test('one for application/json takes the place of JSON, also for what has no content type', async () => {
    const queue = broker.unique('json');
    const json: MessageFormat = {
      contentTypes: 'application/json',
      serialize: (value) => JSON.stringify({ wrapped: value }),
      deserialize: (body) => (JSON.parse(body.toString('utf8')) as { wrapped: unknown }).wrapped,
    };
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      constructor(@InjectPublisher() readonly publisher: Publisher) {}
      @Consume({ queue })
      onOrder(order: unknown): void {
        seen.push(order);
      }
    }
    const { app } = await startApplication({ url: broker.url, formats: [json] }, { providers: [Orders] });
    await app.get(Orders).publisher.publish(queue, 1);
    await bystander.send(queue, { wrapped: 2 });
    await eventually(() => expect(seen.toSorted()).toEqual([1, 2]));
  });

  test('a publisher and a message choose: by content type among those of the connection, or a format by itself', async () => {
    const queue = broker.unique('written');
    await bystander.channel.queueDeclare(queue, { durable: true });
    let about: AboutMessage | undefined;
    const noting: MessageFormat = {
      contentTypes: ['+noted', 'application/x-noted'],
      serialize: (value, given) => {
        about = given;
        return JSON.stringify(value);
      },
      deserialize: () => undefined,
    };
    @Injectable()
    class Shop {
      constructor(
        @InjectPublisher({ contentType: 'application/msgpack' }) readonly packed: Publisher,
        @InjectPublisher({ format: noting, type: 'order' }) readonly noted: Publisher,
        @InjectPublisher() readonly plain: Publisher,
      ) {}
    }
    const { app } = await startApplication({ url: broker.url, formats: [messagePack] }, { providers: [Shop] });
    const { packed, noted, plain } = app.get(Shop);
    const written = async (): Promise<[unknown, string | undefined]> => {
      const { body, properties } = await bystander.take(queue);
      const { contentType } = properties;
      return [contentType?.includes('msgpack') === true ? decode(body) : body.toString('utf8'), contentType];
    };
    await packed.publish(queue, { a: 1 });
    expect(await written()).toEqual([{ a: 1 }, 'application/msgpack']);
    await packed.publish(queue, { a: 2 }, { contentType: 'application/json' });
    expect(await written()).toEqual(['{"a":2}', 'application/json']);
    await packed.publish(queue, encode('ready'));
    expect(await written()).toEqual(['ready', 'application/msgpack']);
    await noted.publish(queue, { a: 3 }, { headers: { h: 1 } });
    expect(await written()).toEqual(['{"a":3}', 'application/x-noted']);
    expect(about).toEqual({
      contentType: 'application/x-noted',
      exchange: '',
      routingKey: queue,
      type: 'order',
      headers: { h: 1 },
    });
    // A format that is given by itself is handed bytes, too.
    await plain.publish(queue, new Uint8Array([1, 2]), { format: messagePack });
    expect(await written()).toEqual([new Uint8Array([1, 2]), 'application/msgpack']);
    await plain.publish(queue, new Uint8Array([65, 66]));
    expect(await written()).toEqual(['AB', 'application/octet-stream']);
    await plain.publish(queue, { a: 4 }, { contentType: 'application/vnd.shop+json' });
    expect(await written()).toEqual(['{"a":4}', 'application/vnd.shop+json']);
    await plain.publishBatch([{ routingKey: queue, payload: { a: 5 }, options: { contentType: 'x/y+msgpack' } }]);
    expect(await written()).toEqual([{ a: 5 }, 'x/y+msgpack']);
  });

  test('what a format cannot read is an UnreadableBodyError that never quotes the body, and is parked', async () => {
    const queue = broker.unique('unreadable');
    const bad = (contentTypes: string, deserialize: () => unknown): MessageFormat => {
      return { contentTypes, serialize: () => '', deserialize };
    };
    const hostile = new Proxy(
      {},
      {
        get: () => {
          throw new Error('secret');
        },
      },
    );
    const formats = [
      messagePack,
      bad('x/throws', () => {
        throw new RangeError('it says: secret');
      }),
      bad('x/nothing', () => {
        throw undefined as unknown as Error;
      }),
      bad('x/promise', () => Promise.resolve(1)),
      bad('x/proxy', () => hostile),
    ];
    const { Orders, seen } = recordingConsumer({ queue });
    const { log } = await startApplication({ url: broker.url, formats }, { providers: [Orders] });
    const bodies: [string, Uint8Array | string][] = [
      ['application/msgpack', new Uint8Array([0xc1])],
      ['application/msgpack', new Uint8Array([0xdf, 0xff, 0xff, 0xff, 0xff])],
      ['application/msgpack', ''],
      ['x/throws', 'secret'],
      ['x/nothing', 'secret'],
      ['x/promise', 'secret'],
      ['x/proxy', 'secret'],
      ['application/json; charset=klingon', '"secret"'],
      ['application/json; charset=utf-16le', 'secret!'],
    ];
    for (const [contentType, body] of bodies) {
      await bystander.send(queue, body, { contentType });
      const { properties, body: kept } = await bystander.take(`${queue}.parked`);
      expect(properties.headers).toMatchObject({
        'x-leveret-reason': 'unreadable',
        'x-leveret-error': UnreadableBodyError.name,
      });
      expect(properties.contentType).toBe(contentType);
      expect(Buffer.from(kept)).toEqual(Buffer.from(body as string));
      expect(JSON.stringify(properties.headers)).not.toContain('secret');
    }
    await bystander.send(queue, Buffer.from('"gr\u00fc\u00df"', 'utf16le'), {
      contentType: 'text/json; charset="UTF-16LE"',
    });
    await eventually(() => expect(seen).toEqual(['gr\u00fc\u00df']));
    expect(log.texts('error').join()).not.toContain('secret');
  });

  test('errors of @Ack find what a format threw', async () => {
    class BadSchema extends Error {}
    const queue = broker.unique('schema');
    const format: MessageFormat = {
      contentTypes: 'x/schema',
      serialize: () => '',
      deserialize: () => {
        throw new BadSchema();
      },
    };
    @Injectable()
    class Orders {
      @Consume({ queue, formats: [format], deadLetter: { exchange: '', routingKey: `${queue}.dead` } })
      @Ack({ errors: [[BadSchema, { then: 'dead-letter' }]] })
      onOrder(): void {}
    }
    await bystander.channel.queueDeclare(`${queue}.dead`, { durable: true });
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(queue, 'x', { contentType: 'x/schema' });
    expect((await bystander.take(`${queue}.dead`)).body.toString()).toBe('x');
  });

  test('what a format cannot write is an ArgumentError, and nothing was published', async () => {
    const queue = broker.unique('unwritable');
    await bystander.channel.queueDeclare(queue, { durable: true });
    const bad = (contentTypes: string, serialize: () => unknown): MessageFormat => {
      return { contentTypes, serialize: serialize as MessageFormat['serialize'], deserialize: () => 0 };
    };
    const formats = {
      throws: bad('x/throws', () => {
        throw new TypeError('no such field');
      }),
      promise: bad('x/promise', () => Promise.resolve('')),
      number: bad('x/number', () => 5),
      nothing: bad('x/nothing', () => undefined),
      many: bad('+many', () => ''),
    };
    @Injectable()
    class Shop {
      constructor(@InjectPublisher() readonly publisher: Publisher) {}
    }
    const { app } = await startApplication({ url: broker.url }, { providers: [Shop] });
    const { publisher } = app.get(Shop);
    const words: Record<keyof typeof formats, string> = {
      throws: 'the format of "x/throws" cannot write it: TypeError: no such field',
      promise: 'the format of "x/promise" gave a promise, and not bytes or text',
      number: 'gave number',
      nothing: 'gave undefined',
      many: 'contentType',
    };
    for (const [name, format] of Object.entries(formats)) {
      const error = await rejection(publisher.publish(queue, {}, { format }));
      expect(error).toBeInstanceOf(ArgumentError);
      expect(error.message).toContain(words[name as keyof typeof formats]);
    }
    const batch = [
      { routingKey: queue, payload: 1 },
      { routingKey: queue, payload: 2, options: { format: formats.throws } },
    ];
    const error = await rejection(publisher.publishBatch(batch));
    expect(error.message).toContain('messages[1]');
    expect(await bystander.count(queue)).toBe(0);
  });

  test('requests: the reply comes in the format of the request, the error too', async () => {
    const queue = broker.unique('asked');
    @Injectable()
    class Stock {
      constructor(@InjectPublisher({ contentType: 'application/msgpack' }) readonly publisher: Publisher) {}
      @Consume({ queue, reply: true })
      onAsked({ sku }: { sku: string }): unknown {
        if (sku === 'none') throw new RpcException({ code: 404 });
        if (sku === 'nothing') return undefined;
        return sku === 'unwritable' ? { big: 2n ** 70n } : { sku, bytes: new Uint8Array([1, 2, 3]) };
      }
    }
    const { app, log } = await startApplication({ url: broker.url, formats: [messagePack] }, { providers: [Stock] });
    const { publisher } = app.get(Stock);
    // Bytes would not have come over JSON.
    expect(await publisher.request(queue, { sku: 'a' })).toEqual({ sku: 'a', bytes: new Uint8Array([1, 2, 3]) });
    expect(await publisher.request(queue, { sku: 'nothing' })).toBeUndefined();
    const error = await rejection(publisher.request(queue, { sku: 'none' }));
    expect(error).toBeInstanceOf(RemoteError);
    expect((error as RemoteError).getError()).toEqual({ code: 404 });
    const hidden = await rejection(publisher.request(queue, { sku: 'unwritable' }));
    expect((hidden as RemoteError).getError()).toEqual({ status: 'error', message: 'Internal server error' });
    expect(log.texts('error').join()).toContain('cannot be written as "application/msgpack"');
    // Who asks in JSON is answered in JSON.
    expect(await publisher.request(queue, { sku: 'b' }, { contentType: 'application/json' })).toMatchObject({
      sku: 'b',
    });
  });

  test('two connections have each their own', async () => {
    const queue = broker.unique('apart');
    @Injectable()
    class Shop {
      constructor(
        @InjectPublisher({ contentType: 'application/msgpack' }) readonly one: Publisher,
        @InjectPublisher({ contentType: 'application/msgpack', connection: 'plain' }) readonly other: Publisher,
      ) {}
    }
    await bystander.channel.queueDeclare(queue, { durable: true });
    const { app } = await startModule({
      imports: [
        AmqpModule.forRoot({ url: broker.url, formats: [messagePack] }),
        AmqpModule.forRoot({ url: broker.url, name: 'plain' }),
      ],
      providers: [Shop],
    });
    await app.get(Shop).one.publish(queue, 'a');
    expect(decode((await bystander.take(queue)).body)).toBe('a');
    await app.get(Shop).other.publish(queue, 'a');
    expect((await bystander.take(queue)).body.toString()).toBe('"a"');
  });
});
