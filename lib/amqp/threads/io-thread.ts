/**
 * The I/O thread as its user sees it: a transport whose socket, and whose heartbeats, live in a worker thread.
 *
 * One thread for one life of the connection: it starts with the socket and ends with it, so nothing is left to close
 * between two lives, and a thread that crashed or ran out of memory is a lost connection like any other.
 */
import { extname } from 'node:path';
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import type { IoThreadParameters } from '../connection/index.js';
import { ConnectionError, ConnectionRefusedError, messageOf } from '../errors.js';
import type { SocketOpener, Transport, TransportListener } from '../transport/index.js';
import { moduleLocation } from './module-location.js';
import { isRecord, refusalFromWords, type ControlMessage, type SocketOrder } from './port-messages.js';
import { PortTransport } from './port-transport.js';

/** How long a thread whose work is done may take to end by itself, in milliseconds. */
const endLimit = 2_000;

/** As `connectTcp`, in a thread of its own. Rejects with the same errors. */
export function ioThreadOpener(parameters: IoThreadParameters): SocketOpener {
  return (endpoint, signal, tcp, tls, timeouts) => {
    return new Promise<Transport>((resolve, reject) => {
      const where = `${endpoint.host}:${String(endpoint.port)}`;
      const refuse = (reason: unknown): void => {
        reject(new ConnectionRefusedError(`cannot connect to ${where}: ${messageOf(reason)}`, { cause: reason }));
      };
      if (signal.aborted) {
        refuse(signal.reason);
        return;
      }
      let thread: IoThread;
      const settle = (): void => {
        signal.removeEventListener('abort', onAbort);
      };
      const onAbort = (): void => {
        settle();
        thread.destroy();
        refuse(signal.reason);
      };
      const { port1, port2 } = new MessageChannel();
      try {
        const worker = startWorker(parameters, { endpoint, tcp, tls, timeouts }, port2);
        thread = new IoThread(worker, port1, where, {
          onOpened: () => {
            settle();
            resolve(thread);
          },
          onRefused: (message) => {
            settle();
            reject(refusalFromWords(message.error));
          },
          onLost: (error) => {
            settle();
            refuse(new Error(`the I/O thread ended: ${messageOf(error)}`, { cause: error }));
          },
        });
      } catch (error) {
        port1.close();
        if (isArgumentsFault(error)) reject(wrongArguments(error));
        else refuse(error);
        return;
      }
      signal.addEventListener('abort', onAbort, { once: true });
    });
  };
}

function startWorker({ resourceLimits, execArgv }: IoThreadParameters, order: SocketOrder, port: MessagePort): Worker {
  // The worker's file has the extension that this one has: .js in both builds, .ts in the sources.
  const file = new URL(`./io-worker${extname(moduleLocation)}`, moduleLocation);
  const start = (nodeArguments: readonly string[] | undefined): Worker =>
    new Worker(file, {
      name: 'leveret-io',
      workerData: { order, port },
      transferList: [port],
      ...(resourceLimits === undefined ? {} : { resourceLimits }),
      ...(nodeArguments === undefined ? {} : { execArgv: [...nodeArguments] }),
    });
  return execArgv === undefined ? startWithInherited(start) : start(execArgv);
}

/**
 * With the options of the process, which a thread inherits. Only the one about the text of `node --eval` must go: with
 * it Node refuses a file. But Node holds what is given against what a thread may be given, which it does not with what
 * is inherited: options of V8 and of the whole process (`--max-old-space-size`, `--title`) must go then too.
 */
function startWithInherited(start: (nodeArguments?: readonly string[]) => Worker): Worker {
  const inherited = process.execArgv.filter(
    (argument, index, all) => !argument.startsWith('--input-type') && all[index - 1] !== '--input-type',
  );
  if (inherited.length === process.execArgv.length) return start();
  try {
    return start(inherited);
  } catch (error) {
    if (!isArgumentsFault(error)) throw error;
    // "Initiated Worker with invalid execArgv flags: --one, --two=2"
    const refused = new Set(error.message.slice(error.message.indexOf(': ') + 2).split(', '));
    const taken = inherited.filter((argument) => !refused.has(argument));
    try {
      return start(taken);
    } catch (again) {
      if (!isArgumentsFault(again)) throw again;
      return start([]);
    }
  }
}

