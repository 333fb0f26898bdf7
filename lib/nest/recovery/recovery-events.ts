/** What is told of connections, and how they stand. Types, and the names of the events. */
import type { ConnectionEvents, ConnectionState } from '../../amqp/index.js';

type WithName<Event> = Event & {
  /** Name of the connection. */
  readonly connection: string;
};

/** The events of RecoveryService and of `@OnRecovery`: name, and what listeners and hooks are given. */
export interface RecoveryEvents {
  /** The connection went. Once per outage. */
  lost: WithName<ConnectionEvents['lost']>;
  /** An attempt follows after `delay` milliseconds. */
  reconnecting: WithName<ConnectionEvents['reconnecting']>;
  /** Everything that can be is as before; `broken` names what the broker refused. Once per outage, after `lost`. */
  recovered: WithName<ConnectionEvents['recovered']>;
  /** No further attempt will be made (`recovery: false`, or its `attempts` are used up). */
  failed: WithName<ConnectionEvents['failed']>;
  /** Something that the broker refused works again: an exchange, queue or binding is there, a consumer consumes. */
  healed: WithName<ConnectionEvents['healed']>;
}

export type RecoveryEventName = keyof RecoveryEvents;

export const recoveryEventNames = [
  'lost',
  'reconnecting',
  'recovered',
  'failed',
  'healed',
] as const satisfies readonly RecoveryEventName[];

/** How a connection stands. */
export interface ConnectionStatus {
  /** Name of the connection. */
  readonly name: string;
  /** `connecting` (the application starts), `open`, `recovering`, `failed` (given up) or `closed`. */
  readonly state: ConnectionState;
  /** Number of the present life; 1 from the first connect on. */
  readonly epoch: number;
  /** Why the broker takes no publishes for now; undefined while it does. */
  readonly blockedReason: string | undefined;
}
