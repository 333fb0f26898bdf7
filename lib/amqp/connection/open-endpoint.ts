/** From an endpoint to an open life of a connection: transport first, then the handshake, each within its limit. */
import { ConnectionError, ConnectionRefusedError, messageOf, TimeoutError } from '../errors.js';
import type { Transport } from '../transport/index.js';
import { ConnectionLife } from './connection-life.js';
import type { ResolvedEndpoint, ResolvedParameters } from './parameters.js';

export async function openEndpoint(
  endpoint: ResolvedEndpoint,
  parameters: ResolvedParameters,
  signal: AbortSignal,
): Promise<ConnectionLife> {
  const limit = parameters.bringUpTimeout;
  const step = `bringing up ${endpoint.host}:${String(endpoint.port)}`;
  const timeout = new AbortController();
  const timer = setTimeout(() => {
    timeout.abort(new TimeoutError(step, limit));
  }, limit);
  const either = AbortSignal.any([signal, timeout.signal]);
  try {
    const transport = await openTransport(endpoint, parameters, either);
    return await ConnectionLife.open(transport, endpoint, parameters, either);
  } catch (error) {
    if (signal.aborted || !timeout.signal.aborted) throw error;
    throw new ConnectionError(`${step}: not open within ${String(limit)} ms (${messageOf(error)})`, {
      cause: timeout.signal.reason,
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Our own TCP and TLS know their limits; a user's factory has `connectTimeout` for all it does. */
async function openTransport(
  endpoint: ResolvedEndpoint,
  parameters: ResolvedParameters,
  signal: AbortSignal,
): Promise<Transport> {
  const { transport: factory, tlsTimeout } = parameters;
  const { connectTimeout } = endpoint;
  const target = { host: endpoint.host, port: endpoint.port, tls: endpoint.tls !== false };
  if (!factory) {
    return parameters.openSocket(target, signal, parameters.tcp, endpoint.tls || {}, { connectTimeout, tlsTimeout });
  }
  const step = `connecting to ${endpoint.host}:${String(endpoint.port)}`;
  const timeout = new AbortController();
  const timer = setTimeout(() => {
    timeout.abort(new TimeoutError(step, connectTimeout));
  }, connectTimeout);
  const either = AbortSignal.any([signal, timeout.signal]);
  try {
    return await openWith(() => factory(target, either), either);
  } finally {
    clearTimeout(timer);
  }
}

/** A user's own factory may ignore the signal: the wait is bounded all the same, and a late transport is dropped. */
function openWith(factory: () => Promise<Transport>, signal: AbortSignal): Promise<Transport> {
  return new Promise<Transport>((resolve, reject) => {
    const refuse = (cause: unknown): void => {
      // What says more than that it failed stays as it is: `connectTcp` in a factory, over TLS.
      if (cause instanceof ConnectionError) reject(cause);
      else reject(new ConnectionRefusedError(`the transport could not be opened: ${messageOf(cause)}`, { cause }));
    };
    const onAbort = (): void => {
      refuse(signal.reason);
    };
    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    const settle = (then: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      then();
    };
    // A factory that throws instead of rejecting is treated alike.
    Promise.resolve()
      .then(factory)
      .then(
        (transport) => {
          settle(() => {
            if (signal.aborted) transport.destroy();
            else resolve(transport);
          });
        },
        (error: unknown) => {
          settle(() => {
            refuse(error);
          });
        },
      );
  });
}
