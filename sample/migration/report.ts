/** What a run came to, and whether the books balance. */
export interface Run {
  readonly servicesMoved: number;
  readonly requests: number;
  /** Requests answered with a receipt, each counted once. */
  readonly answered: number;
  /** Two for each order: viewed and placed. */
  readonly events: number;
  /** Events handled at least once. */
  readonly handled: number;
  readonly lost: number;
  /** Parking queues that came to be, since something failed. */
  readonly parkingQueues: readonly string[];
  readonly repeatedOrders: number;
  readonly repeatedEvents: number;
  /** How often something failed for which reason, and was tried again. */
  readonly failures: ReadonlyMap<string, number>;
}

export interface Report {
  /** What is not as it must be; empty: the run succeeded. */
  readonly problems: readonly string[];
  /** What it cost to stop services in the midst of their work. */
  readonly costs: string;
  readonly summary: string;
}

export function reportOn(run: Run): Report {
  const { servicesMoved, requests, answered, events, handled, lost, parkingQueues, failures } = run;
  const expectations: [what: string, is: number, mustBe: number][] = [
    ['services moved', servicesMoved, 3],
    ['requests answered', answered, requests],
    ['events handled', handled, events],
    ['events lost', lost, 0],
    ['parking queues', parkingQueues.length, 0],
  ];
  const reasons = [...failures].map(([reason, count]) => `, ${String(count)} times ${reason}`).join('');
  return {
    problems: expectations
      .filter(([, is, mustBe]) => is !== mustBe)
      .map(([what, is, mustBe]) => `${what}: ${String(is)}, and must be ${String(mustBe)}`),
    costs: `orders placed again ${String(run.repeatedOrders)}, events delivered again ${String(run.repeatedEvents)}${reasons}`,
    summary:
      `migration: ${String(servicesMoved)} services moved, ${String(requests)} requests, ${String(answered)} answered, ` +
      `${String(events)} events, ${String(handled)} handled, ${String(lost)} lost`,
  };
}
