/** Transports of the user's own, each in about ten lines. */
import { once } from 'node:events';
import { connect as connectSocket, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { expect, test } from '@jest/globals';
import { connect, streamTransport, type Connection, type TransportFactory } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { SocksProxy } from '../../support/socks-proxy.js';

/** Through a SOCKS5 proxy, which looks the name up itself. */
function throughSocks(proxyPort: number): TransportFactory {
  return async ({ host, port }, signal) => {
    const socket = connectSocket({ host: '127.0.0.1', port: proxyPort, signal });
    await once(socket, 'connect', { signal });
    socket.write(Buffer.from([5, 1, 0]));
    await once(socket, 'data', { signal });
    socket.write(Buffer.from([5, 1, 0, 3, host.length, ...Buffer.from(host), port >> 8, port & 255]));
    const [reply] = (await once(socket, 'data', { signal })) as [Buffer];
    if (reply[1] !== 0) throw new Error(`the proxy refused: ${String(reply[1])}`);
    return streamTransport(socket, {
      description: `${host}:${String(port)} by proxy`,
      isPrivate: host === 'localhost',
    });
  };
}

/** A stream whose writes become messages of a two-octet length, and whose messages become reads: a WebSocket in small. */
class MessageStream extends Duplex {
  #rest = Buffer.alloc(0);

  constructor(readonly socket: Socket) {
    super();
    socket.on('data', (chunk: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, chunk]);
      for (let size; this.#rest.length >= 2 && this.#rest.length >= (size = this.#rest.readUInt16BE()) + 2;) {
        this.push(this.#rest.subarray(2, size + 2));
        this.#rest = this.#rest.subarray(size + 2);
      }
    });
    socket.on('error', (error) => this.destroy(error)).on('close', () => this.destroy());
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    for (let offset = 0; offset < chunk.length; offset += 60_000) {
      const part = chunk.subarray(offset, offset + 60_000);
      this.socket.write(Buffer.from([part.length >> 8, part.length & 255]));
      this.socket.write(part);
    }
    done();
  }

  override _final(done: () => void): void {
    this.socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.socket.destroy();
    done(error);
  }
}

async function roundTrip(connection: Connection): Promise<boolean> {
  const channel = await connection.openChannel({ confirm: true });
  const { queue } = await channel.queueDeclare('', { exclusive: true });
  const body = Buffer.alloc(400_000, 'hare');
  await channel.publish('', queue, body);
  return (await channel.basicGet(queue))?.body.equals(body) ?? false;
}

describeOnBroker('a transport of one’s own', (broker) => {
  const target = (): number => Number(new URL(broker.url).port);
  let proxy: SocksProxy | undefined;
  let gateway: Server | undefined;
  let connection: Connection | undefined;
  const sockets: Socket[] = [];

  afterEach(async () => {
    await connection?.close();
    await proxy?.stop();
    for (const socket of sockets.splice(0)) socket.destroy();
    gateway?.close();
    connection = proxy = gateway = undefined;
  });

  test('a SOCKS5 proxy, also after a loss', async () => {
    proxy = await SocksProxy.start();
    const transport = throughSocks(proxy.port);
    const url = `amqp://guest:guest@localhost:${String(target())}`;
    connection = await connect(url, { transport, recovery: { initialDelay: 1 } });
    expect(await roundTrip(connection)).toBe(true);
    const recovered = new Promise((resolve) => connection?.on('recovered', resolve));
    proxy.cut();
    await recovered;
    expect(await roundTrip(connection)).toBe(true);
    expect(proxy.asked).toEqual([`localhost:${String(target())}`, `localhost:${String(target())}`]);
  });

  test('a stream of messages, as over a WebSocket', async () => {
    gateway = createServer((socket) => {
      const messages = new MessageStream(socket);
      const upstream = connectSocket(target(), '127.0.0.1');
      sockets.push(socket, upstream);
      upstream.on('error', () => undefined);
      messages.on('error', () => undefined);
      messages.pipe(upstream).pipe(messages);
    });
    gateway.listen(0, '127.0.0.1');
    await once(gateway, 'listening');
    const { port } = gateway.address() as AddressInfo;
    const transport: TransportFactory = async ({ host }, signal) => {
      const socket = connectSocket({ host: '127.0.0.1', port, signal });
      await once(socket, 'connect', { signal });
      return streamTransport(new MessageStream(socket), { description: `${host} by gateway`, isPrivate: true });
    };
    connection = await connect(broker.url, { transport });
    expect(await roundTrip(connection)).toBe(true);
  });
});
