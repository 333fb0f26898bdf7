/** What a run came to, and whether the books balance. */
export interface Run {
  /** Orders that customers made. */
  readonly orders: number;
  /** Questions about the stock that were answered with it. */
  readonly stockAnswers: number;
  /** Orders answered with 201. */
  readonly confirmed: number;
  /** Orders that have their mail. */
  readonly mailed: number;
  /** Orders answered with 201 that have no mail. */
  readonly lost: number;
  /** Orders that were delivered again after their mail. */
  readonly repeats: number;
  /** How often which reason was given for something that was then tried again. */
  readonly refusals: ReadonlyMap<string, number>;
  /** What was refused otherwise than it must be. */
  readonly wrongRefusals: readonly string[];
  /** The connections were cut, and all of them came back. */
  readonly hasRecovered: boolean;
}

export interface Report {
  /** What is not as it must be; empty: the run succeeded. */
  readonly problems: readonly string[];
  /** What the cut cost: repeats, and answers that asked for them. */
  readonly costs: string;
  readonly summary: string;
}

export function reportOn(run: Run): Report {
  const { orders, stockAnswers, confirmed, mailed, lost, repeats, refusals, wrongRefusals, hasRecovered } = run;
  const expectations: [what: string, is: number, mustBe: number][] = [
    ['questions about the stock answered', stockAnswers, orders],
    ['orders confirmed', confirmed, orders],
    ['orders mailed', mailed, orders],
    ['orders lost', lost, 0],
  ];
  const unbalanced = expectations
    .filter(([, is, mustBe]) => is !== mustBe)
    .map(([what, is, mustBe]) => `${what}: ${String(is)}, and must be ${String(mustBe)}`);
  const reasons = [...refusals].map(([reason, count]) => `${String(count)} times ${reason}`);
  return {
    problems: [
      ...wrongRefusals,
      ...unbalanced,
      ...(hasRecovered ? [] : ['not every connection was cut and came back']),
    ],
    costs: `answered: ${reasons.join(', ') || 'nothing but success'}; orders delivered again: ${String(repeats)}`,
    summary:
      `hybrid: ${String(orders)} orders over HTTP, ${String(confirmed)} confirmed, ${String(mailed)} mailed, ` +
      `${String(lost)} lost`,
  };
}
