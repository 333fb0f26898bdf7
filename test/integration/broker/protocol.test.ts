/** What the embedded broker answers to clients that break the protocol, and to what few clients use; in memory. */
import fc from 'fast-check';
import { ByteWriter, writeContent } from '../../../lib/amqp/protocol/index.js';
import { EmbeddedBroker } from '../../../lib/broker/index.js';
import { RawClient } from './raw-client.js';

let broker: EmbeddedBroker;
let client: RawClient;

async function connected(): Promise<RawClient> {
  const endpoint = { host: 'memory', port: 0, tls: false };
  return new RawClient(await broker.memory()(endpoint, new AbortController().signal));
}

beforeEach(async () => {
  broker = await EmbeddedBroker.start();
  client = await (await connected()).open();
});

afterEach(async () => {
  await broker.stop();
});

describe('in memory', () => {
  it('serves a client, and refuses one after stop', async () => {
    client.send(1, 'queue.declare', { queue: 'q' });
    expect((await client.next('queue.declare-ok')).fields).toEqual({ queue: 'q', messageCount: 0, consumerCount: 0 });
    await broker.stop();
    await client.closed();
    await expect(connected()).rejects.toThrow('stopped');
  });

  it('starts in good time', async () => {
    const start = performance.now();
    await (await EmbeddedBroker.start({ port: 0 })).stop();
    expect(performance.now() - start).toBeLessThan(250);
  });
});

describe('a client that breaks the protocol', () => {
  it('with another version gets the header of ours, and no more', async () => {
    const other = await connected();
    const chunks: Buffer[] = [];
    other.transport.listen({
      onData: (chunk) => chunks.push(chunk),
      onDrain: () => {},
      onClose: () => {
        other.isClosed = true;
      },
    });
    other.write(Buffer.from('AMQP\x00\x01\x00\x00'));
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(Buffer.concat(chunks).toString('latin1')).toBe('AMQP\x00\x00\x09\x01');
  });

  it.each<[string, number, string, (on: RawClient) => void]>([
    [
      'using a channel that is not open',
      504,
      "CHANNEL_ERROR - expected 'channel.open'",
      (on) => {
        on.send(7, 'queue.declare', { queue: 'q' });
      },
    ],
    [
      'opening a channel twice',
      504,
      "CHANNEL_ERROR - second 'channel.open' seen",
      (on) => {
        on.send(1, 'channel.open', {});
      },
    ],
    [
      'sending a method into a content',
      505,
      'UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead',
      (on) => {
        on.send(1, 'basic.publish', { exchange: '', routingKey: '' });
        on.send(1, 'queue.declare', { queue: 'q' });
      },
    ],
    [
      'sending a body out of nowhere',
      505,
      'UNEXPECTED_FRAME - expected method frame, got non method frame instead',
      (on) => {
        on.write(Buffer.from([3, 0, 1, 0, 0, 0, 1, 65, 0xce]));
      },
    ],
    [
      'sending what only a broker sends',
      503,
      'COMMAND_INVALID - unimplemented method',
      (on) => {
        on.send(1, 'queue.declare-ok', { queue: '', messageCount: 0, consumerCount: 0 });
      },
    ],
    [
      'ending a frame wrongly',
      501,
      'FRAME_ERROR - a frame ends with 0xcc, not 0xce',
      (on) => {
        on.write(Buffer.from([8, 0, 0, 0, 0, 0, 0, 0xcc]));
      },
    ],
    [
      'exceeding frame_max',
      501,
      'FRAME_ERROR - a body frame of 200008 bytes exceeds the negotiated frame_max 131072',
      (on) => {
        on.write(Buffer.from([3, 0, 1, 0, 3, 0x0d, 0x40]));
      },
    ],
    [
      'asking to stop the flow',
      540,
      'NOT_IMPLEMENTED - active=false',
      (on) => {
        on.send(1, 'channel.flow', { active: false });
      },
    ],
  ])('by %s is told %d', async (_what, code, text, act) => {
    act(client);
    expect((await client.next('connection.close')).fields).toMatchObject({ replyCode: code, replyText: text });
    client.send(0, 'connection.close-ok', {});
    await client.closed();
  });

  it('is ignored on a channel that the broker closed, until it agrees', async () => {
    client.send(1, 'queue.declare', { queue: 'none', passive: true });
    client.publish('q', 'lost');
    client.send(1, 'queue.declare', { queue: 'lost' });
    await client.next('channel.close');
    client.send(1, 'channel.close-ok', {});
    client.send(1, 'channel.open', {});
    await client.next('channel.open-ok');
    expect(broker.inspect.queue('lost')).toBeUndefined();
  });

  it('with whatever bytes never harms the others', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, isOpen) => {
        const hostile = await connected();
        if (isOpen) await hostile.open();
        hostile.write(bytes);
        await new Promise((resolve) => setImmediate(resolve));
        hostile.transport.destroy();
      }),
      { numRuns: 100 },
    );
    client.send(1, 'queue.declare', { queue: 'alive' });
    await client.next('queue.declare-ok');
  });
});

