/** A peer that breaks the protocol, is silent, or answers in unusual orders. No broker does this: a scripted peer does. */
import {
  AmqpError,
  AuthenticationError,
  BlockedTimeoutError,
  connect,
  NackError,
  ProtocolMismatchError,
  TimeoutError,
  UnknownOutcomeError,
  UnroutableError,
  type Connection,
  type ConnectionParameters,
} from 'leveret/amqp';
import { politeScript, ScriptedPeer, type Script } from '../../support/scripted-peer.js';
import { pause, rejection, until } from '../../support/waiting.js';

const connections: Connection[] = [];

async function open(script: Script = politeScript, parameters: ConnectionParameters = {}) {
  const { transport, peers } = ScriptedPeer.factory(script);
  const connection = await connect({ transport, recovery: false, closeTimeout: 200, ...parameters });
  connections.push(connection);
  const peer = peers[0];
  if (!peer) throw new Error('no peer was made');
  return { connection, peer, peers };
}

afterEach(async () => {
  await Promise.all(connections.splice(0).map((connection) => connection.close()));
});

function frame(type: number, channel: number, payload: Buffer, end = 0xce): Buffer {
  const head = Buffer.alloc(7);
  head.writeUInt8(type, 0);
  head.writeUInt16BE(channel, 1);
  head.writeUInt32BE(payload.length, 3);
  return Buffer.concat([head, payload, Buffer.from([end])]);
}

const method = (classId: number, methodId: number, ...rest: number[]): Buffer =>
  Buffer.from([classId >> 8, classId & 0xff, methodId >> 8, methodId & 0xff, ...rest]);
const deliver = (channel: number): Buffer =>
  frame(1, channel, method(60, 60, 1, 0x74, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0x6b));
const contentHeader = (channel: number, bodySize: number, classId = 60): Buffer => {
  const payload = Buffer.alloc(14);
  payload.writeUInt16BE(classId, 0);
  payload.writeUInt32BE(Math.floor(bodySize / 2 ** 32), 4);
  payload.writeUInt32BE(bodySize % 2 ** 32, 8);
  return frame(2, channel, payload);
};

describe('malformed frames end the connection with a typed error, at once', () => {
  const sequences: [string, Buffer[]][] = [
    ['an unknown frame type', [frame(5, 0, Buffer.from('x'))]],
    ['a wrong end octet', [frame(1, 0, method(10, 61), 0x00)]],
    ['a wrong end octet of a body', [deliver(1), contentHeader(1, 3), frame(3, 1, Buffer.from('abc'), 1)]],
    ['a method frame without a method', [frame(1, 0, Buffer.from([0, 10]))]],
    ['an unknown class', [frame(1, 1, method(77, 10))]],
    ['an unknown method', [frame(1, 1, method(60, 99))]],
    ['a method for a channel that is not open', [frame(1, 9, method(60, 80))]],
    ['a content header for a channel that is not open', [contentHeader(9, 1)]],
    ['a heartbeat with a payload', [frame(8, 0, Buffer.from('x'))]],
    ['a heartbeat on a channel', [frame(8, 3, Buffer.alloc(0))]],
    ['a content header without its method', [contentHeader(1, 1)]],
    ['a body without its header', [frame(3, 1, Buffer.from('x'))]],
    ['a method in the middle of a message', [deliver(1), frame(1, 1, method(60, 80, 0, 0, 0, 0, 0, 0, 0, 1, 0))]],
    ['two content headers', [deliver(1), contentHeader(1, 4), contentHeader(1, 4)]],
    ['a body that is longer than announced', [deliver(1), contentHeader(1, 2), frame(3, 1, Buffer.from('abc'))]],
    ['a content header of another class', [deliver(1), contentHeader(1, 2, 50)]],
    ['a message over the limit', [deliver(1), contentHeader(1, 2 ** 40)]],
    ['a body beyond 2^53', [deliver(1), contentHeader(1, 2 ** 60)]],
    ['a body frame over frame_max', [deliver(1), contentHeader(1, 1_000_000), frame(3, 1, Buffer.alloc(200_000))]],
    ['a method frame over its cap', [Buffer.from([1, 0, 1, 0x7f, 0xff, 0xff, 0xff])]],
    ['a string that runs over its frame', [frame(1, 1, method(60, 60, 200, 0x74))]],
    ['a table whose length lies', [frame(1, 0, method(10, 10, 0, 9, 0x7f, 0xff, 0xff, 0xff))]],
    ['a method with bytes too many', [frame(1, 0, method(10, 61, 1, 2, 3))]],
    ['connection.start once more', [frame(1, 0, method(10, 10, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))]],
    ['a reply that nobody waits for', [frame(1, 1, method(50, 31, 0, 0, 0, 0))]],
    ['close-ok out of the blue', [frame(1, 1, method(20, 41))]],
    ['a delivery tag beyond 2^53', [frame(1, 1, method(60, 80, 255, 255, 255, 255, 255, 255, 255, 255, 0))]],
  ];

  test.each(sequences)('%s', async (_name, bytes) => {
    const { connection, peer } = await open();
    const channel = await connection.openChannel({ confirm: true });
    await channel.basicConsume('q', () => undefined, { consumerTag: 't' });
    const failed = new Promise<{ cause: Error }>((resolve) => connection.on('failed', resolve));
    for (const chunk of bytes) peer.sendBytes(chunk);
    const { cause } = await failed;
    expect(cause).toBeInstanceOf(AmqpError);
    expect(channel.isOpen).toBe(false);
    await until('the peer is told or cut off', () => {
      return peer.isClosed || peer.heard.some(({ name }) => name === 'connection.close');
    });
  });

  test.each(sequences)('cut into single bytes: %s', async (_name, bytes) => {
    const { connection, peer } = await open();
    const channel = await connection.openChannel({ confirm: true });
    await channel.basicConsume('q', () => undefined, { consumerTag: 't' });
    const failed = new Promise<{ cause: Error }>((resolve) => connection.on('failed', resolve));
    for (const octet of Buffer.concat(bytes).subarray(0, 20_000)) peer.sendBytes(Buffer.from([octet]));
    if (Buffer.concat(bytes).length > 20_000) peer.sendBytes(Buffer.concat(bytes).subarray(20_000));
    expect((await failed).cause).toBeInstanceOf(AmqpError);
  });

  test('half a message never reaches a handler', async () => {
    const { connection, peer } = await open();
    const channel = await connection.openChannel();
    let deliveries = 0;
    await channel.basicConsume('q', () => (deliveries += 1), { consumerTag: 't' });
    peer.sendBytes(deliver(1));
    peer.sendBytes(contentHeader(1, 3));
    peer.sendBytes(frame(3, 1, Buffer.from('abc')).subarray(0, -1));
    await pause(30);
    peer.hangUp();
    await until('the loss is noticed', () => !connection.isOpen);
    expect(deliveries).toBe(0);
  });
});

