/** What a run came to, in two lines, and whether all of it is as it must be. */
import type { Totals } from './ledger.js';
import type { PlainReading } from './orders-file.js';

export interface Run {
  /** Lines that were handed to the publisher. */
  readonly published: number;
  /** Lines that the broker confirmed. */
  readonly confirmed: number;
  /** Publishes whose answer was lost with the connection, and which were therefore sent again. */
  readonly replayedUnknowns: number;
  /** As the application answers for them through AmqpClient. */
  readonly totals: Totals;
  readonly cuts: number;
  /** Cuts after which every connection recovered. */
  readonly recoveries: number;
}

export interface Report {
  /** What is not as it must be; empty: the run succeeded. */
  readonly problems: readonly string[];
  /** Repeats and replays: what a lost connection costs. */
  readonly costs: string;
  readonly summary: string;
}

export function reportOn(run: Run, file: PlainReading): Report {
  const { published, confirmed, replayedUnknowns, totals, cuts, recoveries } = run;
  const { handled, deadLettered, revenue, repeats } = totals;
  const lost = published - handled - deadLettered;
  const expectations: [what: string, is: number, mustBe: number][] = [
    ['lines published', published, file.lines],
    ['lines confirmed', confirmed, published],
    ['orders handled', handled, file.orders],
    ['malformed lines dead-lettered', deadLettered, file.malformed],
    ['cents of revenue', revenue, file.revenue],
    ['orders lost', lost, 0],
    ['cuts', cuts, 2],
    ['recoveries', recoveries, cuts],
  ];
  return {
    problems: expectations
      .filter(([, is, mustBe]) => is !== mustBe)
      .map(([what, is, mustBe]) => `${what}: ${String(is)}, and must be ${String(mustBe)}`),
    costs: `repeats ${String(repeats)}, replayed unknowns ${String(replayedUnknowns)}`,
    summary:
      `published ${String(published)}, confirmed ${String(confirmed)}, handled ${String(handled)}, ` +
      `dead-lettered ${String(deadLettered)}, lost ${String(lost)}, recoveries ${String(recoveries)}`,
  };
}
