/**
 * The wire as a broker sees it: every type of field over a real broker, the negotiated frame size held in both
 * directions, and heartbeats at their times.
 */
import { Worker } from 'node:worker_threads';
import {
  ArgumentError,
  connect,
  HeartbeatTimeoutError,
  MessageTooLargeError,
  TypedField,
  type Channel,
  type Connection,
  type ConnectionParameters,
  type Delivery,
  type FieldValue,
} from 'leveret/amqp';
import { ByteWriter, writeMethod, type MethodInputs, type MethodName } from '../../../lib/amqp/protocol/index.js';
import { describeOnBroker, describeOnRabbitmq } from '../../support/brokers.js';
import { politeScript, ScriptedPeer, type Script } from '../../support/scripted-peer.js';
import { TappedTransport } from '../../support/tapped-transport.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { rejection, until } from '../../support/waiting.js';
import { compute } from '../threads/support.js';

const typed = (type: TypedField['type'], value: number | bigint, scale?: number): TypedField =>
  new TypedField(type, value, scale);
const int64 = (value: bigint): string => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes.toString('hex');
};
const hexOf = (text: string): string => Buffer.from(text).toString('hex');

/** What is written; the tag and the bytes that it is on the wire; what is read (where it differs). */
type Field = readonly [what: string, written: FieldValue, tag: string, hex: string, read?: FieldValue];
const fields: readonly Field[] = [
  ['true', true, 't', '01'],
  ['false', false, 't', '00'],
  ['int8', typed('int8', -128), 'b', '80', -128],
  ['uint8', typed('uint8', 255), 'B', 'ff', 255],
  ['int16', typed('int16', -32_768), 's', '8000', -32_768],
  ['uint16', typed('uint16', 65_535), 'u', 'ffff', 65_535],
  ['int32', -2_147_483_648, 'I', '80000000'],
  ['uint32', typed('uint32', 4_294_967_295), 'i', 'ffffffff', 4_294_967_295],
  ['int64 of a number', 2 ** 40, 'l', int64(2n ** 40n)],
  ['the largest safe integer', Number.MAX_SAFE_INTEGER, 'l', int64(2n ** 53n - 1n)],
  ['int64 beyond 2^53', 2n ** 53n + 1n, 'l', int64(2n ** 53n + 1n)],
  ['the largest int64', 2n ** 63n - 1n, 'l', int64(2n ** 63n - 1n)],
  ['the smallest int64', -(2n ** 63n), 'l', int64(-(2n ** 63n))],
  ['a small bigint', 5n, 'l', int64(5n), 5],
  ['float', typed('float', 0.5), 'f', '3f000000', 0.5],
  ['double', 0.1, 'd', '3fb999999999999a'],
  ['minus zero', -0, 'd', '8000000000000000'],
  ['decimal', typed('decimal', 4_000_000_000, 3), 'D', '03ee6b2800'],
  ['timestamp', new Date(1_700_000_000_000), 'T', int64(1_700_000_000n)],
  ['a timestamp that no Date holds', typed('timestamp', 2n ** 62n), 'T', int64(2n ** 62n)],
  ['text', 'ü✓😀', 'S', `00000009${hexOf('ü✓😀')}`],
  ['empty text', '', 'S', '00000000'],
  ['bytes', Buffer.from([0, 255]), 'x', '0000000200ff'],
  ['an array of numbers of another width', new Uint16Array([258]) as never, 'x', '000000020201', Buffer.from([2, 1])],
  ['null', null, 'V', ''],
  ['a list', [1, 'a', null], 'A', '0000000c4900000001530000000161' + '56'],
  ['an empty list', [], 'A', '00000000'],
  ['a table', { a: { b: true } }, 'F', '0000000b01614600000004016274' + '01'],
  ['an empty table', {}, 'F', '00000000'],
];