describe('a peer that misbehaves in the handshake', () => {
  const sayingAt = (step: Method['name'], say: (peer: ScriptedPeer) => void): Script => {
    return (peer, channel, heard) => {
      if (heard.name === step) say(peer);
      else politeScript(peer, channel, heard);
    };
  };
  type Method = Parameters<Script>[2];

  test.each([
    ['connection.start-ok', 'connection.tune'],
    ['connection.open', 'connection.open'],
  ] as const)('silence after %s: an error that names the step', async (step, named) => {
    const error = await rejection(
      open(
        sayingAt(step, () => undefined),
        { handshakeTimeout: 60 },
      ),
    );
    expect(error.message).toContain(named);
    expect(error.cause).toBeInstanceOf(TimeoutError);
  });

  test('another challenge after PLAIN: AuthenticationError', async () => {
    const script = sayingAt('connection.start-ok', (peer) => peer.send(0, 'connection.secure', { challenge: 'what?' }));
    expect(await rejection(open(script))).toBeInstanceOf(AuthenticationError);
  });

  test('another version: ProtocolMismatchError', async () => {
    const { transport } = ScriptedPeer.factory();
    const other: typeof transport = async (endpoint, signal) => {
      const opened = await transport(endpoint, signal);
      return {
        ...opened,
        description: 'old broker',
        isPrivate: true,
        listen: (listener) => {
          queueMicrotask(() => listener.onData(Buffer.from('AMQP\0\0\x08\0')));
        },
        write: () => true,
        pauseReading: () => undefined,
        end: () => undefined,
        destroy: () => undefined,
      };
    };
    expect(await rejection(connect({ transport: other }))).toBeInstanceOf(ProtocolMismatchError);
  });
});

