/**
 * A server, with TLS or without, that keeps every byte it was sent (with TLS: after decryption), and either answers
 * nothing or hands all to a broker. For looking at what a client gave away.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';

export interface RecordingServerOptions {
  /** With TLS, by these options. */
  tls?: TlsOptions;
  /** Port of a broker on this machine that all bytes go to. Default: nobody answers. */
  broker?: number;
  /** Instead of an answer by a broker. */
  onSocket?: (socket: Socket) => void;
}

export class RecordingServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #received: Buffer[] = [];
  /** Connections that were made (with TLS: before any handshake). */
  connections = 0;

  private constructor(options: RecordingServerOptions) {
    const onSocket = (socket: Socket): void => {
      this.#keep(socket);
      socket.on('data', (chunk: Buffer) => this.#received.push(chunk));
      options.onSocket?.(socket);
      if (options.broker === undefined) return;
      const upstream = connect(options.broker, '127.0.0.1');
      this.#keep(upstream);
      socket.pipe(upstream).pipe(socket);
    };
    this.#server = options.tls ? createTlsServer(options.tls, onSocket) : createServer(onSocket);
    this.#server.on('connection', (socket) => {
      this.connections += 1;
      this.#keep(socket);
    });
  }

  static async start(options: RecordingServerOptions = {}): Promise<RecordingServer> {
    const server = new RecordingServer(options);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get received(): Buffer {
    return Buffer.concat(this.#received);
  }

  /** Connections that are open on our side. */
  get openConnections(): number {
    return [...this.#sockets].filter((socket) => !socket.destroyed && !socket.readableEnded).length;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}
