/** What was parked: counted, listed, replayed and dropped while the application runs. Injectable. */
import { Inject, Injectable } from '@nestjs/common';
import { ArgumentError, type Connection } from '../../amqp/index.js';
import { defaultConnection } from '../module/amqp-options.js';
import { AmqpConnections } from '../module/connections.js';
import { faultsOf, isFilledName, isFunction, isName, isWhole } from '../option-checks.js';
import { ParkedQueue, type ParkedMessage, type ParkedOutcome, type ParkedSelection } from './parked-queue.js';

export interface ParkedOptions extends ParkedSelection {
  /** Name of the connection. Default `default`. */
  connection?: string | undefined;
}

const isCount = isWhole(0, Number.MAX_SAFE_INTEGER);

/**
 * The messages in `<queue>.parked`, by the name of their queue. All methods reject with ChannelClosedByBrokerError (404)
 * where there is no parking queue, UnknownConnectionError, and ArgumentError for options that are unknown or wrong.
 */
@Injectable()
export class ParkedMessages {
  readonly #connections: Pick<AmqpConnections, 'get'>;

  constructor(@Inject(AmqpConnections) connections: Pick<AmqpConnections, 'get'>) {
    this.#connections = connections;
  }

  /** For a queue of any connection of the client, such as `server.unwrap()` of an AmqpServer. */
  static of(connection: Connection): ParkedMessages {
    const connections = { get: () => ({ connection }) };
    return new ParkedMessages(connections as unknown as AmqpConnections);
  }

  /** How many there are. The count of a quorum queue lags behind by some seconds. */
  async count(queue: string, options: Pick<ParkedOptions, 'connection'> = {}): Promise<number> {
    return await this.#parked('count', queue, options).count();
  }

  /**
   * Those that are selected, the oldest first, 100 at most unless `limit` says so. They stay, but while they are looked at
   * nobody else sees them.
   */
  async list(queue: string, options: ParkedOptions = {}): Promise<ParkedMessage[]> {
    return await this.#parked('list', queue, options).list({ ...options, limit: options.limit ?? 100 });
  }

  /**
   * Puts them back into their queue, in their order: all that are there now, or those that are selected (`messageId`, `where`,
   * `limit`). Each is published, confirmed and mandatory, and acknowledged then: what is cut off between the two comes
   * twice. They start anew, with all their retries; what fails again is parked again, with its whole history.
   *
   * Resolves with how many were moved, and how many were looked at and stayed. Rejects with ReplayError where one could not
   * be put back: it is parked still.
   */
  async replay(queue: string, options: ParkedOptions = {}): Promise<ParkedOutcome> {
    return await this.#parked('replay', queue, options).replay(options);
  }

  /** Throws them away, as selected. There must be a selection: `{ where: () => true }` means all. */
  async drop(queue: string, options: ParkedOptions): Promise<ParkedOutcome> {
    const parked = this.#parked('drop', queue, options);
    if (options.messageId === undefined && options.where === undefined && options.limit === undefined) {
      throw new ArgumentError('ParkedMessages.drop', 'needs messageId, where or limit');
    }
    return await parked.drop(options);
  }

  #parked(method: string, queue: string, options: ParkedOptions): ParkedQueue {
    const where = `ParkedMessages.${method}`;
    const problem = isFilledName(queue);
    const faults = faultsOf(options, {
      connection: isFilledName,
      messageId: isName,
      where: isFunction,
      limit: isCount,
      scan: isCount,
    });
    if (problem !== undefined) faults.unshift(`the name of the queue ${problem}`);
    if (faults.length > 0) throw new ArgumentError(where, faults.join('; '));
    const connection = this.#connections.get(options.connection ?? defaultConnection, where);
    return new ParkedQueue(() => connection.connection, queue);
  }
}
