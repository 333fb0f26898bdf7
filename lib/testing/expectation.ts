/** Waits until messages came as expected, or says what came instead. */
import { ArgumentError } from '../amqp/index.js';
import { shown } from '../broker/shown.js';
import { ExpectationError } from './errors.js';
import { now, pause, turn } from './real-time.js';
import type { WaitingMessages } from './waiting-messages.js';

export interface ExpectationLimits {
  /**
   * Exactly so many; 0: none. It is looked at when the application is quiet: nothing is at work, and no consumer has
   * anything to get. Default: one or more, as soon as it is there.
   */
  readonly count?: number | undefined;
  /** Milliseconds, of real time. Default 2 000. */
  readonly within?: number | undefined;
}

/** What is waited for. */
export interface Expectation<Entry> {
  /** What kind of messages, and which: `message published to "shop"`. */
  readonly title: string;
  /** All that there are by now. */
  readonly entries: () => readonly Entry[];
  /** None: it is one of those that are expected. */
  readonly differences: (entry: Entry) => readonly string[];
  /** One of them in words, on one line. */
  readonly told: (entry: Entry) => string;
  readonly limits: ExpectationLimits;
}

const defaultLimit = 2_000;
/** Milliseconds between two looks. */
const lookInterval = 2;
/** Turns of the event loop after which what a client has written is read in memory. */
const turnsToBroker = 4;
/** Others that are told of. */
const mostTold = 3;

/** Resolves with those that were expected; rejects with ExpectationError. `isClosed`: nothing more can come. */
export async function meet<Entry>(
  expectation: Expectation<Entry>,
  waiting: WaitingMessages,
  isClosed: () => boolean,
): Promise<Entry[]> {
  const { limits, entries, differences } = expectation;
  const { count, within = defaultLimit } = limits;
  checkLimits(limits);
  const met = (): Entry[] => entries().filter((entry) => differences(entry).length === 0);
  const deadline = now() + within;
  const isOver = (): boolean => now() >= deadline || isClosed() || (count !== undefined && met().length > count);
  if (count !== undefined) {
    while (met().length < count && !isOver()) await pause(lookInterval);
    // One more may be on its way.
    await waiting.areQuiet(isOver);
    if (met().length === count) return met();
  } else {
    while (met().length === 0 && !isOver()) await pause(lookInterval);
    // What goes with it, as the acknowledgement of what was handled, is with the broker when this resolves.
    for (let turns = 0; turns < turnsToBroker; turns += 1) await turn();
    if (met().length > 0) return met();
  }
  throw new ExpectationError(failureText(expectation, met(), waiting, isClosed()));
}

function checkLimits({ count, within }: ExpectationLimits): void {
  if (count !== undefined && (!Number.isInteger(count) || count < 0)) {
    throw new ArgumentError('count', `must be a whole number from 0 on, not ${shown(count)}`);
  }
  if (within !== undefined && (!Number.isFinite(within) || within < 0)) {
    throw new ArgumentError('within', `must be a number of milliseconds, not ${shown(within)}`);
  }
}

function failureText<Entry>(
  expectation: Expectation<Entry>,
  met: readonly Entry[],
  waiting: WaitingMessages,
  isClosed: boolean,
): string {
  const { title, limits, entries, differences, told } = expectation;
  const { count, within = defaultLimit } = limits;
  const others = entries()
    .map((entry) => ({ entry, differs: differences(entry) }))
    .filter(({ differs }) => differs.length > 0)
    .sort((one, other) => one.differs.length - other.differs.length);
  const wanted = count === undefined ? 'a' : count === 0 ? 'no' : `exactly ${String(count)}:`;
  const lines = [
    `expected ${wanted} ${title} ${isClosed ? 'before the application was closed' : `within ${String(within)} ms`}; there ${numberWas(met.length)}, and ${others.length === 0 ? 'nothing else of the kind' : `${String(others.length)} that ${others.length === 1 ? 'differs' : 'differ'}`}`,
  ];
  // Those that were expected are of interest where they are too many.
  if (count !== undefined && met.length > count)
    lines.push(
      ...section(
        'those that were there',
        met.slice(0, mostTold).map((entry) => [told(entry)]),
        met.length,
      ),
    );
  const nearest = others
    .slice(0, mostTold)
    .map(({ entry, differs }) => [told(entry), ...differs.map((line) => `  ${line}`)]);
  if (others.length > 0 && (count === undefined || met.length < count)) {
    lines.push(...section('the nearest of the others', nearest, others.length));
  }
  if (isClosed) return lines.join('\n');
  const left = waiting.told();
  lines.push(
    '',
    left.length === 0 ? 'nothing is waiting in any queue' : 'still waiting:',
    ...left.map((line) => `  ${line}`),
  );
  return lines.join('\n');
}

function section(title: string, told: readonly (readonly string[])[], count: number): string[] {
  const more = count - told.length;
  return [
    '',
    `${title}:`,
    ...told.flatMap((lines, index) =>
      lines.map((line, at) => `  ${at === 0 ? `${String(index + 1)}. ` : '   '}${line}`),
    ),
    ...(more > 0 ? [`  and ${String(more)} more`] : []),
  ];
}

function numberWas(count: number): string {
  return count === 0 ? 'was none' : count === 1 ? 'was 1' : `were ${String(count)}`;
}
