/** TCP and TLS sockets to an endpoint. */
import { connect as connectSocket, isIP, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTlsSocket } from 'node:tls';
import { ConnectionRefusedError, messageOf, TimeoutError, TlsError } from '../errors.js';
import { streamTransport } from './stream.js';
import { withTlsDefaults, type TlsOptions } from './tls-options.js';
import { tlsRefusal } from './tls-refusal.js';
import type { Endpoint, Transport } from './transport.js';

/** What Node lets one set on a TCP socket. (Probe interval, probe count and TCP_USER_TIMEOUT are not among it.) */
export interface TcpOptions {
  /** Send small writes at once (TCP_NODELAY). Default true. */
  noDelay?: boolean;
  /** TCP keep-alive, the delay before the first probe in milliseconds, or false. Default 60 000. */
  keepAlive?: number | false;
  /** IP version: 4, 6, or 0 for both. Default 0. */
  family?: 0 | 4 | 6;
  /** Local address to connect from. Default: the system's choice. */
  localAddress?: string;
  /**
   * Looks the host name up, with the signature of Node's `dns.lookup`; called anew at every attempt. Default
   * `dns.lookup`, which asks the system and caches nothing.
   */
  lookup?: LookupFunction;
}

/** Limits in milliseconds; without one, `signal` alone limits. */
export interface TcpTimeouts {
  /** Looking the name up and opening the TCP connection. */
  connectTimeout?: number;
  /** The TLS handshake. */
  tlsTimeout?: number;
}

/** Bytes that a socket buffers before it asks us to wait: enough for some turns' worth of publishes. */
const streamOptions: object = { writableHighWaterMark: 512 * 1024 };

/** Opens a TCP or TLS connection in some way: what `connectTcp` does, or the same in another thread. */
export type SocketOpener = (
  endpoint: Endpoint,
  signal: AbortSignal,
  tcp: TcpOptions,
  tls: TlsOptions,
  timeouts: TcpTimeouts,
) => Promise<Transport>;

/**
 * Opens a TCP connection, with TLS where the endpoint says so; it never goes on without. Rejects with TlsError for what
 * TLS refuses, with ConnectionRefusedError (cause: TimeoutError, where it took too long) for all else.
 */
export function connectTcp(
  endpoint: Endpoint,
  signal: AbortSignal,
  tcp: TcpOptions = {},
  tls: TlsOptions = {},
  timeouts: TcpTimeouts = {},
): Promise<Transport> {
  const { host, port } = endpoint;
  const description = `${host.includes(':') ? `[${host}]` : host}:${String(port)}`;
  return new Promise<Transport>((resolve, reject) => {
    if (signal.aborted) {
      reject(refusal(description, signal.reason));
      return;
    }
    const socket = openSocket(endpoint, tcp, tls);
    let timer: NodeJS.Timeout | undefined;
    const limitStep = (step: string, limit: number | undefined): void => {
      clearTimeout(timer);
      if (limit === undefined) return;
      timer = setTimeout(() => {
        giveUp(new TimeoutError(`${step} ${description}`, limit));
      }, limit);
    };
    const giveUp = (reason: unknown): void => {
      settle();
      // An error after this point has no one to hear it.
      socket.on('error', () => undefined);
      socket.destroy();
      reject(refusal(description, reason));
    };
    const onAbort = (): void => {
      giveUp(signal.reason);
    };
    const onConnected = (): void => {
      if (endpoint.tls) limitStep('the TLS handshake with', timeouts.tlsTimeout);
      else onOpened();
    };
    const onOpened = (): void => {
      settle();
      const isPrivate = endpoint.tls || isLoopback(socket.remoteAddress);
      const translate = (error: Error): Error => tlsRefusal(error, description) ?? error;
      resolve(streamTransport(socket, { description, isPrivate, ...(endpoint.tls ? { translate } : {}) }));
    };
    const settle = (): void => {
      clearTimeout(timer);
      socket.off('error', giveUp).off('connect', onConnected).off('secureConnect', onOpened);
      signal.removeEventListener('abort', onAbort);
    };
    socket.once('error', giveUp).once('connect', onConnected).once('secureConnect', onOpened);
    signal.addEventListener('abort', onAbort, { once: true });
    limitStep('connecting to', timeouts.connectTimeout);
  });
}

function openSocket({ host, port, tls: isTls }: Endpoint, tcp: TcpOptions, tls: TlsOptions): Socket {
  const { noDelay = true, keepAlive = 60_000, family, localAddress, lookup } = tcp;
  const target = {
    host,
    port,
    ...(family === undefined ? {} : { family }),
    ...(localAddress === undefined ? {} : { localAddress }),
    ...(lookup === undefined ? {} : { lookup }),
  };
  const socket = isTls
    ? connectTlsSocket({ ...(isIP(host) === 0 ? { servername: host } : {}), ...withTlsDefaults(tls), ...target })
    : connectSocket({ ...target, ...streamOptions });
  socket.setNoDelay(noDelay);
  if (keepAlive !== false) socket.setKeepAlive(true, keepAlive);
  return socket;
}

/** True for 127.0.0.0/8 and ::1: what goes there leaves this machine only if someone on it takes it further. */
export function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false;
  return address === '::1' || address.replace(/^::ffff:/, '').startsWith('127.');
}

function refusal(description: string, cause: unknown): ConnectionRefusedError {
  const refused = tlsRefusal(cause, `cannot connect to ${description}`);
  if (refused) return refused;
  // Node's words for a peer that closes between the TCP connection and the end of the TLS handshake.
  if (messageOf(cause).includes('before secure TLS connection was established')) {
    const guess = 'a broker that does not accept the client certificate, or a port that does not speak TLS';
    return new TlsError(`cannot connect to ${description}: TLS: the peer hung up in the TLS handshake (${guess}?)`, {
      cause,
      recoverable: true,
    });
  }
  return new ConnectionRefusedError(`cannot connect to ${description}: ${reasonOf(cause)}`, { cause });
}

/** Node reports several failed addresses as an AggregateError whose own message is empty. */
function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map(messageOf).join(', ');
  return messageOf(cause);
}
