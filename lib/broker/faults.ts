/** What can be broken on purpose, while the broker runs. */
import type { FaultState } from './serve/broker-context.js';
import type { ConnectionSession } from './serve/connection-session.js';
import { channelRefusal, connectionRefusal } from './store/reply-error.js';

export class Faults {
  readonly #state: FaultState;
  readonly #connections: () => Iterable<ConnectionSession>;

  constructor(state: FaultState, connections: () => Iterable<ConnectionSession>) {
    this.#state = state;
    this.#connections = connections;
  }

  /** Cuts every connection without a goodbye, as a power failure would. Answers how many there were. */
  dropAll(): number {
    return this.#each(undefined, (connection) => {
      connection.destroy();
    });
  }

  /** Cuts the connections of this name (`connection_name`, or `host:port` of the client). Answers how many. */
  drop(connectionName: string): number {
    return this.#each(connectionName, (connection) => {
      connection.destroy();
    });
  }

  /** Closes all connections as an operator does: connection.close with 320. Answers how many. */
  closeAll(reason = 'Closed via management plugin'): number {
    return this.#each(undefined, (connection) => {
      connection.close(connectionRefusal('connectionForced', reason));
    });
  }

  /** Closes the channels of all connections, or of those of one name, with 541. Answers how many. */
  closeChannels(connectionName?: string): number {
    let count = 0;
    this.#each(connectionName, (connection) => {
      for (const { number } of [...connection.sessions()]) {
        connection.closeChannel(number, channelRefusal('internalError', 'closed on purpose'));
        count++;
      }
    });
    return count;
  }

  /** Ends the consumers of a queue with basic.cancel, as when the node of a queue fails. Answers how many. */
  cancelConsumers(queue: string): number {
    let count = 0;
    this.#each(undefined, (connection) => {
      for (const session of connection.sessions()) {
        for (const consumer of [...session.consumers.values()]) {
          if (consumer.queue.name !== queue) continue;
          consumer.queue.removeConsumer(consumer);
          session.cancelled(consumer);
          count++;
        }
      }
    });
    return count;
  }

  /** Blocks connections that publish (connection.blocked), as on low memory; the broker stops reading from them. */
  blockAll(reason = 'low on memory'): void {
    this.#state.blockedReason = reason;
    this.#each(undefined, (connection) => {
      connection.block(reason);
    });
  }

  unblockAll(): void {
    this.#state.blockedReason = undefined;
    this.#each(undefined, (connection) => {
      connection.unblock();
    });
  }

  /** Holds publisher confirms back for so many milliseconds; `Infinity` loses them, `0` ends the fault. */
  delayConfirms(milliseconds: number): void {
    this.#state.confirmDelay = milliseconds === 0 ? undefined : milliseconds;
  }

  /** Refuses every login from now on, whatever the password, or accepts them again. */
  refuseLogins(isRefusing = true): void {
    this.#state.refusesLogins = isRefusing;
  }

  #each(name: string | undefined, action: (connection: ConnectionSession) => void): number {
    const chosen = [...this.#connections()].filter((connection) => name === undefined || connection.name === name);
    chosen.forEach(action);
    return chosen.length;
  }
}