describe('an end at an awkward moment', () => {
  const unheard: unknown[] = [];
  const note = (reason: unknown): void => {
    unheard.push(reason);
  };

  beforeEach(() => {
    unheard.length = 0;
    process.on('unhandledRejection', note);
  });

  afterEach(() => {
    process.off('unhandledRejection', note);
  });

  test('the peer hangs up while the credentials are being fetched: one rejection, and none unheard', async () => {
    const { transport, peers } = ScriptedPeer.factory();
    const connecting = connect({
      transport,
      credentials: async () => {
        peers[0]?.hangUp();
        await pause(20);
        return { username: 'guest', password: 'guest' };
      },
    });
    expect((await rejection(connecting)).message).toContain('lost');
    await pause(20);
    expect(unheard).toEqual([]);
  });

  test.each([
    ['nothing', () => null],
    ['half of it', () => ({ username: 'guest' })],
    ['a rejection', () => Promise.reject(new Error('the vault is sealed'))],
    ['nothing ever', () => new Promise(() => undefined)],
  ])('the credentials function gives %s: a typed error', async (_name, credentials) => {
    const { transport } = ScriptedPeer.factory();
    const error = await rejection(connect({ transport, credentials: credentials as never, handshakeTimeout: 50 }));
    expect(error).toBeInstanceOf(AmqpError);
    await pause(20);
    expect(unheard).toEqual([]);
  });

  test('a second cut between a queue’s new name and its bindings loses neither bindings nor consumers', async () => {
    let names = 0;
    let lives = 0;
    const { transport, peers } = ScriptedPeer.factory((peer, channel, heard) => {
      if (heard.name === 'connection.open') lives += 1;
      if (heard.name === 'queue.declare') {
        names += 1;
        peer.send(channel, 'queue.declare-ok', {
          queue: `amq.gen-${String(names)}`,
          messageCount: 0,
          consumerCount: 0,
        });
      } else if (heard.name === 'queue.bind') {
        if (lives === 2) peer.hangUp();
        else peer.send(channel, 'queue.bind-ok', {});
      } else {
        politeScript(peer, channel, heard);
      }
    });
    const connection = await connect({ transport, recovery: { initialDelay: 1, maxDelay: 2 }, closeTimeout: 200 });
    connections.push(connection);
    const channel = await connection.openChannel();
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    await channel.queueBind(queue, 'amq.fanout');
    const consumer = await channel.basicConsume(queue, () => undefined);
    const recovered = new Promise<ReadonlyMap<string, string>>((resolve) => {
      connection.on('recovered', ({ renamedQueues }) => {
        resolve(renamedQueues);
      });
    });
    peers[0]?.hangUp();
    expect([...(await recovered)]).toEqual([['amq.gen-1', 'amq.gen-3']]);
    expect(consumer.queue).toBe('amq.gen-3');
    const last = peers[2]?.heard ?? [];
    expect(last.find(({ name }) => name === 'queue.bind')?.fields).toMatchObject({ queue: 'amq.gen-3' });
    expect(last.find(({ name }) => name === 'basic.consume')?.fields).toMatchObject({ queue: 'amq.gen-3' });
  });

  test('closing a channel beside its connection ends both as soon as the last confirm is there', async () => {
    const { connection, peer } = await open(politeScript, { closeTimeout: 4_000 });
    const channel = await connection.openChannel({ confirm: true });
    const published = channel.publish('', 'q', 'confirmed late');
    await until('it was sent', () => peer.heard.some(({ name }) => name === 'basic.publish'));
    const since = performance.now();
    const closing = Promise.all([channel.close(), connection.close()]);
    await pause(30);
    peer.send(1, 'basic.ack', { deliveryTag: 1 });
    await Promise.all([published, closing]);
    expect(performance.now() - since).toBeLessThan(2_000);
  });
});

