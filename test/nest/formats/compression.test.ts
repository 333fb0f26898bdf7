/** Compressed bodies, both ways; and that nothing is decompressed without a limit. */
import { randomBytes } from 'node:crypto';
import zlib from 'node:zlib';
import { encode } from '@msgpack/msgpack';
import { Controller, Injectable } from '@nestjs/common';
import { BodyTooLargeError, Consume, InjectPublisher, Publisher, UnreadableBodyError, type Compress } from 'leveret';
import { NotSentError } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { messagePack } from '../../support/message-pack.js';
import {
  Bystander,
  closeApplications,
  eventually,
  recordingConsumer,
  startApplication,
} from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';
import { Bench, EventPattern } from '../transport/support.js';

const hasZstd = 'zstdCompressSync' in zlib;

/** `count` bytes of zeros in gzip's form, made without having them at once. */
async function gzippedZeros(count: number): Promise<Buffer> {
  const gzip = zlib.createGzip({ level: 9 });
  const chunks: Buffer[] = [];
  gzip.on('data', (chunk: Buffer) => chunks.push(chunk));
  const piece = Buffer.alloc(1024 * 1024);
  for (let written = 0; written < count; written += piece.length) {
    if (!gzip.write(piece)) await new Promise((resolve) => gzip.once('drain', resolve));
  }
  gzip.end();
  await new Promise((resolve) => gzip.once('end', resolve));
  return Buffer.concat(chunks);
}

