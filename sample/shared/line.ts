/**
 * A line to a broker that can be cut for all processes of a sample. An embedded broker does it itself; before a real one, which
 * nobody can ask to fail, stands a proxy.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Broker } from './broker.js';

export interface Line {
  /** The broker's URL, by way of the line. */
  readonly url: string;
  /** Cuts every connection, without a goodbye; answers how many there were. */
  cut(): number;
  close(): Promise<void>;
}

export async function openLine(broker: Broker): Promise<Line> {
  if (broker.transport === undefined) {
    return { url: broker.url, cut: () => broker.cutAll(), close: () => Promise.resolve() };
  }
  return openProxy(broker.url);
}

async function openProxy(brokerUrl: string): Promise<Line> {
  const url = new URL(brokerUrl);
  if (url.protocol !== 'amqp:') throw new Error(`AMQP_URL must begin with amqp:, and not ${url.protocol}`);
  const target = { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 5672) };
  const pairs = new Set<readonly Socket[]>();
  const server = createServer((client) => {
    const pair = [client, connect(target)] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    // Whatever happens to one side happens to the other, too.
    for (const socket of pair) socket.setNoDelay().on('error', end).on('close', end);
    pair[0].pipe(pair[1]).pipe(pair[0]);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  const cut = (): number => {
    const count = pairs.size;
    for (const pair of pairs) for (const socket of pair) socket.destroy();
    return count;
  };
  const close = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    cut();
    await closed;
  };
  return { url: url.href, cut, close };
}
