/**
 * Leaves out what a difference does not need: halves first, then smaller pieces, at last single steps, until none can
 * be spared. A sequence means something whatever is left out of it, so this takes fewer runs than fast-check's own
 * shrinking, which keeps the number of steps that declare and bind. Pure but for `difference`, which runs a sequence.
 */
export interface ShrinkOptions<Step, Difference> {
  /** What differs when these steps run; undefined: nothing does. */
  difference(steps: readonly Step[]): Promise<Difference | undefined>;
  /** Milliseconds after which the shortest so far is good enough. */
  readonly limit: number;
}

export async function shrink<Step, Difference>(
  steps: readonly Step[],
  found: Difference,
  { difference, limit }: ShrinkOptions<Step, Difference>,
): Promise<Difference> {
  const deadline = performance.now() + limit;
  let shortest = { steps, found };
  let size = Math.max(1, Math.floor(steps.length / 2));
  for (;;) {
    let hasShrunk = false;
    // From the end: what comes late is more often of no account.
    for (let start = shortest.steps.length - size; start > -size; start -= size) {
      if (performance.now() > deadline) return shortest.found;
      const fewer = shortest.steps.filter((_, index) => index < start || index >= start + size);
      const differing = fewer.length < shortest.steps.length ? await difference(fewer) : undefined;
      if (differing === undefined) continue;
      shortest = { steps: fewer, found: differing };
      hasShrunk = true;
    }
    if (size === 1 && !hasShrunk) return shortest.found;
    size = hasShrunk ? Math.max(1, Math.min(size, shortest.steps.length)) : Math.max(1, Math.floor(size / 2));
  }
}
