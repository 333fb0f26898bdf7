export type { AutoPauseOptions } from './auto-pause-options.js';
export type { PauseReason } from './auto-pause.js';
export { BatchContext, type BatchContextParts } from './batch-context.js';
export type { BatchOptions } from './batch-options.js';
export type { OrderedOptions, OrderKey } from './ordering.js';
