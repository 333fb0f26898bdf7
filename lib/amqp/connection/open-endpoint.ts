/** From an endpoint to an open life of a connection: transport first, then the handshake, each within its limit. */
import { ConnectionRefusedError, messageOf, TimeoutError } from '../errors.js';
import { connectTcp, type Transport } from '../transport/index.js';
import { ConnectionLife } from './connection-life.js';
import type { ResolvedEndpoint, ResolvedParameters } from './parameters.js';

export async function openEndpoint(
  endpoint: ResolvedEndpoint,
  parameters: ResolvedParameters,
  signal: AbortSignal,
): Promise<ConnectionLife> {
  const transport = await openTransport(endpoint, parameters, signal);
  return ConnectionLife.open(transport, endpoint, parameters, signal);
}

async function openTransport(
  endpoint: ResolvedEndpoint,
  parameters: ResolvedParameters,
  signal: AbortSignal,
): Promise<Transport> {
  const step = `connecting to ${endpoint.host}:${String(endpoint.port)}`;
  const limit = endpoint.connectTimeout;
  const timeout = new AbortController();
  const timer = setTimeout(() => {
    timeout.abort(new TimeoutError(step, limit));
  }, limit);
  const either = AbortSignal.any([signal, timeout.signal]);
  const target = { host: endpoint.host, port: endpoint.port, tls: endpoint.tls !== false };
  const { transport: factory } = parameters;
  const open = factory
    ? openWith(() => factory(target, either), either)
    : connectTcp(target, either, parameters.tcp, endpoint.tls || {});
  try {
    return await open;
  } catch (error) {
    if (!timeout.signal.aborted) throw error;
    throw new ConnectionRefusedError(`${step}: not open within ${String(limit)} ms`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** A user's own factory may ignore the signal: the wait is bounded all the same, and a late transport is dropped. */
function openWith(factory: () => Promise<Transport>, signal: AbortSignal): Promise<Transport> {
  return new Promise<Transport>((resolve, reject) => {
    const refuse = (cause: unknown): void => {
      reject(new ConnectionRefusedError(`the transport could not be opened: ${messageOf(cause)}`, { cause }));
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
