/**
 * Scenario 39 aimed at brokers: what no client should send ends the connection that sent it, with RabbitMQ's code, and
 * no other. On RabbitMQ itself, which shows what the codes are, and on the embedded broker, as each version.
 */
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { connect } from 'leveret/amqp';
import { EmbeddedBroker } from 'leveret/broker';
import { protocolHeader } from '../../../lib/amqp/protocol/index.js';
import { streamTransport } from '../../../lib/amqp/transport/index.js';
import { askVersion } from '../../../scripts/rabbitmq-node.mjs';
import { describeOnRabbitmq } from '../../support/brokers.js';
import { pause, until } from '../../support/waiting.js';
import {
  frame,
  header,
  headersWith,
  hostileCases,
  method,
  nestedTables,
  publish,
  type Moment,
} from './hostile-bytes.js';
import { RawClient } from './raw-client.js';

/** A code: connection.close with it. `channel` and a code: channel.close. `ends`: without a word. `goes on`: it lives. */
type Verdict = string;

/** Where RabbitMQ does otherwise, and we do not follow. */
const rabbitVerdicts: Readonly<Record<string, readonly Verdict[]>> = {
  // Its reader crashes, and takes the connection with it; a code is kinder.
  'a method of an unknown class': ['ends'],
  'an unknown method': ['ends'],
  'a field name whose length lies': ['ends'],
  'a field of an unknown type': ['ends'],
  'a long string whose length lies': ['ends'],
  'a nested table whose length lies': ['ends'],
  'a table that ends in the middle of a field': ['ends'],
  // It has no limit on depth; ours is 64, as the client's.
  'client properties a thousand deep': ['ends', 'goes on'],
  'arguments a thousand tables deep': ['goes on'],
  'arguments a thousand lists deep': ['goes on'],
  'headers a thousand tables deep': ['goes on'],
  // 3.10 waits for all of it, or takes more than was announced.
  'a body of 2^63 bytes': ['501', 'goes on'],
  'a body over the greatest message size': ['501', 'goes on'],
  'more body than announced': ['501', 'goes on'],
  // The parser that we share with the client finds these before it is known what they are.
  'a content header without flags': ['541'],
  'property flags that go on': ['goes on'],
  'an ack of the greatest tag': ['channel 406'],
  // 3.10 speaks it.
  'AMQP 0-8': ['ends', 'goes on'],
};

async function connected(url: string): Promise<RawClient> {
  const { hostname, port } = new URL(url);
  const socket = connectSocket({ host: hostname, port: Number(port === '' ? 5672 : port) });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return new RawClient(streamTransport(socket, { description: 'hostile' }));
}

async function reach(client: RawClient, moment: Moment): Promise<void> {
  if (moment === 'header') return;
  client.write(protocolHeader);
  await client.next('connection.start');
  if (moment === 'start') return;
  client.send(0, 'connection.start-ok', { mechanism: 'PLAIN', response: '\0guest\0guest', locale: 'en_US' });
  await client.next('connection.tune');
  if (moment === 'tune') return;
  client.send(0, 'connection.tune-ok', { channelMax: 10, frameMax: 131_072, heartbeat: 0 });
  client.send(0, 'connection.open', { virtualHost: '/' });
  await client.next('connection.open-ok');
  client.send(1, 'channel.open', {});
  await client.next('channel.open-ok');
}

/** What becomes of a connection on which these bytes are sent, so many milliseconds afterwards at the latest. */
async function verdict(url: string, moment: Moment, bytes: Buffer, limit: number): Promise<Verdict> {
  const client = await connected(url);
  await reach(client, moment);
  client.write(bytes);
  const deadline = performance.now() + limit;
  try {
    while (performance.now() < deadline) {
      const closing = client.received.find(({ name }) => name === 'connection.close' || name === 'channel.close');
      if (closing?.name === 'connection.close') return String(closing.fields.replyCode);
      if (closing?.name === 'channel.close') return `channel ${String(closing.fields.replyCode)}`;
      if (client.isClosed) return 'ends';
      await pause(10);
    }
    return 'goes on';
  } finally {
    client.transport.destroy();
  }
}

