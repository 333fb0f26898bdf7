/**
 * `Connection.share`, on the side of the connection: a door at which the client of a worker thread asks for a way in,
 * once for each of its lives, and gets it while the connection is open.
 *
 * Each life comes with a port of its own, so that nothing of an earlier one can be taken for the present one's.
 */
import { MessageChannel, MessagePort } from 'node:worker_threads';
import type { Connection } from '../client/connection.js';
import type { ConnectionLife } from '../connection/index.js';
import { ConnectionClosedError, messageOf } from '../errors.js';
import { isRecord, toWords } from './port-messages.js';
import { PortTransport } from './port-transport.js';
import { SharedLife } from './shared-life.js';

/** What the worker says at the door. */
export interface WayRequest {
  readonly port: MessagePort;
}

/**
 * The last that is said at the door: there will be no way in any more. It waits in a port that nobody listens to yet,
 * also on its way to another thread, where the port's closing would be gone unheard.
 */
export interface DoorClosing {
  readonly gone: string;
}

/**
 * Bytes that may wait for a worker. Then the connection's socket is read no more until the worker took half of them,
 * for everyone; `SharedLife` cuts off a worker that lets the others wait for too long.
 */
const unreadLimit = 16 * 1024 * 1024;

export function shareConnection(connection: Connection, lifeOf: () => ConnectionLife | undefined): MessagePort {
  const { port1, port2 } = new MessageChannel();
  new Share(connection, lifeOf, port1).open();
  return port2;
}

class Share {
  readonly #connection: Connection;
  readonly #lifeOf: () => ConnectionLife | undefined;
  readonly #door: MessagePort;
  readonly #lives = new Set<SharedLife>();
  /** Asked for a way while the connection was away. */
  readonly #waiting = new Set<PortTransport>();

  constructor(connection: Connection, lifeOf: () => ConnectionLife | undefined, door: MessagePort) {
    this.#connection = connection;
    this.#lifeOf = lifeOf;
    this.#door = door;
  }

  open(): void {
    this.#door.on('message', (message: unknown) => {
      // Whoever holds the other end can say anything.
      const port = isRecord(message) ? message['port'] : undefined;
      if (!(port instanceof MessagePort)) return;
      this.#onRequest(new PortTransport(port, { description: 'worker', highWaterMark: unreadLimit }).unref());
    });
    // Some runtimes tell of the closing only where they were told to start.
    this.#door.start();
    // The connection's socket keeps the thread alive, and no share beyond it.
    this.#door.unref();
    this.#door.once('close', () => {
      this.#forget();
    });
    this.#connection
      .on('recovered', this.#onOpen)
      .on('lost', this.#onLost)
      .on('failed', this.#onFailed)
      .on('closed', this.#onClosed)
      .on('blocked', this.#onBlocked)
      .on('unblocked', this.#onUnblocked);
  }

  #forget(): void {
    this.#connection
      .off('recovered', this.#onOpen)
      .off('lost', this.#onLost)
      .off('failed', this.#onFailed)
      .off('closed', this.#onClosed)
      .off('blocked', this.#onBlocked)
      .off('unblocked', this.#onUnblocked);
  }

  #onRequest(way: PortTransport): void {
    const { state } = this.#connection;
    if (this.#lifeOf()) this.#grant(way);
    else if (state === 'closed' || state === 'failed') refuse(way, `the shared connection is ${state}`);
    else this.#wait(way);
  }

  #wait(way: PortTransport): void {
    // Those that gave up meanwhile.
    for (const other of this.#waiting) if (other.isClosed) this.#waiting.delete(other);
    this.#waiting.add(way);
  }

  #grant(way: PortTransport): void {
    const life = this.#lifeOf();
    if (!life || way.isClosed) return;
    const shared = new SharedLife(way, life, {
      updateSecret: (secret, reason) => this.#connection.updateSecret(secret, reason),
      onEnd: () => {
        this.#lives.delete(shared);
      },
    });
    this.#lives.add(shared);
    way.say({ kind: 'opened', description: `${life.description} (shared)`, isPrivate: true });
    shared.start();
  }

  readonly #onOpen = (): void => {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const way of waiting) this.#grant(way);
  };

  readonly #onLost = ({ cause }: { cause: Error }): void => {
    for (const shared of [...this.#lives]) shared.lose(cause);
  };

  readonly #onFailed = ({ cause }: { cause: Error }): void => {
    this.#end(`the shared connection is failed: ${messageOf(cause)}`);
  };

  readonly #onClosed = (): void => {
    this.#end('the shared connection is closed');
  };

  readonly #onBlocked = ({ reason }: { reason: string }): void => {
    for (const shared of this.#lives) shared.noteBlocked(reason);
  };

  readonly #onUnblocked = (): void => {
    for (const shared of this.#lives) shared.noteUnblocked();
  };

  /** For good: who asks for another way is told so at the door. */
  #end(reason: string): void {
    for (const way of this.#waiting) refuse(way, reason);
    this.#waiting.clear();
    for (const shared of [...this.#lives]) shared.lose(new ConnectionClosedError(reason));
    this.#forget();
    const closing: DoorClosing = { gone: reason };
    this.#door.postMessage(closing);
    this.#door.close();
  }
}

function refuse(way: PortTransport, reason: string): void {
  way.say({ kind: 'refused', error: toWords(new ConnectionClosedError(reason)) });
  way.destroy();
}
