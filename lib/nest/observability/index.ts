export type { HandleDiagnostics, HandleOutcome } from './handle-events.js';
