/** Moves one service after the other, while visitors come and go, and sees what became of what they asked for. */
import { setTimeout } from 'node:timers/promises';
import type { Books } from './books.js';
import type { Fleet, ServiceName } from './fleet.js';
import type { Visitors } from './visitors.js';
import type { Wiring } from './wiring/wiring.js';

/**
 * Who receives moves before who sends: AmqpServer declares its queue as Nest's transport does, which AmqpClient leaves to
 * the server.
 */
const order: readonly ServiceName[] = ['mail', 'orders', 'gateway'];
/** Orders that are answered before the next service moves, so that every two neighbours have talked. */
const ordersPerStep = 100;

export interface Migration {
  readonly fleet: Fleet;
  readonly visitors: Visitors;
  readonly from: Wiring;
  readonly to: Wiring;
}

/** How many services moved. */
export async function migrate({ fleet, visitors, from, to }: Migration): Promise<number> {
  for (const name of order) await fleet.start(name, from);
  console.log(`step 0: ${fleet.description}`);
  visitors.letIn();
  await visitors.placeMore(ordersPerStep);
  let step = 0;
  for (const name of order) {
    const { answered, viewed } = visitors;
    const beganAt = performance.now();
    await fleet.replace(name, to);
    const duration = (performance.now() - beganAt).toFixed(0);
    const meanwhile = `${String(visitors.answered - answered)} orders answered, ${String(visitors.viewed - viewed)} viewed`;
    step += 1;
    console.log(`step ${String(step)}: ${fleet.description} (${duration} ms; meanwhile ${meanwhile})`);
    await visitors.placeMore(ordersPerStep);
  }
  await visitors.sayGoodbye();
  return step;
}

/** Resolves when mail has handled all events, or none more for `patience` milliseconds; how many it has not. */
export async function waitForEvents(visitors: Visitors, books: Books, patience = 5_000): Promise<number> {
  const countMissing = (): number =>
    visitors.orders
      .flatMap((order) => [books.hasHandled('viewed', order), books.hasHandled('placed', order)])
      .filter((hasHandled) => !hasHandled).length;
  let missing = countMissing();
  for (let changedAt = performance.now(); missing > 0 && performance.now() - changedAt < patience;) {
    await setTimeout(10);
    const before = missing;
    missing = countMissing();
    if (missing < before) changedAt = performance.now();
  }
  return missing;
}
