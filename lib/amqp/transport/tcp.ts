/** TCP and TLS sockets to an endpoint. */
import { connect as connectSocket, isIP, type Socket } from 'node:net';
import { connect as connectTlsSocket, type ConnectionOptions as TlsConnectionOptions } from 'node:tls';
import { ConnectionRefusedError, messageOf } from '../errors.js';
import { streamTransport } from './stream.js';
import type { Endpoint, Transport } from './transport.js';

export interface TcpOptions {
  /** Send small writes at once (TCP_NODELAY). Default true. */
  noDelay?: boolean;
  /** TCP keep-alive, the delay before the first probe in milliseconds, or false. Default 60 000. */
  keepAlive?: number | false;
}

/** Bytes that a socket buffers before it asks us to wait: enough for some turns' worth of publishes. */
const streamOptions: object = { writableHighWaterMark: 512 * 1024 };

/** Node's own TLS options (`ca`, `cert`, `key`, `servername`, ...). Verification is on unless switched off here. */
export type TlsOptions = TlsConnectionOptions;

/** Opens a TCP connection, with TLS where the endpoint says so. Rejects with ConnectionRefusedError. */
export function connectTcp(
  endpoint: Endpoint,
  signal: AbortSignal,
  tcp: TcpOptions = {},
  tls: TlsOptions = {},
): Promise<Transport> {
  const { host, port } = endpoint;
  const description = `${host.includes(':') ? `[${host}]` : host}:${String(port)}`;
  return new Promise<Transport>((resolve, reject) => {
    if (signal.aborted) {
      reject(refusal(description, signal.reason));
      return;
    }
    const openedEvent = endpoint.tls ? 'secureConnect' : 'connect';
    const socket: Socket = endpoint.tls
      ? connectTlsSocket({
          host,
          port,
          minVersion: 'TLSv1.2',
          ...(isIP(host) === 0 ? { servername: host } : {}),
          ...tls,
        })
      : connectSocket({ host, port, ...streamOptions });
    socket.setNoDelay(tcp.noDelay ?? true);
    if (tcp.keepAlive !== false) socket.setKeepAlive(true, tcp.keepAlive ?? 60_000);
    const onAbort = (): void => {
      settle();
      // An error after this point has no one to hear it.
      socket.on('error', () => undefined);
      socket.destroy();
      reject(refusal(description, signal.reason));
    };
    const onError = (error: Error): void => {
      settle();
      socket.destroy();
      reject(refusal(description, error));
    };
    const onOpened = (): void => {
      settle();
      resolve(streamTransport(socket, { description, isPrivate: endpoint.tls }));
    };
    const settle = (): void => {
      socket.off('error', onError);
      socket.off(openedEvent, onOpened);
      signal.removeEventListener('abort', onAbort);
    };
    socket.once('error', onError);
    socket.once(openedEvent, onOpened);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

function refusal(description: string, cause: unknown): ConnectionRefusedError {
  return new ConnectionRefusedError(`cannot connect to ${description}: ${reasonOf(cause)}`, { cause });
}

/** Node reports several failed addresses as an AggregateError whose own message is empty. */
function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map(messageOf).join(', ');
  return messageOf(cause);
}
