/**
 * What becomes of a delivery whose handler failed, by its policy: tried again, parked, dead-lettered, requeued or dropped. For
 * handlers of `@Consume`, alone or in a batch, and of AmqpServer.
 *
 * To move a message is to publish a copy, confirmed and mandatory, and then to acknowledge: what is cut off between the two
 * comes again, and nothing is lost.
 */
import type { LoggerService } from '@nestjs/common';
import type { Delivery, SettlementResult } from '../../amqp/index.js';
import type { RunVerdict } from '../consuming/consumer-run.js';
import { planFor, reasonOf, verdictOf, type FailurePlan, type SettlementPolicy } from '../consuming/policy.js';
import type { Settlement } from '../consuming/settlement.js';
import type { Pause } from '../waiting.js';
import { parkingQueue, type Parking } from './parking.js';
import type { Retries } from './retries.js';
import { delayBefore } from './retry-schedule.js';

/** Milliseconds before a message is tried to be parked again, doubled each time. */
const firstParkingDelay = 1_000;
const longestParkingDelay = 30_000;
/**
 * Milliseconds that a delivery is held, be it for a retry in memory or for its parking queue, before it goes back: the broker
 * closes the channel of who holds one for 30 minutes (consumer_timeout).
 */
const longestHold = 1_200_000;

export interface FailureHost {
  readonly logger: LoggerService;
  readonly parking: Parking;
  readonly retries: Retries;
  /** True: what is tried again waits here, holding its delivery, so that none of its key overtakes it. */
  readonly waitsInMemory: boolean;
  /** Told of each failure whose message is held here, before its run is over. */
  readonly onHeld?: ((verdict: RunVerdict) => void) | undefined;
}

/** A delivery whose handler failed. */
export interface FailedDelivery {
  readonly delivery: Delivery;
  readonly settlement: Settlement;
  readonly queue: string;
  /** For the log: `Class.method`. */
  readonly title: string;
  readonly policy: SettlementPolicy;
  readonly error: unknown;
  /** What the handler threw, where Nest's filters made `error` of it. */
  readonly origin?: unknown;
  /** Runs that failed, this one included. */
  readonly attempts: number;
  /** Ends where its consumer stops. */
  readonly pause: Pause;
  /** Logs the failure, once, with what becomes of the message. `isFinal`: it is not tried again. */
  readonly tell: (consequence: string, isFinal: boolean) => void;
  readonly onStale: () => void;
}

/** Whether it is tried again. */
export function isTriedAgain({ retry }: FailurePlan, attempts: number): boolean {
  return attempts <= retry.attempts;
}

/** Resolves when it is settled, with true where its handler is to run again now: it waited for that in memory. */
export async function settleFailure(host: FailureHost, failed: FailedDelivery): Promise<boolean> {
  const { delivery, settlement, policy, error, origin, attempts, tell } = failed;
  const note = (result: SettlementResult): void => {
    if (result === 'stale') failed.onStale();
  };
  if (settlement.isSettled) {
    tell(policy.when === 'before' ? 'it was acknowledged before' : 'it had settled the message', true);
    return false;
  }
  if (delivery.isStale) {
    tell('the connection was lost meanwhile, so the message comes again', true);
    note('stale');
    return false;
  }
  const plan = planFor(policy, error, origin);
  if (isTriedAgain(plan, attempts)) return await tryAgain(host, failed, plan);
  switch (plan.then) {
    case 'park':
      tell(`to be parked in "${parkingQueue(failed.queue)}"`, true);
      await park(host, failed);
      break;
    case 'dead-letter':
      tell('dead-lettered', true);
      note(settlement.deadLetter());
      break;
    case 'requeue':
      tell(`back to "${failed.queue}"`, true);
      note(settlement.requeue());
      break;
    case 'drop':
      tell('dropped', true);
      note(settlement.drop());
      break;
    default:
      plan.then satisfies never;
      throw new Error(`${failed.title}: unknown outcome`);
  }
  return false;
}

async function tryAgain(host: FailureHost, failed: FailedDelivery, { retry }: FailurePlan): Promise<boolean> {
  const { delivery, settlement, attempts, pause, error, origin } = failed;
  const delay = Math.min(delayBefore(retry, attempts), host.waitsInMemory ? longestHold : Infinity);
  failed.tell(`retry ${String(attempts)} of ${String(retry.attempts)} in ${String(delay)} ms`, false);
  if (!host.waitsInMemory) {
    try {
      const result = await settlement.retry(delay, reasonOf(error, origin), failed.error);
      if (result === 'stale') failed.onStale();
      return false;
    } catch (failure) {
      if (isOver(failed)) return false;
      host.retries.reportFailure(host.logger, failed.title, failure);
    }
  }
  host.onHeld?.(verdictOf(error, origin));
  const hasPassed = await pause.wait(Math.min(delay, longestHold));
  if (isOver(failed)) return false;
  if (hasPassed) return true;
  delivery.nack({ requeue: true });
  return false;
}

async function park(host: FailureHost, failed: FailedDelivery): Promise<void> {
  const { delivery, settlement, error, origin, pause } = failed;
  const reason = reasonOf(error, origin);
  const end = performance.now() + longestHold;
  for (let delay = firstParkingDelay; ; delay = Math.min(delay * 2, longestParkingDelay)) {
    try {
      if ((await settlement.park(reason, error)) === 'stale') failed.onStale();
      return;
    } catch (failure) {
      if (isOver(failed)) return;
      host.parking.reportFailure(host.logger, failed.title, failure);
    }
    if (delay === firstParkingDelay) host.onHeld?.(verdictOf(error, origin));
    const hasPassed = await pause.wait(delay);
    if (isOver(failed)) return;
    if (hasPassed && performance.now() < end) continue;
    delivery.nack({ requeue: true });
    return;
  }
}

/** Settled by somebody meanwhile, or lost with its connection: it comes again. */
function isOver({ delivery, onStale }: FailedDelivery): boolean {
  if (delivery.isSettled) return true;
  if (!delivery.isStale) return false;
  onStale();
  return true;
}