/** All at once: they have nothing to do with each other. */
async function verdicts(url: string, moment: Moment, limit: number): Promise<Record<string, Verdict>> {
  const chosen = hostileCases.filter((one) => one.moment === moment);
  return Object.fromEntries(
    await Promise.all(chosen.map(async ({ what, bytes }) => [what, await verdict(url, moment, bytes, limit)] as const)),
  );
}

function expected(moment: Moment): Record<string, Verdict> {
  return Object.fromEntries(
    hostileCases.filter((one) => one.moment === moment).map(({ what, verdict: said }) => [what, said]),
  );
}

const moments: readonly Moment[] = ['header', 'start', 'tune', 'open'];

/** A protocol header in hex, and the answer of each version; AMQP 1.0 is spoken by no version of ours. */
const headers: readonly { what: string; bytes: string; answer: Readonly<Record<'3.10' | '4.3', string>> }[] = [
  { what: '0-9, the old one', bytes: '01010009', answer: { '3.10': 'connection.start', '4.3': 'connection.start' } },
  { what: '0-9 of revision 0', bytes: '00000900', answer: { '3.10': '00000901', '4.3': '00000901' } },
  { what: '0-8 of a later draft', bytes: '00000800', answer: { '3.10': '00000901', '4.3': '03010000' } },
];

async function answersToHeaders(url: string, version: '3.10' | '4.3'): Promise<void> {
  for (const { what, bytes, answer } of headers) {
    const { hostname, port } = new URL(url);
    const socket = connectSocket({ host: hostname, port: Number(port) });
    socket.write(Buffer.concat([Buffer.from('AMQP'), Buffer.from(bytes, 'hex')]));
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    socket.on('error', () => undefined).destroy();
    const isFrame = chunk[0] === 1;
    expect({ what, said: isFrame ? 'connection.start' : chunk.toString('hex', 4, 8) }).toEqual({
      what,
      said: answer[version],
    });
  }
}

describeOnRabbitmq('bytes that no client should send', (broker) => {
  it.each(moments)(
    'scenario 39: at "%s": what RabbitMQ makes of them',
    async (moment) => {
      // Before connection.open it lets who is wrong wait for 3 s.
      const seen = await verdicts(broker.url, moment, moment === 'open' ? 2_000 : 8_000);
      for (const [what, said] of Object.entries(expected(moment))) {
        expect({ what, allowed: rabbitVerdicts[what] ?? [said] }).toEqual({
          what,
          allowed: expect.arrayContaining([seen[what]]) as unknown,
        });
      }
    },
    20_000,
  );

  it('headers of other versions are answered', async () => {
    const { hostname, port } = new URL(broker.url);
    const version = await askVersion(hostname, Number(port));
    await answersToHeaders(broker.url, version.startsWith('3.') ? '3.10' : '4.3');
  });
});

describe.each(['3.10', '4.3'] as const)('bytes that no client should send, as %s', (emulate) => {
  let broker: EmbeddedBroker;

  beforeAll(async () => {
    broker = await EmbeddedBroker.start({ port: 0, emulate });
  });

  afterAll(async () => {
    await broker.stop();
  });

  it.each(moments)('scenario 39: at "%s": that connection ends within 2 s, with the code', async (moment) => {
    const other = await connect(broker.url);
    const channel = await other.openChannel({ confirm: true });
    await channel.queueDeclare('bystander');
    expect(await verdicts(broker.url, moment, moment === 'open' ? 1_000 : 2_000)).toEqual(expected(moment));
    await channel.publish('', 'bystander', 'x');
    await channel.queueDelete('bystander');
    await other.close();
    await until('nothing is left of them', () => broker.inspect.connections().length === 0);
  });

  it('headers of other versions are answered', async () => {
    await answersToHeaders(broker.url, emulate);
  });

  it('what comes after a close is not done, and neither is what comes on a channel after its own', async () => {
    const client = await connected(broker.url);
    await reach(client, 'open');
    const close = { replyCode: 200, replyText: '', classId: 0, methodId: 0 };
    client.write(
      Buffer.concat([
        method(1, 'channel.close', close),
        method(0, 'connection.close', close),
        method(1, 'queue.declare', { queue: 'after the close' }),
        frame(9, 9, Buffer.alloc(9), 9),
      ]),
    );
    await client.next('connection.close-ok');
    await client.closed();
    expect(broker.inspect.queue('after the close')).toBeUndefined();
  });
});

