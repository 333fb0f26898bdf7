export { DelayUnavailableError } from './delay-queues.js';
export type { FailedRun } from './message-copy.js';
export type { RetryDelay, RetryOption } from './retry-schedule.js';
