/** The proxy that the fault tests rely on, between two plain sockets: each thing it can do, and that it does it exactly. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { ByteWriter, writeMethod } from '../../../lib/amqp/protocol/index.js';
import { TcpProxy, type Behaviour } from '../../support/tcp-proxy.js';
import { pause, until } from '../../support/waiting.js';

/** A socket that keeps what it was sent, and how it ended. */
class Side {
  readonly socket: Socket;
  readonly #chunks: Buffer[] = [];
  length = 0;
  ended: string | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.length += chunk.length;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.ended = error.code;
    });
    socket.on('close', () => {
      this.ended ??= 'FIN';
    });
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

const frame = (queue: string): Buffer => {
  const writer = new ByteWriter();
  writeMethod(writer, 1, 'queue.declare', { queue }, 0);
  return Buffer.concat(writer.take());
};

describe('the TCP proxy', () => {
  let server: Server;
  let proxy: TcpProxy;
  let brokerSides: Side[];
  const clients: Side[] = [];

  beforeEach(async () => {
    brokerSides = [];
    server = createServer((socket) => brokerSides.push(new Side(socket))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    proxy = await TcpProxy.start(`amqp://127.0.0.1:${String((server.address() as AddressInfo).port)}`);
  });

  afterEach(async () => {
    await proxy.stop();
    for (const { socket } of clients.splice(0)) socket.destroy();
    for (const { socket } of brokerSides) socket.destroy();
    server.close();
    await once(server, 'close');
  });

  /** A client, and what its connection has at the broker's end. */
  async function open(behaviour: Behaviour = {}): Promise<{ client: Side; broker: Side }> {
    proxy.behave = () => behaviour;
    const count = brokerSides.length;
    const client = new Side(connect(proxy.port, '127.0.0.1'));
    clients.push(client);
    await until('the broker has it', () => brokerSides.length > count);
    const broker = brokerSides[count];
    if (!broker) throw new Error('there is no such side');
    return { client, broker };
  }

  test('passes bytes on both ways, passes ends on, and counts', async () => {
    const { client, broker } = await open();
    client.socket.write('hello');
    await until('it came', () => broker.received.toString() === 'hello');
    broker.socket.write('hi');
    await until('it came', () => client.received.toString() === 'hi');
    expect(proxy.latest.passed).toEqual({ toBroker: 5, toClient: 2 });
    expect([proxy.connections, proxy.openConnections]).toEqual([1, 1]);
    client.socket.end();
    await until('both ends ended', () => broker.ended === 'FIN' && client.ended === 'FIN');
    expect([proxy.connections, proxy.openConnections]).toEqual([1, 0]);
  });

  test('cuts after exactly so many bytes, and what was passed on arrives', async () => {
    const { client, broker } = await open({
      afterBytes: { direction: 'toBroker', bytes: 7, act: (connection) => connection.cut() },
    });
    for (const piece of ['abc', 'def', 'ghi', 'jkl']) client.socket.write(piece);
    await until('both ended', () => broker.ended !== undefined && client.ended !== undefined);
    expect(broker.received.toString()).toBe('abcdefg');
  });

  test('counts bytes over all connections, too', async () => {
    const [one, two] = [await open(), await open()];
    const acts: number[] = [];
    proxy.afterBytes({ direction: 'toBroker', bytes: 6, act: ({ number }) => acts.push(number) });
    one.client.socket.write('abcd');
    await until('it came', () => one.broker.length === 4);
    expect(acts).toEqual([]);
    two.client.socket.write('efgh');
    await until('it came', () => two.broker.length === 4);
    expect(acts).toEqual([2]);
  });

  test('resets', async () => {
    const { client, broker } = await open();
    proxy.reset();
    await until('both know', () => client.ended === 'ECONNRESET' && broker.ended === 'ECONNRESET');
  });

  test('refuses', async () => {
    proxy.behave = () => ({ refuse: true });
    const client = new Side(connect(proxy.port, '127.0.0.1'));
    await until('it was refused', () => client.ended === 'ECONNRESET');
    expect([proxy.connections, proxy.openConnections, brokerSides.length]).toEqual([1, 0, 0]);
  });

  test('holds one direction, until the window is full, and loses nothing of it', async () => {
    const { client, broker } = await open();
    proxy.hold('toBroker');
    broker.socket.write('still there');
    await until('the other way is open', () => client.received.toString() === 'still there');
    const block = Buffer.alloc(32 * 1024 * 1024, 'x');
    client.socket.write(block);
    await pause(50);
    expect(broker.length).toBe(0);
    expect(client.socket.writableLength).toBeGreaterThan(0);
    proxy.release();
    await until('all came', () => broker.length === block.length);
  });

  test('swallows, and passes an end on all the same', async () => {
    const { client, broker } = await open();
    proxy.swallow();
    client.socket.end('for nobody');
    await until('the end came', () => broker.ended === 'FIN');
    expect(broker.length).toBe(0);
  });

  test('is late by the latency, and keeps the order', async () => {
    const { client, broker } = await open({ latency: 60 });
    const since = performance.now();
    for (const piece of ['a', 'b', 'c']) client.socket.write(piece);
    await until('all came', () => broker.received.toString() === 'abc');
    // Timers of Node may be a millisecond early.
    expect(performance.now() - since).toBeGreaterThan(58);
  });

  test.each([
    ['before', ['one', 'two']],
    ['after', ['one', 'two', 'three']],
  ] as const)('acts %s a method of its choice', async (when, expected) => {
    const { client, broker } = await open({
      atFrame: {
        direction: 'toBroker',
        name: 'queue.declare',
        occurrence: 3,
        when,
        act: (connection) => connection.cut(),
      },
    });
    const bytes = Buffer.concat(['one', 'two', 'three', 'four'].map(frame));
    for (let start = 0; start < bytes.length; start += 5) client.socket.write(bytes.subarray(start, start + 5));
    await until('it ended', () => broker.ended !== undefined);
    expect(broker.received.equals(Buffer.concat(expected.map(frame)))).toBe(true);
  });

  test('changes frames, leaves them out, and speaks in the name of its clients', async () => {
    const { client, broker } = await open({
      onFrame: ({ direction, occurrence, bytes }) => {
        if (direction === 'toClient') return bytes;
        return occurrence === 1 ? frame('another') : undefined;
      },
    });
    client.socket.write(Buffer.concat([frame('one'), frame('two')]));
    await until('one came', () => broker.length > 0);
    proxy.sayInItsName(1, 'queue.declare', { queue: 'forged' });
    await until('two came', () => broker.received.equals(Buffer.concat([frame('another'), frame('forged')])));
  });
});
