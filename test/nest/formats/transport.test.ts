/** Formats on the transport: packets in another format than JSON, and JSON as it was. */
import { decode, encode } from '@msgpack/msgpack';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { AmqpRecordBuilder, RemoteError, UnreadableBodyError } from 'leveret';
import { ArgumentError } from 'leveret/amqp';
import { lastValueFrom, of } from 'rxjs';
import { describeOnBroker } from '../../support/brokers.js';
import { messagePack } from '../../support/message-pack.js';
import { Bystander, eventually } from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';
import { Bench, EventPattern } from '../transport/support.js';

describeOnBroker('formats on the transport', (broker) => {
  const bystander = new Bystander();
  const bench = new Bench(() => broker.url);
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  beforeEach(() => {
    bench.begin();
  });
  afterEach(() => bench.end());

  const serve = async (): Promise<{ queue: string; seen: unknown[] }> => {
    const queue = broker.unique('packed');
    const seen: unknown[] = [];
    await bench.deleteLater(queue, `${queue}.parked`);
    @Controller()
    class Events {
      @EventPattern('event')
      onEvent(data: unknown): void {
        seen.push(data);
      }
      @MessagePattern('echo')
      echo(@Payload() data: unknown): unknown {
        if (data === 'fail') throw new RpcException({ code: 5 });
        if (data === 'many') return of(1, 2, 3);
        return data === 'unwritable' ? 2n ** 70n : data;
      }
    }
    await bench.serve([Events], { queue, formats: [messagePack] });
    return { queue, seen };
  };

  test('requests, events and replies go in the format of the client, bytes and all', async () => {
    const { queue, seen } = await serve();
    const client = bench.client({ queue, formats: [messagePack], contentType: 'application/msgpack' });
    const data = { bytes: new Uint8Array([1, 2, 3]), sku: 'a' };
    expect(await client.request('echo', data)).toEqual(data);
    expect(await lastValueFrom(client.send('echo', 'many'))).toBe(3);
    await lastValueFrom(client.emit('event', data), { defaultValue: undefined });
    await eventually(() => expect(seen).toEqual([data]));
    const error = await rejection(client.request('echo', 'fail'));
    expect((error as RemoteError).getError()).toEqual({ code: 5 });
    const hidden = await rejection(client.request('echo', 'unwritable'));
    expect((hidden as RemoteError).getError()).toEqual({ status: 'error', message: 'Internal server error' });
    expect(await rejection(client.request('echo', 2n ** 70n))).toBeInstanceOf(ArgumentError);
  });

  test('a client in JSON is answered in JSON, and a record may choose', async () => {
    const { queue, seen } = await serve();
    const client = bench.client({ queue, formats: [messagePack] });
    expect(await client.request('echo', { a: 1 })).toEqual({ a: 1 });
    const record = new AmqpRecordBuilder({ b: new Uint8Array([7]) })
      .setOptions({ contentType: 'application/msgpack' })
      .build();
    await lastValueFrom(client.emit('event', record), { defaultValue: undefined });
    await eventually(() => expect(seen).toEqual([{ b: new Uint8Array([7]) }]));
  });

  test('on the wire: the packet in the format, with its content type', async () => {
    const queue = broker.unique('wire');
    await bystander.channel.queueDeclare(queue, { durable: true });
    const options = { queue, formats: [messagePack] };
    const packed = bench.client({ ...options, contentType: 'application/msgpack' });
    const plain = bench.client(options);
    await lastValueFrom(packed.emit('event', { a: 1 }), { defaultValue: undefined });
    await lastValueFrom(plain.emit('event', { a: 1 }), { defaultValue: undefined });
    const [first, second] = [await bystander.take(queue), await bystander.take(queue)];
    expect(decode(first.body)).toEqual({ pattern: 'event', data: { a: 1 } });
    expect(first.properties.contentType).toBe('application/msgpack');
    expect(second.body.toString()).toBe('{"pattern":"event","data":{"a":1}}');
    expect(second.properties.contentType).toBe('application/json');
  });

  test('a packet that its format cannot read is parked as unreadable, a reply fails its request', async () => {
    const { queue, seen } = await serve();
    const contentType = 'application/msgpack';
    for (const body of [new Uint8Array([0xc1]), new Uint8Array([0x92, 0x01])]) {
      await bystander.send(queue, body, { contentType });
      expect((await bystander.take(`${queue}.parked`)).properties.headers).toMatchObject({
        'x-leveret-reason': 'unreadable',
        'x-leveret-error': UnreadableBodyError.name,
      });
    }
    await bystander.send(queue, encode({ pattern: 'event', data: 1 }), { contentType });
    await eventually(() => expect(seen).toEqual([1]));

    const asked = broker.unique('asked');
    await bystander.channel.queueDeclare(asked, { durable: true });
    const client = bench.client({ queue: asked, formats: [messagePack] });
    const reply = rejection(client.request('x', 1));
    const { replyTo = '', correlationId } = (await bystander.take(asked)).properties;
    await bystander.channel.publish('', replyTo, new Uint8Array([0xc1]), { correlationId, contentType });
    expect(await reply).toBeInstanceOf(UnreadableBodyError);
  });
});
