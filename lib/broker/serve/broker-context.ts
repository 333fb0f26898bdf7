/** What all connections of one broker share. */
import type { BrokerClock } from '../clock.js';
import type { BrokerEvents } from '../events.js';
import type { Behaviour } from '../store/behaviour.js';
import type { MemoryLedger } from '../store/memory-ledger.js';
import type { VirtualHost } from '../store/virtual-host.js';
import type { FaultHooks } from './fault-hooks.js';
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
  /** Who breaks connections on purpose. */
  readonly faults: FaultHooks;
  /** What queues and transactions hold, and whether that is too much. */
  readonly memory: MemoryLedger;
}