describe('frames cut anywhere', () => {
  it('carry the same messages', async () => {
    const sizes = [0, 1, 100, 8_192, 8_193, 70_000, 131_064, 131_065, 400_000];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { maxLength: 12 }), async (positions) => {
        client.send(1, 'queue.declare', { queue: 'cut' });
        await client.next('queue.declare-ok');
        const writer = new ByteWriter();
        for (const size of sizes) {
          const fields = { exchange: '', routingKey: 'cut' };
          writeContent(writer, 1, 'basic.publish', fields, {}, Buffer.alloc(size, 'x'), 131_072);
        }
        const bytes = Buffer.concat(writer.take());
        // Before the end octet of the last frame: the piece that completes the body does not complete the frame.
        const cuts = [...positions.map((position) => position % bytes.length), bytes.length - 1];
        cuts.sort((left, right) => left - right);
        for (const [index, start] of [0, ...cuts].entries()) client.write(bytes.subarray(start, cuts[index]));
        client.send(1, 'queue.declare', { queue: 'cut' });
        expect((await client.next('queue.declare-ok')).fields.messageCount).toBe(sizes.length);
        expect(broker.inspect.messages('cut').map(({ body }) => body.length)).toEqual(sizes);
        client.send(1, 'queue.purge', { queue: 'cut' });
        await client.next('queue.purge-ok');
      }),
      { numRuns: 30 },
    );
  });
});

describe('transactions', () => {
  it('publish and settle at commit, and forget at rollback', async () => {
    client.send(1, 'queue.declare', { queue: 'q' });
    client.send(1, 'tx.select', {});
    await client.next('tx.select-ok');
    client.publish('q', 'one');
    client.send(1, 'queue.declare', { queue: 'q' });
    expect((await client.next('queue.declare-ok')).fields.messageCount).toBe(0);
    client.send(1, 'tx.rollback', {});
    client.publish('q', 'two');
    client.send(1, 'tx.commit', {});
    await client.next('tx.commit-ok');
    client.send(1, 'basic.get', { queue: 'q' });
    expect((await client.next('basic.get-ok')).fields.messageCount).toBe(0);
    client.send(1, 'basic.ack', { deliveryTag: 1 });
    client.send(1, 'tx.rollback', {});
    await client.next('tx.rollback-ok');
    expect(broker.inspect.queue('q')).toMatchObject({ messageCount: 0, unackedCount: 1 });
    client.send(1, 'basic.ack', { deliveryTag: 1 });
    client.send(1, 'tx.commit', {});
    await client.next('tx.commit-ok');
    expect(broker.inspect.queue('q')).toMatchObject({ messageCount: 0, unackedCount: 0 });
  });
});

describe('a consumer that does not read', () => {
  it('is not fed without bound', async () => {
    const count = 400;
    client.send(1, 'queue.declare', { queue: 'q' });
    for (let index = 0; index < count; index++) client.publish('q', 'x'.repeat(100_000));
    client.send(1, 'queue.purge', { queue: 'none' });
    await client.next('channel.close');
    expect(broker.inspect.queue('q')?.messageCount).toBe(count);
    const slow = await (await connected()).open();
    slow.transport.pauseReading(true);
    slow.send(1, 'basic.consume', { queue: 'q', consumerTag: 'slow', noAck: true });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(broker.inspect.queue('q')?.messageCount).toBeGreaterThan(count / 2);
    slow.transport.pauseReading(false);
    while ((broker.inspect.queue('q')?.messageCount ?? 0) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });
});

describe('faults', () => {
  it('delay confirms, or lose them', async () => {
    client.send(1, 'queue.declare', { queue: 'q' });
    client.send(1, 'confirm.select', {});
    await client.next('confirm.select-ok');
    broker.faults.delayConfirms(Infinity);
    client.publish('q', 'unconfirmed');
    await new Promise((resolve) => setTimeout(resolve, 20));
    broker.faults.delayConfirms(30);
    const start = performance.now();
    client.publish('q', 'late');
    expect((await client.next('basic.ack')).fields).toEqual({ deliveryTag: 2, multiple: false });
    expect(performance.now() - start).toBeGreaterThan(25);
  });

  it('cancel consumers, close channels and connections, refuse logins', async () => {
    client.send(1, 'queue.declare', { queue: 'q' });
    client.send(1, 'basic.consume', { queue: 'q', consumerTag: 'c' });
    await client.next('basic.consume-ok');
    expect(broker.faults.cancelConsumers('q')).toBe(1);
    expect(broker.inspect.queue('q')?.consumerCount).toBe(0);
    expect(broker.faults.closeChannels()).toBe(1);
    expect((await client.next('channel.close')).fields.replyCode).toBe(541);
    expect(broker.faults.closeAll('maintenance')).toBe(1);
    expect((await client.next('connection.close')).fields).toMatchObject({
      replyCode: 320,
      replyText: 'CONNECTION_FORCED - maintenance',
    });
    broker.faults.refuseLogins();
    await expect((await connected()).open()).rejects.toThrow('closed before connection.tune');
  });
});