function isArgumentsFault(error: unknown): error is Error {
  return isRecord(error) && error['code'] === 'ERR_WORKER_INVALID_EXEC_ARGV';
}

/** No network refused anything, and no other attempt will do better. */
function wrongArguments(cause: Error): ConnectionError {
  return new ConnectionError(`ioThread.execArgv: ${cause.message}`, { cause, recoverable: false });
}

interface Opening {
  onOpened(): void;
  onRefused(message: ControlMessage & { kind: 'refused' }): void;
  /** The thread ended before it could say anything. */
  onLost(error: Error): void;
}

class IoThread implements Transport {
  readonly #worker: Worker;
  readonly #port: PortTransport;
  readonly #opening: Opening;
  #state: 'opening' | 'open' | 'closed' = 'opening';
  #listener: TransportListener | undefined;
  #onSilence: (() => void) | undefined;
  /** What the thread crashed with. */
  #failure: Error | undefined;

  constructor(worker: Worker, port: MessagePort, description: string, opening: Opening) {
    this.#worker = worker;
    this.#opening = opening;
    this.#port = new PortTransport(port, {
      description,
      onControl: (message) => {
        this.#hear(message);
      },
    });
    worker.on('error', (error: Error) => {
      this.#failure = error;
    });
    worker.once('exit', (code) => {
      // Not at once: some runtimes tell it inside `terminate()`, while whoever called that is not done.
      setImmediate(() => {
        this.#lose(this.#failure ?? new Error(`the I/O thread ended with code ${String(code)}`));
      });
    });
  }

  get description(): string {
    return this.#port.description;
  }

  get isPrivate(): boolean {
    return this.#port.isPrivate;
  }

  listen(listener: TransportListener): void {
    this.#listener = listener;
    this.#port.listen({
      onData: (chunk) => {
        listener.onData(chunk);
      },
      onDrain: () => {
        listener.onDrain();
      },
      onClose: (error) => {
        // A port that closed without a goodbye is the end of the thread: what ended it comes with its exit.
        if (this.#port.wasClosedByPeer || this.#port.wasDestroyed) this.#close(error);
      },
    });
  }

  write(chunks: readonly Uint8Array[]): boolean {
    return this.#port.write(chunks);
  }

  pauseReading(isPaused: boolean): void {
    this.#port.pauseReading(isPaused);
  }

  startHeartbeat(timeout: number, onSilence: () => void): void {
    this.#onSilence = onSilence;
    this.#port.say({ kind: 'heartbeat', timeout });
  }

  end(): void {
    this.#port.end();
  }

  destroy(): void {
    this.#port.destroy();
    void this.#worker.terminate();
  }

  #hear(message: ControlMessage): void {
    if (message.kind === 'silence') {
      this.#onSilence?.();
    } else if (this.#state === 'opening' && message.kind === 'opened') {
      this.#state = 'open';
      this.#port.description = message.description;
      this.#port.isPrivate = message.isPrivate;
      this.#opening.onOpened();
    } else if (this.#state === 'opening' && message.kind === 'refused') {
      this.#state = 'closed';
      this.#opening.onRefused(message);
      this.#waitForExit();
    }
  }

  #lose(error: Error): void {
    if (this.#state === 'opening') {
      this.#state = 'closed';
      this.#opening.onLost(error);
    } else {
      this.#close(error);
    }
    this.#port.destroy();
  }

  #close(error: Error | undefined): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#listener?.onClose(error);
    this.#waitForExit();
  }

  /** It ends by itself once the last bytes went out; that it does is not left to trust. */
  #waitForExit(): void {
    setTimeout(() => {
      void this.#worker.terminate();
    }, endLimit).unref();
  }
}
