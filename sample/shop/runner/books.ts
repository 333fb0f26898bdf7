/** The books: what customers were told, what was written down, and what was sent. Each order must be in each of them once. */
export interface Ledgers {
  /** The id of each line in the table of orders. */
  orders(): Promise<readonly string[]>;
  /** The order's id of each line in the table of mails. */
  mails(): Promise<readonly string[]>;
}

export interface Books {
  /** Orders that customers made, and those of them that were answered with 202. */
  readonly made: ReadonlySet<string>;
  readonly accepted: ReadonlySet<string>;
  readonly written: readonly string[];
  readonly mailed: readonly string[];
  /** What the mail provider has sent. */
  readonly sent: readonly string[];
}

/** Ids by what is wrong with them; nothing is: all of them are empty. */
export interface Differences {
  readonly refused: readonly string[];
  /** Accepted, and not written down; not mailed; not sent. */
  readonly notWritten: readonly string[];
  readonly notMailed: readonly string[];
  readonly notSent: readonly string[];
  readonly writtenTwice: readonly string[];
  readonly mailedTwice: readonly string[];
  readonly sentTwice: readonly string[];
  /** Written, mailed or sent, and ordered by nobody. */
  readonly unknown: readonly string[];
}

export function compare({ made, accepted, written, mailed, sent }: Books): Differences {
  return {
    refused: [...made].filter((id) => !accepted.has(id)),
    notWritten: without(accepted, written),
    notMailed: without(accepted, mailed),
    notSent: without(accepted, sent),
    writtenTwice: repeated(written),
    mailedTwice: repeated(mailed),
    sentTwice: repeated(sent),
    unknown: [...new Set([...written, ...mailed, ...sent])].filter((id) => !made.has(id)),
  };
}

/** Those that must be there, and are not. */
function without(ids: ReadonlySet<string>, found: readonly string[]): string[] {
  const present = new Set(found);
  return [...ids].filter((id) => !present.has(id));
}

function repeated(ids: readonly string[]): string[] {
  const seen = new Set<string>();
  return [...new Set(ids.filter((id) => seen.size === seen.add(id).size))];
}