describeOnBroker('compression', (broker) => {
  const bystander = new Bystander();
  const bench = new Bench(() => broker.url);
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(async () => {
    await closeApplications();
    await bench.end();
  });

  /** Compressible, and as many characters long as said. */
  const text = (length: number): string => 'hay, '.repeat(Math.ceil(length / 5)).slice(0, length);

  @Injectable()
  class Shop {
    constructor(@InjectPublisher() readonly publisher: Publisher) {}
  }

  test('whatever others compressed is read, in small and in large, stacked too', async () => {
    const queue = broker.unique('compressed');
    const { Orders, seen } = recordingConsumer({ queue, prefetch: 1 });
    await startApplication({ url: broker.url, formats: [messagePack] }, { providers: [Orders] });
    const ways: Record<string, (body: Buffer) => Buffer> = {
      gzip: (body) => zlib.gzipSync(body),
      'x-gzip': (body) => zlib.gzipSync(body),
      GZIP: (body) => zlib.gzipSync(body),
      deflate: (body) => zlib.deflateSync(body),
      ' deflate ': (body) => zlib.deflateRawSync(body),
      br: (body) => zlib.brotliCompressSync(body),
      'gzip, br': (body) => zlib.brotliCompressSync(zlib.gzipSync(body)),
      'utf-8,gzip': (body) => zlib.gzipSync(body),
    };
    const expected: unknown[] = [];
    // Beyond what is decompressed at once: by its result, and by itself.
    const values = [text(10), text(200_000), randomBytes(40_000).toString('base64')];
    for (const value of values) {
      for (const [contentEncoding, way] of Object.entries(ways)) {
        await bystander.send(queue, way(Buffer.from(JSON.stringify(value))), { contentEncoding });
        expected.push(value);
      }
    }
    const packed = zlib.gzipSync(encode(text(100_000)));
    await bystander.send(queue, packed, { contentEncoding: 'gzip', contentType: 'application/msgpack' });
    expected.push(text(100_000));
    for (const contentEncoding of ['identity', 'utf-8', 'UTF8', 'binary', 'us-ascii', '']) {
      await bystander.send(queue, '"as it is"', { contentEncoding });
      expected.push('as it is');
    }
    await eventually(() => expect(seen).toEqual(expected));
  });

  test("body: 'bytes' gives them without their compression, or as they came where it is not known", async () => {
    const queue = broker.unique('bytes');
    const { Orders, seen } = recordingConsumer({ queue, body: 'bytes' });
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(queue, zlib.gzipSync('abc'), { contentEncoding: 'gzip' });
    await bystander.send(queue, 'abc', { contentEncoding: 'rot13' });
    await eventually(() => expect(seen).toEqual([Buffer.from('abc'), Buffer.from('abc')]));
  });

  test.each<Compress>([
    'gzip',
    'deflate',
    'br',
    { encoding: 'gzip', level: 1, minimumSize: 0 },
    { encoding: 'br', level: 0 },
  ])('a publisher compresses: %j', async (compress) => {
    const queue = broker.unique('compressing');
    const raw = broker.unique('raw');
    await bystander.channel.queueDeclare(raw, { durable: true });
    const { Orders, seen } = recordingConsumer({ queue, prefetch: 1 });
    const { app } = await startApplication({ url: broker.url }, { providers: [Orders, Shop] });
    const { publisher } = app.get(Shop);
    const encoding = typeof compress === 'string' ? compress : (compress as { encoding: string }).encoding;
    for (const length of [2_000, 300_000]) {
      await publisher.publish(queue, text(length), { compress });
      await publisher.publish(raw, text(length), { compress });
      const { body, properties } = await bystander.take(raw);
      expect(properties).toMatchObject({ contentEncoding: encoding, contentType: 'application/json' });
      expect(body.length).toBeLessThan(length / 10);
    }
    await eventually(() => expect(seen).toEqual([text(2_000), text(300_000)]));
  });

  test('what is small, or would not become smaller, goes as it is; a message may say otherwise', async () => {
    @Injectable()
    class Compressing {
      constructor(@InjectPublisher({ compress: 'gzip' }) readonly publisher: Publisher) {}
    }
    const queue = broker.unique('small');
    await bystander.channel.queueDeclare(queue, { durable: true });
    const { app } = await startApplication({ url: broker.url }, { providers: [Compressing] });
    const { publisher } = app.get(Compressing);
    const encodingOf = async (
      ...[payload, options]: [unknown, { compress?: Compress }?]
    ): Promise<string | undefined> => {
      await publisher.publish(queue, payload, options);
      return (await bystander.take(queue)).properties.contentEncoding;
    };
    expect(await encodingOf(text(1_000))).toBeUndefined();
    expect(await encodingOf(text(1_022))).toBe('gzip');
    expect(await encodingOf(text(500), { compress: { encoding: 'gzip', minimumSize: 100 } })).toBe('gzip');
    expect(await encodingOf(text(5_000), { compress: false })).toBeUndefined();
    expect(await encodingOf(randomBytes(5_000))).toBeUndefined();
    expect(await encodingOf(randomBytes(50_000))).toBeUndefined();
    expect(await encodingOf(new Uint8Array(50_000))).toBe('gzip');
  });

  test('messages keep their order, whichever of them take longer to compress, and to decompress', async () => {
    const queue = broker.unique('order');
    const { Orders, seen } = recordingConsumer({ queue, concurrency: 1, prefetch: 50 });
    const { app } = await startApplication({ url: broker.url }, { providers: [Orders, Shop] });
    const { publisher } = app.get(Shop);
    const sizes = Array.from({ length: 60 }, (_, index) => [5, 400_000, 3_000, 20_000][index % 4] ?? 0);
    await Promise.all(
      sizes.map((size, index) => {
        const compress: Compress = index % 3 === 0 ? false : 'gzip';
        return publisher.publish(queue, `${String(index)}:${text(size)}`, { compress });
      }),
    );
    await eventually(() => expect(seen).toHaveLength(sizes.length), 15_000);
    expect(seen.map((body) => String(body).split(':')[0])).toEqual(sizes.map((_, index) => String(index)));
  });

  test('what waits to be compressed is bounded, and a time-out counts from the call', async () => {
    const queue = broker.unique('bounded');
    await bystander.channel.queueDeclare(queue, { durable: true });
    const { app } = await startApplication({ url: broker.url }, { providers: [Shop] });
    const { publisher } = app.get(Shop);
    await publisher.publish(queue, 1);
    const large = new Uint8Array(30 * 1024 * 1024);
    const publishes = [1, 2, 3].map(() => publisher.publish(queue, large, { compress: 'gzip' }));
    const outcomes = await Promise.allSettled(publishes);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    const error = await rejection(publishes[2] ?? Promise.resolve());
    expect(error).toBeInstanceOf(NotSentError);
    expect(error.message).toContain('wait to be compressed already');
    await publisher.publish(queue, 2, { compress: 'gzip' });
    expect(await bystander.count(queue)).toBe(4);
    await bystander.channel.queueDelete(queue);
  }, 30_000);

  test('requests and their replies may be compressed', async () => {
    const queue = broker.unique('asked');
    @Injectable()
    class Stock extends Shop {
      @Consume({ queue, reply: true })
      onAsked(order: string): number {
        return order.length;
      }
    }
    const { app } = await startApplication({ url: broker.url, maxDecompressedSize: 200_000 }, { providers: [Stock] });
    const { publisher } = app.get(Stock);
    expect(await publisher.request(queue, text(3_000), { compress: 'gzip' })).toBe(3_000);
    expect(await publisher.request(queue, text(100_000), { compress: 'br' })).toBe(100_000);
    // A foreign server that compresses its replies, and a bomb among them.
    const foreign = broker.unique('foreign');
    await bystander.channel.queueDeclare(foreign, { durable: true });
    const answer = async (length: number): Promise<void> => {
      const { properties } = await bystander.take(foreign);
      const { replyTo = '', correlationId } = properties;
      const body = zlib.gzipSync(JSON.stringify(text(length)));
      await bystander.channel.publish('', replyTo, body, { correlationId, contentEncoding: 'gzip' });
    };
    const [reply] = await Promise.all([publisher.request(foreign, 1), answer(100_000)]);
    expect(reply).toBe(text(100_000));
    const [error] = await Promise.all([rejection(publisher.request(foreign, 1)), answer(300_000)]);
    expect(error).toBeInstanceOf(BodyTooLargeError);
  });

  test('a bomb is never unpacked: BodyTooLargeError, parked as unreadable, and the next one is handled', async () => {
    const queue = broker.unique('bomb');
    const { Orders, seen } = recordingConsumer({ queue });
    const { log } = await startApplication({ url: broker.url }, { providers: [Orders] });
    const bomb = await gzippedZeros(1024 * 1024 * 1024);
    expect(bomb.length).toBeLessThan(2 * 1024 * 1024);
    const bombs: [string, Buffer][] = [
      ['gzip', bomb],
      // A gibibyte within a few kilobytes: the first layer is as small as the message.
      ['gzip, gzip', zlib.gzipSync(bomb)],
      ['gzip, gzip, gzip', zlib.gzipSync(zlib.gzipSync(bomb))],
      [
        'br',
        zlib.brotliCompressSync(Buffer.alloc(64 * 1024 * 1024), {
          params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 5 },
        }),
      ],
      ['deflate', zlib.deflateSync(Buffer.alloc(17 * 1024 * 1024))],
    ];
    const before = process.memoryUsage.rss();
    let longestPause = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longestPause = Math.max(longestPause, performance.now() - last);
      last = performance.now();
    }, 1);
    for (const [contentEncoding, body] of bombs) {
      await bystander.send(queue, body, { contentEncoding });
      const { properties, body: kept } = await bystander.take(`${queue}.parked`);
      expect(properties.headers).toMatchObject({
        'x-leveret-reason': 'unreadable',
        'x-leveret-error': BodyTooLargeError.name,
      });
      expect(properties.contentEncoding).toBe(contentEncoding);
      expect(kept.length).toBe(body.length);
    }
    clearInterval(timer);
    await bystander.send(queue, '"next"');
    await eventually(() => expect(seen).toEqual(['next']));
    expect(new BodyTooLargeError(1)).toBeInstanceOf(UnreadableBodyError);
    expect(log.texts('error').filter((line) => line.includes('maxDecompressedSize'))).toHaveLength(bombs.length);
    expect(process.memoryUsage.rss() - before).toBeLessThan(300 * 1024 * 1024);
    // In a turn of the loop at most what is decompressed at once; other things take time there, too.
    expect(longestPause).toBeLessThan(1_000);
  }, 120_000);

  test('the limit is a setting of the module, and of a handler', async () => {
    const [common, own] = [broker.unique('limit'), broker.unique('limit-own')];
    const seen: number[] = [];
    @Injectable()
    class Orders {
      @Consume({ queue: common })
      onCommon(order: string): void {
        seen.push(order.length);
      }
      @Consume({ queue: own, maxDecompressedSize: 1_000_000 })
      onOwn(order: string): void {
        seen.push(order.length);
      }
    }
    await startApplication({ url: broker.url, maxDecompressedSize: 5_000 }, { providers: [Orders] });
    const body = (length: number): Buffer => zlib.gzipSync(JSON.stringify(text(length)));
    for (const queue of [common, own]) {
      await bystander.send(queue, body(4_998), { contentEncoding: 'gzip' });
      await bystander.send(queue, body(4_999), { contentEncoding: 'gzip' });
    }
    const { properties } = await bystander.take(`${common}.parked`);
    expect(properties.headers?.['x-leveret-error-message']).toContain('larger than 5000 bytes');
    await eventually(() => expect(seen.toSorted()).toEqual([4_998, 4_998, 4_999]));
    // What is not compressed is bounded by the client's maxMessageSize alone.
    await bystander.send(common, JSON.stringify(text(10_000)));
    await eventually(() => expect(seen).toContain(10_000));
  });

  test('what is broken, of an unknown encoding, or encoded too often, is parked as unreadable', async () => {
    const queue = broker.unique('broken');
    const { Orders, seen } = recordingConsumer({ queue });
    await startApplication({ url: broker.url }, { providers: [Orders] });
    const whole = zlib.gzipSync(text(10_000));
    const large = zlib.gzipSync(randomBytes(50_000));
    const broken: [string, string | Buffer][] = [
      ['gzip', ''],
      ['gzip', '{}'],
      ['gzip', whole.subarray(0, whole.length - 12)],
      ['gzip', large.subarray(0, large.length - 100)],
      ['deflate', 'secret'],
      ['br', 'secret'],
      ['gzip, br', zlib.brotliCompressSync(Buffer.from('secret'))],
      ['gzip', zlib.gzipSync('secret')],
      ['rot13', '{}'],
      ['rot13, gzip', zlib.gzipSync('{}')],
      ['gzip, gzip, gzip, gzip', zlib.gzipSync(zlib.gzipSync(zlib.gzipSync(zlib.gzipSync('{}'))))],
      ...(hasZstd ? [] : ([['zstd', '{}']] as [string, string][])),
    ];
    for (const [contentEncoding, body] of broken) {
      await bystander.send(queue, body, { contentEncoding });
      const { headers } = (await bystander.take(`${queue}.parked`)).properties;
      expect(headers).toMatchObject({ 'x-leveret-reason': 'unreadable', 'x-leveret-error': UnreadableBodyError.name });
      expect(JSON.stringify(headers)).not.toContain('secret');
    }
    expect(seen).toEqual([]);
  });

  test('AmqpServer reads compressed packets within its limit, and AmqpClient compressed replies', async () => {
    const queue = broker.unique('server');
    await bench.deleteLater(queue, `${queue}.parked`);
    bench.begin();
    const seen: unknown[] = [];
    @Controller()
    class Events {
      @EventPattern('event')
      onEvent(data: unknown): void {
        seen.push(data);
      }
    }
    await bench.serve([Events], { queue, maxDecompressedSize: 100_000 });
    const packet = (length: number): string => JSON.stringify({ pattern: 'event', data: text(length) });
    await bystander.send(queue, zlib.gzipSync(packet(10)), { contentEncoding: 'gzip' });
    await bystander.send(queue, zlib.brotliCompressSync(Buffer.from(packet(90_000))), { contentEncoding: 'br' });
    await eventually(() => expect(seen.toSorted()).toEqual([text(10), text(90_000)].toSorted()));
    await bystander.send(queue, zlib.gzipSync(packet(200_000)), { contentEncoding: 'gzip' });
    expect((await bystander.take(`${queue}.parked`)).properties.headers).toMatchObject({
      'x-leveret-reason': 'unreadable',
      'x-leveret-error': BodyTooLargeError.name,
    });
    // As Nest's own: what names an encoding that nobody knows is tried as it is.
    await bystander.send(queue, packet(3), { contentEncoding: 'base64' });
    await eventually(() => expect(seen).toContain(text(3)));

    const asked = broker.unique('asked-by-client');
    await bystander.channel.queueDeclare(asked, { durable: true });
    const client = bench.client({ queue: asked });
    const reply = client.request('sum', 1);
    const { properties } = await bystander.take(asked);
    const { replyTo = '', correlationId } = properties;
    const body = zlib.gzipSync(JSON.stringify({ response: text(80_000), isDisposed: true }));
    await bystander.channel.publish('', replyTo, body, { correlationId, contentEncoding: 'gzip' });
    expect(await reply).toBe(text(80_000));
  });
});
