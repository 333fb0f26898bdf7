/** What a channel sees of the connection it belongs to. */
import type { ByteWriter } from '../../amqp/protocol/index.js';
import type { VirtualHost } from '../store/virtual-host.js';
import type { Conditions } from './conditions.js';
import type { User } from './users.js';

export interface ConnectionPort {
  /** Unique in the broker. */
  readonly id: number;
  readonly user: User;
  readonly virtualHost: VirtualHost;
  readonly writer: ByteWriter;
  /** The negotiated frame_max in bytes; 0 is no limit. */
  readonly frameMax: number;
  /** Much is waiting to be read by the client: no deliveries until it went out. */
  readonly isCongested: boolean;
  /** What faults ask for. */
  readonly conditions: Conditions;
  /** Whether the client announced a capability, as `consumer_cancel_notify`. */
  hasCapability(name: string): boolean;
  /** Sends what was written at the end of this turn. */
  requestFlush(): void;
  /** The client publishes: it may have to be blocked. */
  notePublish(): void;
}
