/** The first connect of a Nest application: it waits for the broker, within a limit, and can be called off. */
import {
  AmqpError,
  connect,
  ConnectionClosedError,
  TimeoutError,
  type Connection,
  type ConnectionParameters,
} from '../../amqp/index.js';
import { wait } from '../waiting.js';

export interface ConnectingOptions {
  /** Milliseconds over all attempts and endpoints. */
  readonly limit: number;
  readonly signal: AbortSignal;
  /** Called once, when the first attempt failed and others will follow. */
  readonly onWaiting: (cause: Error) => void;
}

/**
 * Connects, trying again until the limit is reached. What another attempt cannot cure (a wrong password, invalid
 * parameters) rejects at once, the rest with the last cause; ConnectionClosedError when it was called off.
 */
export async function connectWithin(parameters: ConnectionParameters, options: ConnectingOptions): Promise<Connection> {
  const { limit, signal, onWaiting } = options;
  const { attempts = Infinity, retryDelay = 1_000, ...once } = parameters;
  const deadline = performance.now() + limit;
  let lastCause: unknown;
  for (let attempt = 1; ; attempt++) {
    try {
      return await unlessOver(connect(once), deadline, limit, signal, lastCause);
    } catch (error) {
      lastCause = error;
      const isHopeless = error instanceof AmqpError && !error.recoverable;
      if (isHopeless || attempt >= attempts || performance.now() + retryDelay >= deadline) throw error;
      if (attempt === 1) onWaiting(error as Error);
      await wait(retryDelay, signal);
      if (signal.aborted) throw new ConnectionClosedError();
    }
  }
}

/** The connection, unless time is up or the signal given before; one that comes too late is closed. */
function unlessOver(
  connecting: Promise<Connection>,
  deadline: number,
  limit: number,
  signal: AbortSignal,
  lastCause: unknown,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const refuse: (reason: unknown) => void = reject;
    let isOver = false;
    const end = (error?: unknown): void => {
      isOver = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      if (error !== undefined) refuse(error);
    };
    const onAbort = (): void => {
      end(new ConnectionClosedError());
    };
    const left = deadline - performance.now();
    const timer = Number.isFinite(left)
      ? setTimeout(() => end(lastCause ?? new TimeoutError('connecting to RabbitMQ', limit)), Math.max(0, left))
      : undefined;
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    connecting.then(
      (connection) => {
        if (isOver) {
          void connection.close();
          return;
        }
        end();
        resolve(connection);
      },
      (error: unknown) => {
        if (!isOver) end(error);
      },
    );
  });
}
