export { RecoveryService, type ConnectionStatus, type RecoveryEvents } from './recovery.service.js';
