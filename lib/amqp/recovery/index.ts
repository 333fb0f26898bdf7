/** The recovery layer's face. */
export { backOffDelay, isWorthRecovery, wait } from './back-off.js';
export { entityExists } from './entity-exists.js';
export { rebuildTopology, type BrokenEntity, type RebuildReport } from './rebuild.js';
export { Supervisor, type ConnectionState, type SupervisorOwner } from './supervisor.js';
export { TopologyRecord, type BindingRecord, type ExchangeRecord, type QueueRecord } from './topology-record.js';
