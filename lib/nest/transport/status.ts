/** What the transport tells of its connection: `status`, events, and the lines in the log. */
import type { LoggerService } from '@nestjs/common';
import type { Connection, ConnectionEvents } from '../../amqp/index.js';
import { LoginRefusals } from '../login-refusals.js';

/**
 * `unconsumed`: connected, but the broker took the consumer away (its queue is gone); it comes back with the queue.
 * `blocked`: the broker takes no publishes for now, until `unblocked`.
 */
export type AmqpStatus = 'connected' | 'disconnected' | 'reconnecting' | 'blocked' | 'unblocked' | 'unconsumed';

/** The events of the client's connection, with what they carry. */
export type AmqpTransportEvents = {
  [Name in keyof ConnectionEvents]: (event: ConnectionEvents[Name]) => unknown;
};

/** Listeners that may be added before there is a connection, and move on to the next one. */
export class TransportListeners {
  readonly #attach: ((connection: Connection) => void)[] = [];

  add<Name extends keyof ConnectionEvents>(
    name: Name,
    listener: AmqpTransportEvents[Name],
    connection: Connection | undefined,
  ): void {
    const attach = (to: Connection): void => {
      to.on(name, listener);
    };
    this.#attach.push(attach);
    if (connection) attach(connection);
  }

  attachTo(connection: Connection): void {
    for (const attach of this.#attach) attach(connection);
  }
}

/** One warning an outage, one line on recovery; an error where the login is refused meanwhile. The messages of the client's errors hold no credentials. */
export function reportConnection(
  connection: Connection,
  name: string,
  logger: LoggerService,
  onStatus: (status: AmqpStatus) => void,
): void {
  const refusals = new LoginRefusals((problem) => {
    logger.error(`${name}: ${problem}. Trying on.`);
  });
  connection
    .on('lost', ({ cause }) => {
      refusals.forget();
      logger.warn(`${name}: the connection to RabbitMQ was lost: ${cause.message}. Reconnecting.`);
      onStatus('disconnected');
    })
    .on('reconnecting', ({ cause }) => {
      refusals.note(cause);
      onStatus('reconnecting');
    })
    .on('recovered', ({ attempts, duration, broken }) => {
      logger.log(`${name}: connected to RabbitMQ again after ${String(duration)} ms, attempt ${String(attempts)}.`);
      for (const { kind, name: entity, error } of broken) {
        logger.error(`${name}: RabbitMQ refused ${kind} "${entity}" after the recovery: ${error.message}`);
      }
      onStatus(broken.some(({ kind }) => kind === 'consumer') ? 'unconsumed' : 'connected');
    })
    .on('failed', ({ cause }) => {
      logger.error(`${name}: the connection to RabbitMQ is given up: ${cause.message}`);
      onStatus('disconnected');
    })
    .on('blocked', ({ reason }) => {
      logger.warn(`${name}: RabbitMQ takes no messages from this connection for now: ${reason}`);
      onStatus('blocked');
    })
    .on('unblocked', () => {
      logger.log(`${name}: RabbitMQ takes messages from this connection again.`);
      onStatus('unblocked');
    });
}