describeOnBroker('field tables over the wire', (broker) => {
  let connection: Connection;
  let channel: Channel;
  let queue: string;
  let tap: TappedTransport;

  beforeAll(async () => {
    tap = new TappedTransport();
    connection = await connect(broker.url, { transport: tap.transport });
    channel = await connection.openChannel({ confirm: true });
    ({ queue } = await channel.queueDeclare('', { exclusive: true }));
  });

  afterAll(async () => {
    await connection.close();
  });

  test.each(fields.map((field) => ({ what: field[0], field })))('$what', async ({ field }) => {
    const [, written, tag, hex, ...read] = field;
    await channel.publish('', queue, 'x', { headers: { field: written } });
    const got = await channel.basicGet(queue, { noAck: true });
    const expected = read.length > 0 ? read[0] : written;
    expect(got?.headers).toEqual({ field: expected });
    // Where toEqual is generous: 5 for 5n, 0 for -0.
    expect(Object.is(got?.headers['field'], expected) || typeof expected === 'object').toBe(true);
    // The broker passes on the type that was said, byte for byte.
    const bytes = `05${hexOf('field')}${hexOf(tag)}${hex}`;
    for (const frames of [tap.sent, tap.received]) {
      expect(frames.findLast(({ type }) => type === 2)?.bytes.toString('hex')).toContain(bytes);
    }
  });

  test('all together, nested, and names that JavaScript gives a meaning of its own', async () => {
    const headers = Object.fromEntries<FieldValue>([
      ...fields.map(([what, written]) => [what, written] as const),
      ['__proto__', { polluted: true }],
      ['constructor', 'text'],
      ['toString', 1],
      ['', 'no name'],
      ['deep', { list: [{ again: [2n ** 60n, { time: new Date(0) }] }] }],
    ]);
    const expected = Object.fromEntries<FieldValue>(
      Object.entries(headers).map(([name, value]) => {
        const field = fields.find(([what]) => what === name);
        return [name, field?.length === 5 ? field[4] : value];
      }),
    );
    await channel.publish('', queue, 'x', { headers });
    const got = (await channel.basicGet(queue, { noAck: true }))?.headers ?? {};
    expect(Object.entries(got).sort()).toEqual(Object.entries(expected).sort());
    expect(Object.hasOwn(got, '__proto__')).toBe(true);
    expect(Object.getPrototypeOf(got)).toBe(Object.prototype);
    expect((got as { polluted?: unknown }).polluted).toBeUndefined();
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

describeOnBroker('a negotiated frame_max of 8192', (broker) => {
  const frameMax = 8_192;
  let connection: Connection;
  let channel: Channel;
  let queue: string;
  let tap: TappedTransport;

  beforeEach(async () => {
    tap = new TappedTransport();
    connection = await connect(broker.url, { transport: tap.transport, frameMax });
    channel = await connection.openChannel({ confirm: true });
    ({ queue } = await channel.queueDeclare('', { exclusive: true }));
    expect(connection.negotiated.frameMax).toBe(frameMax);
  });

  afterEach(async () => {
    expect(Math.max(...tap.sent.map(({ bytes }) => bytes.length))).toBeLessThanOrEqual(frameMax);
    await connection.close();
  });

  /** A content header of this many bytes, which has one header of text. */
  const headersFor = (frameSize: number): { text: string } => ({ text: 'h'.repeat(frameSize - 36) });

  test('headers that just fit are sent, one byte more is an ArgumentError, and the channel lives', async () => {
    const { number } = channel;
    await channel.publish('', queue, 'fits', { headers: headersFor(frameMax) });
    expect(tap.sent.findLast(({ type }) => type === 2)?.bytes.length).toBe(frameMax);
    const count = tap.sent.length;
    for (const size of [frameMax + 1, 9 * 1_024, 10_000_000]) {
      const error = await rejection(channel.publish('', queue, 'x', { headers: headersFor(size) }));
      expect(error).toBeInstanceOf(ArgumentError);
      expect(() => channel.basicPublish('', queue, 'x', { headers: headersFor(size) })).toThrow(ArgumentError);
    }
    const declared = channel.queueDeclare('big', { arguments: headersFor(frameMax + 200) });
    expect((await rejection(declared)).message).toContain('8192');
    expect(tap.sent.length).toBe(count);
    await channel.publish('', queue, 'alive');
    expect(channel.number).toBe(number);
    const got = await channel.basicGet(queue, { noAck: true });
    expect(got?.headers).toEqual(headersFor(frameMax));
  });

  test.each([frameMax - 8, frameMax - 7, 50_000])(
    'a body of %i bytes goes in full frames, and comes back whole',
    async (size) => {
      const body = Buffer.alloc(size, 'abcdefg');
      await channel.publish('', queue, body);
      const sizes = tap.sent.filter(({ type }) => type === 3).map(({ bytes }) => bytes.length - 8);
      const full = Math.floor(size / (frameMax - 8));
      expect(sizes.slice(0, full)).toEqual(Array.from({ length: full }, () => frameMax - 8));
      expect(sizes.reduce((sum, each) => sum + each, 0)).toBe(size);
      const got = await channel.basicGet(queue, { noAck: true });
      expect(got?.body.equals(body)).toBe(true);
      const received = tap.received.filter(({ type }) => type === 3).map(({ bytes }) => bytes.length);
      expect(Math.max(...received)).toBeLessThanOrEqual(frameMax);
    },
  );

  test('a header frame larger than that is taken in: RabbitMQ holds none of its own to it', async () => {
    const other = await connect(broker.url);
    const publisher = await other.openChannel({ confirm: true });
    const shared = broker.unique('large.header');
    await publisher.queueDeclare(shared);
    await publisher.publish('', shared, 'x', { headers: headersFor(100_000) });
    const got = await channel.basicGet(shared, { noAck: true });
    expect(got?.headers).toEqual(headersFor(100_000));
    expect(tap.received.some(({ bytes }) => bytes.length > frameMax)).toBe(true);
    await publisher.queueDelete(shared);
    await other.close();
  });

  describe('a message over maxMessageSize', () => {
    let shared: string;
    let small: Connection;
    let reader: Channel;

    beforeEach(async () => {
      shared = broker.unique('message.size');
      await channel.queueDeclare(shared);
      small = await connect(broker.url, { maxMessageSize: 1_000, recovery: { initialDelay: 20, maxDelay: 40 } });
      reader = await small.openChannel();
    });

    afterEach(async () => {
      await small.close();
      await channel.queueDelete(shared);
    });

    test('goes back to its queue, and basicGet says so; one of exactly that size is taken', async () => {
      await channel.publish('', shared, 'x'.repeat(1_000));
      await channel.publish('', shared, 'x'.repeat(1_001));
      expect((await reader.basicGet(shared, { noAck: true }))?.body.length).toBe(1_000);
      const error = await rejection(reader.basicGet(shared));
      expect(error).toBeInstanceOf(MessageTooLargeError);
      expect(error).toMatchObject({ size: 1_001, limit: 1_000 });
      await until('it is back', async () => {
        return (await channel.queueDeclare(shared, { passive: true })).messageCount === 1;
      });
      expect(reader.unsettledDeliveries).toBe(0);
      expect(small.epoch).toBe(1);
    });

    test('costs its consumer its place until it is gone; others, and the connection, go on', async () => {
      const seen: string[] = [];
      const note = (delivery: Delivery): void => {
        seen.push(`${delivery.consumerTag} ${String(delivery.body.length)}`);
        delivery.ack();
      };
      const { queue: mine } = await reader.queueDeclare('', { exclusive: true });
      await reader.basicConsume(mine, note, { consumerTag: 'neighbour' });
      const causes: Error[] = [];
      reader.on('consumerCancelled', ({ cause }) => causes.push(cause));
      await channel.publish('', shared, 'x'.repeat(200_000));
      await reader.basicConsume(shared, note, { consumerTag: 'unfit', prefetch: 1 });
      await until('it is cancelled', () => causes.length > 0);
      expect(causes[0]).toBeInstanceOf(MessageTooLargeError);
      expect(small.broken).toMatchObject([{ kind: 'consumer', name: 'unfit' }]);
      await channel.publish('', mine, 'x');
      await until('the neighbour goes on', () => seen.includes('neighbour 1'));
      // Whoever takes larger ones takes it away.
      await until('it is taken away', async () => (await channel.basicGet(shared, { noAck: true })) !== null);
      await channel.publish('', shared, 'xyz');
      await until('it consumes again', () => seen.includes('unfit 3'));
      expect(small.epoch).toBe(1);
      expect(reader.unsettledDeliveries).toBe(0);
    });

    test('is gone where there are no acknowledgements, and the callback error says so', async () => {
      const seen: number[] = [];
      const errors: Error[] = [];
      reader.on('callbackError', (error) => errors.push(error));
      await reader.basicConsume(shared, ({ body }) => seen.push(body.length), { noAck: true });
      await channel.publish('', shared, 'x'.repeat(1_001));
      await channel.publish('', shared, 'x');
      await until('the next one comes', () => seen.length === 1);
      expect(seen).toEqual([1]);
      expect(errors).toMatchObject([{ name: 'MessageTooLargeError', size: 1_001 }]);
    });
  });
});

describe('a peer that sends more than was agreed on', () => {
  const frame = (type: number, payload: Buffer): Buffer => {
    const head = Buffer.alloc(7);
    head.writeUInt8(type, 0);
    head.writeUInt16BE(1, 1);
    head.writeUInt32BE(payload.length, 3);
    return Buffer.concat([head, payload, Buffer.from([0xce])]);
  };
  const deliver = (bodySize: number): Buffer => {
    const writer = new ByteWriter();
    const fields = { consumerTag: 't', deliveryTag: 1, redelivered: false, exchange: '', routingKey: 'q' };
    writeMethod(writer, 1, 'basic.deliver', fields, 0);
    const header = Buffer.alloc(14);
    header.writeUInt16BE(60, 0);
    header.writeUInt32BE(bodySize, 8);
    return Buffer.concat([...writer.take(), frame(2, header)]);
  };

  async function consumeFrom(parameters: ConnectionParameters) {
    const { transport, peers } = ScriptedPeer.factory();
    const connection = await connect({ transport, recovery: false, closeTimeout: 200, ...parameters });
    const channel = await connection.openChannel();
    const bodies: number[] = [];
    await channel.basicConsume('q', ({ body }) => bodies.push(body.length), { consumerTag: 't', noAck: true });
    const failed = new Promise<Error>((resolve) => connection.on('failed', ({ cause }) => { resolve(cause); })); // prettier-ignore
    const [peer] = peers;
    if (!peer) throw new Error('no peer was made');
    return { connection, peer, bodies, failed };
  }

  test('body frames are held to the negotiated frame_max, not to what the peer offered', async () => {
    const { connection, peer, bodies, failed } = await consumeFrom({ frameMax: 8_192 });
    expect(connection.negotiated.frameMax).toBe(8_192);
    peer.sendBytes(Buffer.concat([deliver(8_184), frame(3, Buffer.alloc(8_184))]));
    await until('the largest frame that is allowed is a message', () => bodies.length === 1);
    peer.sendBytes(Buffer.concat([deliver(8_185), frame(3, Buffer.alloc(8_185))]));
    const cause = await failed;
    expect(cause.message).toContain('8192');
    expect(bodies).toEqual([8_184]);
    await connection.close();
  });

  test('method and header frames are held to maxHeaderSize', async () => {
    const { connection, peer, bodies, failed } = await consumeFrom({ frameMax: 8_192, maxHeaderSize: 20_000 });
    const headerOf = (size: number): Buffer => {
      const writer = new ByteWriter();
      const fields = { consumerTag: 't', deliveryTag: bodies.length + 1, exchange: '', routingKey: 'q' };
      writeMethod(writer, 1, 'basic.deliver', fields, 0);
      const payload = Buffer.alloc(size - 8);
      payload.writeUInt16BE(60, 0);
      // Headers: one text that fills the frame.
      payload.writeUInt16BE(0x2000, 12);
      payload.writeUInt32BE(size - 26, 14);
      payload.write('\x01hS', 18);
      payload.writeUInt32BE(size - 33, 21);
      return Buffer.concat([...writer.take(), frame(2, payload)]);
    };
    peer.sendBytes(headerOf(20_000));
    await until('a header far over frame_max is taken in', () => bodies.length === 1);
    peer.sendBytes(headerOf(20_001));
    expect((await failed).message).toContain('20000');
    await connection.close();
  });
});

/** A broker that lives in a thread of its own: it greets, says a heartbeat now and then, and judges nobody. */
const steadyPeer = `
  const { createServer } = require('node:net');
  const { parentPort, workerData } = require('node:worker_threads');
  const answers = workerData.answers.map((bytes) => Buffer.from(bytes));
  const heartbeat = Buffer.from([8, 0, 0, 0, 0, 0, 0, 0xce]);
  let isSilent = false;
  parentPort.on('message', () => { isSilent = true; });
  const server = createServer((socket) => {
    let next = 0;
    socket.on('error', () => undefined);
    // Protocol header, start-ok, tune-ok with open: each is answered by the next.
    socket.on('data', () => { if (next < answers.length) socket.write(answers[next++]); });
    const timer = setInterval(() => { if (next === answers.length && !isSilent) socket.write(heartbeat); }, 300);
    socket.on('close', () => clearInterval(timer));
  });
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

function encode<Name extends MethodName>(name: Name, given: MethodInputs[Name]): Buffer {
  const writer = new ByteWriter();
  writeMethod(writer, 0, name, given, 0);
  return Buffer.concat(writer.take());
}

describe('heartbeats of one second', () => {
  const tuning: Script = (peer, channel, heard) => {
    if (heard.name === 'connection.start-ok') {
      peer.send(0, 'connection.tune', { channelMax: 10, frameMax: 131_072, heartbeat: 1 });
    } else {
      politeScript(peer, channel, heard);
    }
  };

  test('silence is noticed after more than one and less than two and a half time-outs', async () => {
    const { transport } = ScriptedPeer.factory(tuning);
    const connection = await connect({ transport, recovery: false });
    const since = performance.now();
    const { cause } = await new Promise<{ cause: Error }>((resolve) => connection.on('failed', resolve));
    expect(cause).toBeInstanceOf(HeartbeatTimeoutError);
    expect(performance.now() - since).toBeGreaterThan(1_000);
    expect(performance.now() - since).toBeLessThan(2_600);
  });

  test('an event loop that was busy for three time-outs is not fooled while bytes wait; by silence it is not either', async () => {
    const answers = [
      encode('connection.start', {
        versionMajor: 0,
        versionMinor: 9,
        serverProperties: {},
        mechanisms: 'PLAIN',
        locales: 'en_US',
      }),
      encode('connection.tune', { channelMax: 10, frameMax: 131_072, heartbeat: 1 }),
      encode('connection.open-ok', {}),
    ];
    const worker = new Worker(steadyPeer, { eval: true, workerData: { answers } });
    const port = await new Promise<number>((resolve) => worker.once('message', resolve));
    const connection = await connect({ host: '127.0.0.1', port, recovery: false, closeTimeout: 200 });
    const failures: Error[] = [];
    connection.on('failed', ({ cause }) => failures.push(cause));
    for (let round = 0; round < 2; round++) {
      compute(3_100);
      // Every timer that became due has its say.
      await new Promise((resolve) => setTimeout(resolve, 600));
      expect(failures).toEqual([]);
      expect(connection.isOpen).toBe(true);
    }
    worker.postMessage('be silent');
    const since = performance.now();
    await until('the silence is noticed', () => failures.length === 1);
    expect(failures[0]).toBeInstanceOf(HeartbeatTimeoutError);
    expect(performance.now() - since).toBeLessThan(2_900);
    await connection.close();
    await worker.terminate();
  }, 20_000);
});

describeOnRabbitmq('heartbeats of one second with a broker', (broker) => {
  test('go out at half the time-out while nothing else does, and keep the connection', async () => {
    const tap = new TappedTransport();
    const connection = await connect(broker.url, { transport: tap.transport, heartbeat: 1, recovery: false });
    const beats = (): number[] => tap.sent.filter(({ type }) => type === 8).map(({ at }) => at);
    await until('six have gone out', () => beats().length >= 6);
    // The middle one: a busy machine may delay some.
    const gaps = beats()
      .map((at, index, all) => at - (all[index - 1] ?? at))
      .slice(1)
      .sort((one, other) => one - other);
    expect(gaps[2]).toBeGreaterThan(400);
    expect(gaps[2]).toBeLessThan(750);
    expect(connection.isOpen).toBe(true);
    expect(tap.received.some(({ type }) => type === 8)).toBe(true);
    await connection.close();
  }, 15_000);

  test('a way that swallows everything is noticed within two and a half time-outs', async () => {
    const proxy = await TcpProxy.start(broker.url);
    const connection = await connect(proxy.url, { heartbeat: 1, recovery: false, closeTimeout: 200 });
    const failed = new Promise<{ cause: Error }>((resolve) => connection.on('failed', resolve));
    proxy.swallow();
    const since = performance.now();
    expect((await failed).cause).toBeInstanceOf(HeartbeatTimeoutError);
    expect(performance.now() - since).toBeLessThan(2_600);
    await connection.close();
    await proxy.stop();
  });
});
