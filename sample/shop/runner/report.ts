/** What a day came to, and whether the books balance. */
import type { Closing } from './closing.js';
import type { Differences } from './books.js';

/** Ids that are named of each kind of difference. */
const namedAtMost = 10;

const words: Readonly<Record<keyof Differences, string>> = {
  refused: 'made, and never accepted',
  notWritten: 'accepted, and not in the table of orders',
  notMailed: 'accepted, and not in the table of mails',
  notSent: 'accepted, and no mail was sent',
  writtenTwice: 'in the table of orders more than once',
  mailedTwice: 'in the table of mails more than once',
  sentTwice: 'sent by the provider more than once',
  unknown: 'written, mailed or sent, and made by nobody',
};

export interface Report {
  /** What is not as it must be; empty: the books balance. */
  readonly problems: readonly string[];
  readonly summary: string;
}

/** `odd`: orders that must have been parked. `troubles`: what happened beside the books and should not have. */
export function reportOn(
  { books, differences, parked, left }: Closing,
  odd: ReadonlySet<string>,
  troubles: readonly string[],
): Report {
  const { made, accepted, mailed } = books;
  const lost = new Set([...differences.notWritten, ...differences.notMailed, ...differences.notSent]);
  const twice = new Set([...differences.writtenTwice, ...differences.mailedTwice, ...differences.sentTwice]);
  const notParked = [...odd].filter((id) => !parked.has(id));
  const once = [...new Set(mailed)].filter((id) => !twice.has(id)).length;
  const unbalanced = (Object.keys(words) as (keyof Differences)[]).flatMap((kind) =>
    told(words[kind], differences[kind]),
  );
  return {
    problems: [
      ...unbalanced,
      ...told('for an unknown article, and not parked', notParked),
      ...[...left].map(([queue, count]) => `${String(count)} messages are left in ${queue}`),
      ...troubles,
    ],
    summary:
      `shop: ${String(made.size)} orders, ${String(accepted.size)} accepted, ${String(once)} mailed once, ` +
      `${String(parked.size)} parked and replayed, ${String(lost.size)} lost, ${String(twice.size)} mailed twice`,
  };
}

function told(what: string, ids: readonly string[]): string[] {
  if (ids.length === 0) return [];
  const more = ids.length > namedAtMost ? `, and ${String(ids.length - namedAtMost)} more` : '';
  return [`${String(ids.length)} orders ${what}: ${ids.slice(0, namedAtMost).join(', ')}${more}`];
}