describe('unusual answers', () => {
  test('confirms out of order, multiple, nack, twice and unknown settle the right promises', async () => {
    const { connection, peer } = await open();
    const channel = await connection.openChannel({ confirm: true });
    const outcomes: string[] = [];
    for (let index = 1; index <= 6; index++) {
      channel.publish('', 'q', String(index)).then(
        () => outcomes.push(`${String(index)} confirmed`),
        (error: unknown) => outcomes.push(`${String(index)} ${(error as Error).name}`),
      );
    }
    await until('all were sent', () => peer.heard.filter(({ name }) => name === 'basic.publish').length === 6);
    peer.send(1, 'basic.ack', { deliveryTag: 4 });
    peer.send(1, 'basic.ack', { deliveryTag: 4 });
    peer.send(1, 'basic.nack', { deliveryTag: 2, multiple: true });
    peer.send(1, 'basic.ack', { deliveryTag: 77 });
    await until('three are settled', () => outcomes.length === 3);
    expect(outcomes).toEqual([`4 confirmed`, `1 ${NackError.name}`, `2 ${NackError.name}`]);
    peer.hangUp();
    await until('all are settled', () => outcomes.length === 6);
    expect(outcomes.slice(3)).toEqual([3, 5, 6].map((index) => `${String(index)} ${UnknownOutcomeError.name}`));
  });

  test('a returned message without its ack is unroutable all the same when the connection goes', async () => {
    const script: Script = (peer, channel, heard) => {
      if (heard.name !== 'basic.publish') {
        politeScript(peer, channel, heard);
        return;
      }
      const fields = { replyCode: 312, replyText: 'NO_ROUTE', exchange: '', routingKey: 'q' };
      peer.sendContent(channel, 'basic.return', fields, 'x', { headers: { 'x-leveret-sequence': 1 } });
      peer.hangUp();
    };
    const { connection } = await open(script);
    const channel = await connection.openChannel({ confirm: true });
    const error = await rejection(channel.publish('', 'q', 'x', {}, { mandatory: true }));
    expect(error).toBeInstanceOf(UnroutableError);
  });

  test('a synchronous method without an answer: TimeoutError that names it; a late answer is dropped', async () => {
    const { connection, peer } = await open(politeScript, { methodTimeout: 60 });
    const channel = await connection.openChannel();
    const error = await rejection(channel.queuePurge('q'));
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toMatchObject({ step: 'queue.purge', limit: 60 });
    const second = channel.queueDelete('q');
    peer.send(1, 'queue.purge-ok', { messageCount: 1 });
    peer.send(1, 'queue.delete-ok', { messageCount: 2 });
    expect(await second).toBe(2);
  });

  test('a publish that waits for its confirm longer than its timeout has an unknown outcome', async () => {
    const { connection } = await open();
    const channel = await connection.openChannel({ confirm: true });
    const error = await rejection(channel.publish('', 'q', 'x', {}, { timeout: 40 }));
    expect(error).toBeInstanceOf(UnknownOutcomeError);
    expect(error.cause).toBeInstanceOf(TimeoutError);
  });

  test('channel.flow is answered', async () => {
    const { connection, peer } = await open();
    await connection.openChannel();
    peer.send(1, 'channel.flow', { active: false });
    await until('flow-ok', () => peer.heard.some(({ name }) => name === 'channel.flow-ok'));
    expect(connection.isOpen).toBe(true);
  });

  test('blocked and unblocked are events; publishes wait meanwhile; too long is BlockedTimeoutError', async () => {
    const { connection, peer } = await open(politeScript, { blockedTimeout: 150 });
    const channel = await connection.openChannel({ confirm: true });
    const events: string[] = [];
    connection.on('blocked', ({ reason }) => events.push(`blocked: ${reason}`));
    connection.on('unblocked', () => events.push('unblocked'));
    peer.send(0, 'connection.blocked', { reason: 'low on memory' });
    await until('blocked', () => events.length === 1);
    expect(connection.blockedReason).toBe('low on memory');
    expect(channel.basicPublish('', 'q', 'x')).toBe(false);
    await pause(30);
    expect(peer.heard.some(({ name }) => name === 'basic.publish')).toBe(false);
    peer.send(0, 'connection.unblocked', {});
    await channel.drained();
    await until('the publish went out', () => peer.heard.some(({ name }) => name === 'basic.publish'));
    expect(events).toEqual(['blocked: low on memory', 'unblocked']);
    const failed = new Promise<{ cause: Error }>((resolve) => connection.on('failed', resolve));
    peer.send(0, 'connection.blocked', { reason: 'again' });
    expect((await failed).cause).toBeInstanceOf(BlockedTimeoutError);
  });

  test('close ends in bounded time though the peer never answers', async () => {
    const { connection, peer } = await open((scripted, channel, heard) => {
      if (heard.name !== 'connection.close') politeScript(scripted, channel, heard);
    });
    const since = performance.now();
    await connection.close();
    expect(performance.now() - since).toBeLessThan(1_500);
    await until('the peer is cut off', () => peer.isClosed);
  });

  test('a silent broker is noticed by missing heartbeats', async () => {
    const { connection } = await open((peer, channel, heard) => {
      if (heard.name === 'connection.start-ok') {
        peer.send(0, 'connection.tune', { channelMax: 10, frameMax: 131_072, heartbeat: 1 });
      } else {
        politeScript(peer, channel, heard);
      }
    });
    const since = performance.now();
    const failed = new Promise<{ cause: Error }>((resolve) => connection.on('failed', resolve));
    expect((await failed).cause.name).toBe('HeartbeatTimeoutError');
    expect(performance.now() - since).toBeGreaterThan(900);
    expect(performance.now() - since).toBeLessThan(2_600);
  });
});
