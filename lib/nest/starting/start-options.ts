/** How something of an application starts: what AmqpModule and AmqpServer let their users choose. */
import { isMilliseconds, isOneOf } from '../option-checks.js';

/** What becomes of a start whose broker is not there; see `start` of AmqpModuleOptions. */
export type StartChoice = 'wait' | 'fail' | 'background';

/** What becomes of a start that finds something on the broker otherwise; see `conflicts` of AmqpModuleOptions. */
export type ConflictChoice = 'fail' | 'use' | 'wait';

export const startChecks = {
  start: isOneOf('wait', 'fail', 'background'),
  conflicts: isOneOf('fail', 'use', 'wait'),
  startTimeout: isMilliseconds,
};
