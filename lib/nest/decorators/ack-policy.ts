/** What `@Ack` may say, and its check. Knows nothing of deliveries. */
import { faultsOf, isList, isMilliseconds, isOneOf, isRecord, isTable, isWhole, type Check } from '../option-checks.js';
import { delaysOf, mostDelays, toSchedule, type RetryOption } from '../retrying/retry-schedule.js';

/** A class whose instances may be thrown. */
export type ErrorClass = abstract new (...values: never[]) => object;

/**
 * What becomes of a message whose handler failed.
 *
 * - `park`: a copy, with the reason in its headers, to the queue `<queue>.parked`; then ack.
 * - `dead-letter`: nack without requeue, to the dead-letter exchange of the queue (without one it is dropped).
 * - `requeue`: nack with requeue: it is delivered again at once.
 * - `drop`: ack, and a line in the log.
 */
export type FailureOutcome = 'park' | 'dead-letter' | 'requeue' | 'drop';

export interface FailurePolicy {
  /**
   * How often a failed message is tried again, before `then`: each time a copy waits on the broker, in the delay queue
   * `leveret.delay.<milliseconds>`, and comes back to its queue, behind what is in it by then. The number of failed runs
   * stands in its header `x-leveret-attempts`.
   *
   * Default: 5 for an event, `exponential` (1, 2, 4, 8 and 16 seconds); 0 for a request, whose sender is told of the
   * error; and 0 for what no retry mends: a body that cannot be read, a message that a pipe or a guard refuses, one that
   * is nobody's. A class in `errors` may say otherwise of each.
   */
  retry?: RetryOption | undefined;
  /** What becomes of it in the end. Default `park`. */
  then?: FailureOutcome | undefined;
}

/** How the deliveries of a handler are settled. */
export interface AckPolicy extends FailurePolicy {
  /**
   * - `after` (default): acknowledged once the handler's promise or observable completed.
   * - `before`: acknowledged before the handler runs; a failure is only logged.
   * - `manual`: by the handler itself, through `@Ack() settle: Settlement`. A failure that comes before it settled is
   *   settled by this policy.
   */
  when?: 'after' | 'before' | 'manual' | undefined;
  /**
   * What becomes of a message that a guard refused, by answering false or by throwing; a class in `errors` that the guard's
   * error is of goes first. Default: `then`.
   */
  refused?: FailureOutcome | undefined;
  /** Policies for errors of a class, the first match wins. What they leave out is taken from above. */
  errors?: readonly (readonly [ErrorClass, FailurePolicy])[] | undefined;
}

const isDelay: Check = (value) => {
  if (value === 'exponential') return undefined;
  if (typeof value === 'number') return isMilliseconds(value);
  if (Array.isArray(value)) {
    return value.length > 0 && value.every((entry) => isMilliseconds(entry) === undefined)
      ? undefined
      : 'must be a list of milliseconds';
  }
  if (!isRecord(value)) return `must be milliseconds, a list of them, 'exponential', or an object`;
  const faults = faultsOf(value, {
    initial: isMilliseconds,
    factor: (factor) => (typeof factor === 'number' && factor >= 1 ? undefined : 'must be a number from 1'),
    max: isMilliseconds,
    jitter: isOneOf(true, false),
  });
  return faults.length > 0 ? `is wrong: ${faults.join('; ')}` : undefined;
};

const isAttempts = isWhole(0, 1_000_000);

const isRetry: Check = (value) => {
  if (!isRecord(value)) return isAttempts(value);
  if (value['attempts'] === undefined) return 'needs "attempts"';
  const faults = faultsOf(value, { attempts: isAttempts, delay: isDelay });
  if (faults.length > 0) return `is wrong: ${faults.join('; ')}`;
  const count = delaysOf(toSchedule(value as unknown as RetryOption)).length;
  return count > mostDelays
    ? `asks for more than ${String(mostDelays)} different delays, each of which is a queue`
    : undefined;
};

const isOutcome = isOneOf('park', 'dead-letter', 'requeue', 'drop');
const failureChecks = { retry: isRetry, then: isOutcome };

/** Something that `instanceof` takes: an arrow function, for one, is none. */
function isClass(value: unknown): boolean {
  return typeof value === 'function' && typeof value.prototype === 'object' && value.prototype !== null;
}

const isErrorPolicies: Check = (value) => {
  if (!Array.isArray(value)) return isList(value);
  for (const [index, entry] of (value as unknown[]).entries()) {
    const at = `has a wrong entry ${String(index)}: `;
    if (!Array.isArray(entry) || entry.length !== 2) return `${at}it must be a pair [ErrorClass, policy]`;
    const [errorClass, policy] = entry as unknown[];
    if (!isClass(errorClass)) return `${at}its first part must be a class`;
    if (isTable(policy) !== undefined) return `${at}its second part must be a policy`;
    const faults = faultsOf(policy, failureChecks);
    if (faults.length > 0) return `${at}${faults.join('; ')}`;
  }
  return undefined;
};

/** Every fault of a policy. */
export function ackPolicyFaults(policy: unknown): string[] {
  const faults = faultsOf(policy, {
    when: isOneOf('after', 'before', 'manual'),
    ...failureChecks,
    refused: isOutcome,
    errors: isErrorPolicies,
  });
  if (isRecord(policy) && policy['when'] === 'before') {
    const idle = ['retry', 'then', 'refused', 'errors'].filter((name) => policy[name] !== undefined);
    if (idle.length > 0) faults.push(`when: 'before' leaves nothing to settle, so ${idle.join(', ')} has no effect`);
  }
  return faults;
}