describe('what is held for hostile clients is bounded', () => {
  let broker: EmbeddedBroker;

  beforeEach(async () => {
    broker = await EmbeddedBroker.start({ port: 0, handshakeTimeout: 1_500, memoryLimit: 8 * 1024 * 1024 });
  });

  afterEach(async () => {
    await broker.stop();
  });

  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;

  /** Bytes in use, buffers too. */
  function inUse(): number {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  }

  it('a thousand connections that never finish the handshake: little each, gone in time, and others are served', async () => {
    const before = inUse();
    const clients = await Promise.all(Array.from({ length: 1_000 }, () => connected(broker.url)));
    // Half of them say a part of the header, the others what comes after it, and no more.
    clients.forEach((client, index) => {
      client.write(index % 2 === 0 ? protocolHeader.subarray(0, 5) : protocolHeader);
    });
    await until('the half is answered', () => clients.filter(({ received }) => received.length > 0).length === 500);
    // Both sides of each live in this process: sockets, parsers and buffers, 64 KiB and more of them the client's here.
    expect((inUse() - before) / 1_000).toBeLessThan(100 * 1024);
    const served = await connect(broker.url);
    await served.close();
    await until('they are hung up on', () => clients.every(({ isClosed }) => isClosed), 6_000);
  }, 20_000);

  it('publishers that never read their returns: what waits for them is bounded, and the broker reads no more', async () => {
    const client = await connected(broker.url);
    await reach(client, 'open');
    client.transport.pauseReading(true);
    const body = Buffer.alloc(100_000);
    const unit = Buffer.concat([
      method(1, 'basic.publish', { exchange: '', routingKey: 'nobody', mandatory: true }),
      header(body.length),
      frame(3, 1, body),
    ]);
    const before = inUse();
    let sent = 0;
    for (let idle = 0; idle < 20;) {
      if (client.transport.write([unit])) {
        sent += unit.length;
        idle = 0;
      } else {
        idle += 1;
        await pause(20);
      }
      if (sent > 200 * 1024 * 1024) throw new Error('the broker reads for ever');
    }
    expect(inUse() - before).toBeLessThan(40 * 1024 * 1024);
    client.transport.destroy();
  }, 30_000);

  it('bodies that are announced and never come, on every channel, cost what has come', async () => {
    const before = inUse();
    const clients = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const client = await connected(broker.url);
        await reach(client, 'open');
        client.write(Buffer.concat([publish, header(16 * 1024 * 1024), frame(3, 1, Buffer.from('x'))]));
        return client;
      }),
    );
    await pause(100);
    expect(inUse() - before).toBeLessThan(20 * 1024 * 1024);
    for (const { transport } of clients) transport.destroy();
  });

  it('body frames of no bytes for ever cost nothing, and the message is whole at its end', async () => {
    const client = await connected(broker.url);
    await reach(client, 'open');
    client.send(1, 'queue.declare', { queue: 'q' });
    await client.next('queue.declare-ok');
    const empty = frame(3, 1, Buffer.alloc(0));
    const before = inUse();
    client.write(method(1, 'basic.publish', { exchange: '', routingKey: 'q' }));
    client.write(header(200_000));
    for (let round = 0; round < 20; round++) {
      client.write(Buffer.concat(Array.from({ length: 1_000 }, () => empty)));
      await pause(5);
    }
    expect(inUse() - before).toBeLessThan(10 * 1024 * 1024);
    client.write(Buffer.concat([frame(3, 1, Buffer.alloc(100_000)), frame(3, 1, Buffer.alloc(100_000))]));
    await until('it is whole', () => broker.inspect.messages('q').length === 1);
    client.transport.destroy();
  });

  it('tables 60 deep are taken, in arguments and in headers', async () => {
    const client = await connected(broker.url);
    await reach(client, 'open');
    client.write(headersWith(nestedTables(60)));
    client.send(1, 'queue.declare', { queue: 'q' });
    await client.next('queue.declare-ok');
    client.transport.destroy();
  });
});
