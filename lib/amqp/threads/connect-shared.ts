/** `connectShared`: a worker thread's own connection, over the port of another thread's `Connection.share`. */
import { MessageChannel, MessagePort } from 'node:worker_threads';
import { Connection } from '../client/connection.js';
import { isObjectOfFields } from '../client/merge-parameters.js';
import type { ConnectionParameters } from '../connection/index.js';
import { ArgumentError, ConnectionClosedError, ConnectionRefusedError, messageOf, ParametersError } from '../errors.js';
import type { Transport, TransportFactory } from '../transport/index.js';
import { threadSupport } from './connect.js';
import { isRecord, refusalFromWords } from './port-messages.js';
import { PortTransport } from './port-transport.js';
import type { WayRequest } from './share.js';

const allowed = [
  ...(['attempts', 'retryDelay', 'signal', 'connectTimeout', 'handshakeTimeout', 'bringUpTimeout'] as const),
  ...(['methodTimeout', 'blockedTimeout', 'closeTimeout', 'recovery', 'publishBuffer', 'maxUnconfirmed'] as const),
  ...(['joinAcks', 'maxHeaderSize', 'maxMessageSize', 'connectionName'] as const),
];

/** What a shared connection may set for itself; the rest is the carrying connection's. */
export type SharedConnectionParameters = Pick<ConnectionParameters, (typeof allowed)[number]>;

/** The far side of the door that `Connection.share` made: one for each port, however often it is tried. */
class Door {
  readonly port: MessagePort;
  /** Serves a connection, or served one. */
  isUsed = false;
  /** Why there is nothing to share any more. */
  closedBy: string | undefined;
  onClosed: () => void = () => undefined;

  constructor(port: MessagePort) {
    this.port = port;
    port.on('message', (message: unknown) => {
      const gone = isRecord(message) ? message['gone'] : undefined;
      if (typeof gone === 'string') this.#close(gone);
    });
    port.once('close', () => {
      this.#close('the shared connection is closed');
    });
    // A port that closed before tells nobody; but it cannot be held any more. (Not every runtime can be asked.)
    if ((port as { hasRef?: () => boolean }).hasRef?.() === false) this.#close('the shared connection is closed');
    // Some runtimes tell of the closing only where they were told to start.
    port.start();
    // The ways keep the thread alive, and no door beyond them.
    port.unref();
  }

  #close(reason: string): void {
    if (this.closedBy !== undefined) return;
    this.closedBy = reason;
    this.onClosed();
  }
}

const doors = new WeakMap<MessagePort, Door>();

function doorAt(port: MessagePort): Door {
  const door = doors.get(port) ?? new Door(port);
  doors.set(port, door);
  return door;
}

/**
 * Makes a connection over a port that another thread's `connection.share()` gave: with channels, confirms, consumers,
 * topology and recovery of its own, over that connection's socket. It has a life for each life of the carrying
 * connection; when that one is closed or failed, this one is `failed` with ConnectionClosedError. `close()` closes its
 * channels on the broker and ends the share.
 *
 * Rejects with ArgumentError when `port` is no port or served another connection, ParametersError,
 * ConnectionClosedError when there is nothing to share any more, and ConnectionRefusedError when the carrying
 * connection did not open (again) within `connectTimeout` (10 000 ms): the port may then be tried again.
 */
export async function connectShared(
  port: MessagePort,
  parameters: SharedConnectionParameters = {},
): Promise<Connection> {
  if (!((port as unknown) instanceof MessagePort)) {
    throw new ArgumentError('port', 'must be the MessagePort that connection.share() gave');
  }
  if (doors.get(port)?.isUsed === true)
    throw new ArgumentError('port', 'served another connection; ask for a port of your own');
  if (!isObjectOfFields(parameters)) throw new ParametersError(['the parameters must be an object']);
  const faults = Object.keys(parameters)
    .filter((name) => !(allowed as readonly string[]).includes(name))
    .map((name) => `${name}: belongs to the connection that is shared`);
  if (faults.length > 0) throw new ParametersError(faults);
  const door = doorAt(port);
  door.isUsed = true;
  const transport = waysThrough(door);
  try {
    // The host is a name for messages to people only: the port leads where it leads.
    const own = { host: 'shared-connection', transport, heartbeat: 0 };
    const connection = await Connection.open({ ...parameters, ...own }, threadSupport);
    const leave = (): void => {
      port.close();
    };
    connection.on('closed', leave).on('failed', leave);
    return connection;
  } catch (error) {
    door.isUsed = false;
    throw error;
  }
}

/** A transport for each life: a port of its own, handed in at the door. */
function waysThrough(door: Door): TransportFactory {
  return (_endpoint, signal) => {
    return new Promise<Transport>((resolve, reject) => {
      const noWay = (): void => {
        reject(new ConnectionClosedError(door.closedBy));
      };
      if (door.closedBy !== undefined) {
        noWay();
        return;
      }
      const { port1, port2 } = new MessageChannel();
      const way = new PortTransport(port1, {
        description: 'the shared connection',
        onControl: (message) => {
          if (message.kind === 'opened') {
            way.description = message.description;
            way.isPrivate = message.isPrivate;
            settle();
            resolve(way);
          } else if (message.kind === 'refused') {
            settle();
            reject(refusalFromWords(message.error));
          }
        },
      });
      const settle = (): void => {
        signal.removeEventListener('abort', onAbort);
        door.onClosed = () => undefined;
      };
      const onAbort = (): void => {
        settle();
        way.destroy();
        const cause: unknown = signal.reason;
        reject(new ConnectionRefusedError(`the shared connection is not open: ${messageOf(cause)}`, { cause }));
      };
      door.onClosed = () => {
        settle();
        way.destroy();
        noWay();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      const request: WayRequest = { port: port2 };
      door.port.postMessage(request, [port2]);
    });
  };
}
