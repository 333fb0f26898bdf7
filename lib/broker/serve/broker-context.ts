/** What all connections of one broker share. */
import type { BrokerClock } from '../clock.js';
import type { BrokerEvents } from '../events.js';
import type { Behaviour } from '../store/behaviour.js';
import type { VirtualHost } from '../store/virtual-host.js';
import type { User } from './users.js';

export interface BrokerContext {
  readonly behaviour: Behaviour;
  readonly events: BrokerEvents;
  readonly clock: BrokerClock;
  readonly users: ReadonlyMap<string, User>;
  readonly virtualHosts: ReadonlyMap<string, VirtualHost>;
  /** What the broker proposes in connection.tune: seconds, bytes, channels; 0 is off or no limit. */
  readonly tuning: { readonly heartbeat: number; readonly frameMax: number; readonly channelMax: number };
  /** Milliseconds for the handshake, from the first byte to connection.open. */
  readonly handshakeTimeout: number;
  /** Faults that are on now; see faults.ts. */
  readonly faults: FaultState;
}

export interface FaultState {
  /** Why publishing connections are blocked; undefined: they are not. */
  blockedReason: string | undefined;
  /** Milliseconds by which confirms are held back; Infinity: they are lost; undefined: none. */
  confirmDelay: number | undefined;
  /** Logins are refused, whatever the password. */
  refusesLogins: boolean;
}
