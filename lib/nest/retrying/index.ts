export { DelayUnavailableError } from './delay-queues.js';
export { ParkedMessages, type ParkedOptions } from './parked-messages.js';
export { ReplayError, type ParkedMessage, type ParkedOutcome, type ParkedSelection } from './parked-queue.js';
export type { FailedRun } from './message-copy.js';
export type { RetryDelay, RetryOption } from './retry-schedule.js';
