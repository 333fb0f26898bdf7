/**
 * Tells what becomes of the connections of an application: events for its code, and one log line for the start and one
 * for the end of each outage. Changes nothing: the client recovers by itself.
 */
import { Injectable, Logger } from '@nestjs/common';
import type { Connection, ConnectionEvents, ConnectionState } from '../../amqp/index.js';
import { describeError } from '../errors.js';

type WithName<Event> = Event & {
  /** Name of the connection. */
  readonly connection: string;
};

export interface RecoveryEvents {
  /** The connection went. Once per outage. */
  lost: WithName<ConnectionEvents['lost']>;
  /** An attempt follows after `delay` milliseconds. */
  reconnecting: WithName<ConnectionEvents['reconnecting']>;
  /** Everything that can be is as before; `broken` names what the broker refused. Once per outage, after `lost`. */
  recovered: WithName<ConnectionEvents['recovered']>;
  /** No further attempt will be made (`recovery: false`, or its `attempts` are used up). */
  failed: WithName<ConnectionEvents['failed']>;
}

export interface ConnectionStatus {
  readonly name: string;
  readonly state: ConnectionState;
  /** Number of the present life; 1 from the first connect on. */
  readonly epoch: number;
  /** Why the broker takes no publishes for now; undefined while it does. */
  readonly blockedReason: string | undefined;
}

type Listener = (event: never) => unknown;

@Injectable()
export class RecoveryService {
  readonly #logger = new Logger(RecoveryService.name);
  readonly #connections = new Map<string, Connection>();
  readonly #listeners = new Map<keyof RecoveryEvents, { listener: Listener; isOnce: boolean }[]>();

  /** Calls `listener` at every event of the name. What it throws is logged and harms nothing. */
  on<Name extends keyof RecoveryEvents>(name: Name, listener: (event: RecoveryEvents[Name]) => unknown): this {
    return this.#add(name, listener, false);
  }

  /** Calls `listener` at the next event of the name. */
  once<Name extends keyof RecoveryEvents>(name: Name, listener: (event: RecoveryEvents[Name]) => unknown): this {
    return this.#add(name, listener, true);
  }

  off<Name extends keyof RecoveryEvents>(name: Name, listener: (event: RecoveryEvents[Name]) => unknown): this {
    const entries = this.#listeners.get(name) ?? [];
    const index = entries.findIndex((entry) => entry.listener === listener);
    if (index >= 0) this.#listeners.set(name, entries.toSpliced(index, 1));
    return this;
  }

  /** The connections that were opened, each with its present state. */
  connections(): readonly ConnectionStatus[] {
    return [...this.#connections].map(([name, connection]) => ({
      name,
      state: connection.state,
      epoch: connection.epoch,
      blockedReason: connection.blockedReason,
    }));
  }

  /** @internal */
  watch(name: string, connection: Connection): void {
    this.#connections.set(name, connection);
    connection.on('lost', (event) => {
      this.#logger.warn(`connection "${name}" was lost: ${describeError(event.cause).message}; reconnecting`);
      this.#emit('lost', { ...event, connection: name });
    });
    connection.on('reconnecting', (event) => {
      this.#emit('reconnecting', { ...event, connection: name });
    });
    connection.on('recovered', (event) => {
      this.#logger.log(`connection "${name}" is back after ${String(event.duration)} ms`);
      for (const { kind, name: entity, error } of event.broken) {
        this.#logger.error(`connection "${name}": ${kind} "${entity}" did not come back: ${error.message}`);
      }
      this.#emit('recovered', { ...event, connection: name });
    });
    connection.on('failed', (event) => {
      this.#logger.error(`connection "${name}" is given up: ${describeError(event.cause).message}`);
      this.#emit('failed', { ...event, connection: name });
    });
    connection.on('blocked', ({ reason }) => {
      this.#logger.warn(`connection "${name}" is blocked by the broker: ${reason}`);
    });
    connection.on('unblocked', () => {
      this.#logger.log(`connection "${name}" is no longer blocked`);
    });
  }

  #add(name: keyof RecoveryEvents, listener: Listener, isOnce: boolean): this {
    // A new array each time, so that a listener may add or remove others while it is called.
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), { listener, isOnce }]);
    return this;
  }

  #emit<Name extends keyof RecoveryEvents>(name: Name, event: RecoveryEvents[Name]): void {
    for (const { listener, isOnce } of this.#listeners.get(name) ?? []) {
      if (isOnce) this.off(name, listener as (event: RecoveryEvents[Name]) => unknown);
      void this.#call(name, () => (listener as (event: RecoveryEvents[Name]) => unknown)(event));
    }
  }

  async #call(name: string, callback: () => unknown): Promise<void> {
    try {
      await callback();
    } catch (error) {
      const { name: kind, message } = describeError(error);
      this.#logger.error(`a listener of "${name}" failed: ${kind}: ${message}`);
    }
  }
}
