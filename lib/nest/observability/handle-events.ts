/**
 * What the Nest layer tells `node:diagnostics_channel`, in the way of the client's own channels (amqp/diagnostics.ts): nothing
 * is built and nothing is paid while nobody subscribes.
 *
 *   import { subscribe } from 'node:diagnostics_channel';
 *   subscribe('leveret:handle', (event) => console.log((event as HandleDiagnostics).outcome));
 */
import { channel } from 'node:diagnostics_channel';
import type { Delivery } from '../../amqp/index.js';
import type { Settlement, SettlementOutcome } from '../consuming/settlement.js';

/**
 * What became of a delivery after a run of its handler:
 *
 * - `ack`, `park`, `dead-letter`, `requeue`, `drop`: by its policy, or by hand. A `dead-letter` without a dead-letter exchange
 *   is gone.
 * - `retry`: it is tried again, out of a delay queue or out of memory.
 * - `stale`: its connection or channel was lost before it was settled; the broker delivers it again.
 * - `settled`: by the delivery's own methods, or it went back because the application closed.
 * - `unsettled`: its handler is done, and has yet to settle it.
 */
export type HandleOutcome = SettlementOutcome | 'settled' | 'unsettled';

/** `leveret:handle`: a handler of `@Consume` or AmqpServer is done with a delivery, or it was kept from its handler. */
export interface HandleDiagnostics {
  /** The NamedConnection or the AmqpServer that it came by. */
  readonly source: object;
  readonly queue: string;
  /** `Class.method` of a `@Consume`; the pattern, of AmqpServer. */
  readonly handler: string;
  readonly delivery: Delivery;
  /** What was read for the handler, before pipes; undefined where it was not read. */
  readonly payload: unknown;
  /** Runs so far, over all retries, this one included. */
  readonly attempts: number;
  readonly outcome: HandleOutcome;
  /** What it failed with; undefined where it did not. */
  readonly error: unknown;
}

export const handleEvents = channel('leveret:handle');

/** Tells of a run, where anybody listens. `isTriedAgain`: it ran, waited in memory, and runs again. */
export function tellHandled(
  run: Omit<HandleDiagnostics, 'outcome'>,
  settlement: Settlement,
  isTriedAgain: boolean,
): void {
  const outcome = isTriedAgain ? 'retry' : outcomeOf(run.delivery, settlement);
  handleEvents.publish({ ...run, outcome } satisfies HandleDiagnostics);
}

function outcomeOf(delivery: Delivery, settlement: Settlement): HandleOutcome {
  if (settlement.outcome) return settlement.outcome;
  if (delivery.isStale) return 'stale';
  return delivery.isSettled ? 'settled' : 'unsettled';
}
