export type { Outage, RefusedEntity } from './outage-log.js';
export type { ConnectionStatus, RecoveryEventName, RecoveryEvents } from './recovery-events.js';
export { RecoveryService, type BrokenOnConnection, type OnConnection, type Rebuilt } from './recovery.service.js';
