/** A SOCKS5 proxy (RFC 1928), as far as a test needs it: no authentication, CONNECT by name or IPv4 address. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class SocksProxy {
  /** Where it was asked to lead, as `host:port`. */
  readonly asked: string[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server: Server = createServer((socket) => {
    this.#keep(socket);
    this.#serve(socket);
  });

  static async start(): Promise<SocksProxy> {
    const proxy = new SocksProxy();
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends every connection through it. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(client: Socket): void {
    // version, number of methods, methods
    client.once('data', () => {
      client.write(Buffer.from([5, 0]));
      // version, CONNECT, 0, type of address, address, port
      client.once('data', (request: Buffer) => {
        const isName = request[3] === 3;
        const end = isName ? 5 + (request[4] ?? 0) : 8;
        const host = isName ? request.toString('latin1', 5, end) : request.subarray(4, 8).join('.');
        const port = request.readUInt16BE(end);
        this.asked.push(`${host}:${String(port)}`);
        const upstream = connect(port, host, () => {
          client.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
          client.pipe(upstream).pipe(client);
        });
        this.#keep(upstream);
        upstream.once('close', () => client.destroy());
      });
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}
