/**
 * A TCP proxy between a program and its broker, which can do what a network and a careless peer do: cut, and speak up
 * on a connection that is not theirs, so that the broker itself closes it.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { ByteWriter, writeMethod, type MethodInputs, type MethodName } from '../../../lib/amqp/protocol/index.js';

export class Proxy {
  readonly #server: Server;
  readonly #toBroker = new Set<Socket>();
  readonly #url: URL;
  #connections = 0;

  private constructor(brokerUrl: string) {
    this.#url = new URL(brokerUrl);
    const { hostname } = this.#url;
    const port = Number(this.#url.port || 5672);
    this.#server = createServer((client) => {
      this.#connections += 1;
      const broker = connect(port, hostname.replace(/^\[|\]$/g, ''));
      this.#toBroker.add(broker);
      client.pipe(broker).pipe(client);
      const end = (): void => {
        this.#toBroker.delete(broker);
        client.destroy();
        broker.destroy();
      };
      for (const socket of [client, broker]) socket.setNoDelay(true).on('error', end).on('close', end);
    });
  }

  static async start(brokerUrl: string): Promise<Proxy> {
    const proxy = new Proxy(brokerUrl);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** The broker's URL, by way of the proxy. */
  get url(): string {
    const url = new URL(this.#url);
    url.hostname = '127.0.0.1';
    url.port = String((this.#server.address() as AddressInfo).port);
    return url.href;
  }

  /** Connections that came so far. */
  get connections(): number {
    return this.#connections;
  }

  /** Ends every connection without a goodbye. */
  cut(): void {
    for (const socket of this.#toBroker) socket.destroy();
  }

  /** Says something to the broker in the client's name, while the client says nothing. */
  sayInItsName<Name extends MethodName>(channel: number, name: Name, fields: MethodInputs[Name]): void {
    const writer = new ByteWriter();
    writeMethod(writer, channel, name, fields, 0);
    for (const socket of this.#toBroker) for (const bytes of writer.take()) socket.write(bytes);
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
