/**
 * A TCP proxy between clients and a broker that does what networks and careless peers do: it cuts, resets, goes silent,
 * slows down, refuses, changes frames, and speaks up on connections that are not its own.
 *
 * What is asked of it concerns all connections, present and coming; `behave` tells them apart by their number.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { ByteWriter, writeMethod, type MethodInputs, type MethodName } from '../../lib/amqp/protocol/index.js';
import {
  ByteCountdown,
  directions,
  ProxiedConnection,
  type Behaviour,
  type ByteFault,
  type Direction,
  type Flow,
} from './proxied-connection.js';

export { directions } from './proxied-connection.js';
export type { Act, Behaviour, Direction, FrameFault, ProxiedConnection, ProxiedFrame } from './proxied-connection.js';

export interface TcpProxyOptions {
  /** The local address to listen on. Default 127.0.0.1. */
  readonly host?: string;
  /** What is different about the connection of that number, from 1. Default: nothing. */
  readonly behave?: (number: number) => Behaviour | undefined;
}

export class TcpProxy {
  /** As in the options; may be changed at any time, for connections yet to come. */
  behave: (number: number) => Behaviour | undefined;
  readonly #server: Server;
  readonly #target: URL;
  readonly #open = new Set<ProxiedConnection>();
  readonly #flows: Record<Direction, Flow> = { toBroker: 'pass', toClient: 'pass' };
  #countdowns: ByteCountdown[] = [];
  #connections = 0;
  #latest: ProxiedConnection | undefined;

  private constructor(brokerUrl: string, options: TcpProxyOptions) {
    this.#target = new URL(brokerUrl);
    this.behave = options.behave ?? (() => undefined);
    const target = {
      host: this.#target.hostname.replace(/^\[|\]$/g, ''),
      port: Number(this.#target.port || (this.#target.protocol === 'amqps:' ? 5671 : 5672)),
      // An end is passed on as an end, and not as the end of both directions.
      allowHalfOpen: true,
    };
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
      this.#connections += 1;
      const behaviour = this.behave(this.#connections) ?? {};
      if (behaviour.refuse === true) {
        client.on('error', () => undefined).resetAndDestroy();
        return;
      }
      const sockets = { client, broker: connect(target).pause() };
      const connection = new ProxiedConnection(this.#connections, sockets, behaviour, () => this.#countdowns);
      this.#open.add(connection);
      this.#latest = connection;
      client.on('close', () => this.#open.delete(connection));
      for (const direction of directions) {
        connection.setFlow(behaviour.silent === true ? 'swallow' : this.#flows[direction], direction);
      }
    });
  }

  /** To the broker with that URL. */
  static async start(brokerUrl: string, options: TcpProxyOptions = {}): Promise<TcpProxy> {
    const proxy = new TcpProxy(brokerUrl, options);
    proxy.#server.listen(0, options.host ?? '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The broker's URL, by way of the proxy. */
  get url(): string {
    const url = new URL(this.#target);
    url.hostname = (this.#server.address() as AddressInfo).address;
    url.port = String(this.port);
    return url.href;
  }

  /** Connections that came so far, the refused ones among them. */
  get connections(): number {
    return this.#connections;
  }

  /** How many are open. */
  get openConnections(): number {
    return this.#open.size;
  }

  /** The one that came last. */
  get latest(): ProxiedConnection {
    if (!this.#latest) throw new Error('nobody has connected yet');
    return this.#latest;
  }

  /** Ends every connection without a goodbye (FIN); answers how many. */
  cut(): number {
    for (const connection of this.#open) connection.cut();
    return this.#open.size;
  }

  /** Resets every connection (RST). */
  reset(): void {
    for (const connection of [...this.#open]) connection.reset();
  }

  /** A black hole: nothing is read any more, TCP's windows fill, and who goes away is not missed. */
  hold(direction: Direction | 'both' = 'both'): void {
    this.#setFlow('hold', direction);
  }

  /** A silent peer: what comes is read and dropped, which no connection survives. */
  swallow(direction: Direction | 'both' = 'both'): void {
    this.#setFlow('swallow', direction);
  }

  /** Passes everything on again. */
  release(): void {
    this.#setFlow('pass', 'both');
  }

  /** Calls `act` with whoever carries it when so many bytes more were passed on, over all connections. */
  afterBytes(fault: ByteFault): void {
    this.#countdowns = [...this.#countdowns.filter(({ left }) => left >= 0), new ByteCountdown(fault)];
  }

  /** Says something to the broker in every client's name, while they say nothing. */
  sayInItsName<Name extends MethodName>(channel: number, name: Name, fields: MethodInputs[Name]): void {
    const writer = new ByteWriter();
    writeMethod(writer, channel, name, fields, 0);
    const bytes = Buffer.concat(writer.take());
    for (const connection of this.#open) connection.say(bytes);
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const connection of this.#open) connection.destroy();
    await closed;
  }

  #setFlow(flow: Flow, direction: Direction | 'both'): void {
    for (const each of directions) if (direction === 'both' || direction === each) this.#flows[each] = flow;
    for (const connection of this.#open) connection.setFlow(flow, direction);
  }
}
