/** Between connections and whoever breaks them: what a connection tells, and what may be done to it. */
import type { FieldTable, Method } from '../../amqp/protocol/index.js';
import type { ReplyError } from '../store/reply-error.js';
import type { ChannelSession } from './channel-session.js';
import type { Conditions } from './conditions.js';
import type { Line } from './line.js';
import type { Speaker, Strikes } from './method-watch.js';

/** A connection, as far as faults need it. */
export interface FaultyConnection {
  readonly id: number;
  /** `connection_name` of the client properties, else where it comes from. */
  readonly name: string;
  /** The user who logged in, or who asks to; empty before. */
  readonly userName: string;
  readonly clientProperties: Readonly<FieldTable>;
  readonly isOpen: boolean;
  readonly isBlocked: boolean;
  readonly channelCount: number;
  readonly line: Line;
  readonly conditions: Conditions;
  sessions(): Iterable<ChannelSession>;
  /** Drops the connection without a word. */
  destroy(): void;
  /** Drops it with a reset (RST). */
  reset(): void;
  /** connection.close; the method that is blamed, 0 for none. */
  close(refusal: ReplyError, methodId?: number): void;
  /** channel.close, alike. */
  closeChannel(channel: number, refusal: ReplyError, methodId?: number): void;
}

/** Who breaks connections; see faults/rule-book.ts. */
export interface FaultHooks {
  /** A method on any connection may be one at which a fault strikes. */
  readonly watchesMethods: boolean;
  /** A connection was accepted. */
  accepted(connection: FaultyConnection): void;
  /** It said its name and its user, and is not logged in yet. */
  started(connection: FaultyConnection): void;
  ended(connection: FaultyConnection): void;
  /** A method came or is to go out; answers what is to be done at it. */
  count(
    connection: FaultyConnection,
    from: Speaker,
    channel: number,
    methodId: number,
    method: Method,
  ): Strikes | undefined;
}
