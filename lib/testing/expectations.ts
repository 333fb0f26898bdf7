/** What a test may expect of published, consumed and settled messages. */
import { ArgumentError, type FieldTable } from '../amqp/index.js';
import type { HandleOutcome } from '../nest/index.js';
import type { Expectation, ExpectationLimits } from './expectation.js';
import type { ConsumedMessage } from './handled-messages.js';
import type { EndedMessage, PublishedMessage, SettledOutcome } from './journal.js';
import { differences, errorDifferences, shown, shownError } from './matching.js';

/**
 * A message that the application publishes. What is left out may be anything. Values are patterns: an object stands for all that
 * have its properties, a regular expression for strings, a function for what it answers true to, and the asymmetric matchers of
 * Jest and Vitest for what they match.
 */
export interface PublishedExpectation extends ExpectationLimits {
  readonly exchange?: string | undefined;
  readonly routingKey?: string | RegExp | undefined;
  /** Of the value in a JSON body, or of the bytes of any other. */
  readonly payload?: unknown;
  /** Of AMQP's properties, under their names in camel case. */
  readonly properties?: Readonly<Record<string, unknown>> | undefined;
  readonly headers?: Readonly<FieldTable> | Readonly<Record<string, unknown>> | undefined;
  /** A queue that took it. */
  readonly queue?: string | undefined;
}

/** One run of a handler. What is left out may be anything; values are patterns, as in PublishedExpectation. */
export interface ConsumedExpectation extends ExpectationLimits {
  /** `Class.method` of a `@Consume`; the pattern, of a transport strategy. */
  readonly handler?: string | undefined;
  readonly queue?: string | undefined;
  readonly routingKey?: string | RegExp | undefined;
  readonly payload?: unknown;
  readonly attempts?: number | undefined;
  readonly outcome?: HandleOutcome | undefined;
  /** Its class, a part of its message, or a pattern of its message or of its properties. */
  readonly error?: unknown;
}

/** The end of a message in a queue. What is left out may be anything; values are patterns, as in PublishedExpectation. */
export interface SettledExpectation extends ExpectationLimits {
  readonly queue?: string | undefined;
  readonly outcome?: SettledOutcome | undefined;
  readonly attempts?: number | undefined;
  readonly payload?: unknown;
}

const fields = {
  published: ['exchange', 'routingKey', 'payload', 'properties', 'headers', 'queue'],
  consumed: ['handler', 'queue', 'routingKey', 'payload', 'attempts', 'outcome', 'error'],
  settled: ['queue', 'outcome', 'attempts', 'payload'],
} as const;

/** Throws ArgumentError for what no expectation knows. */
export function publishedExpectation(
  expected: PublishedExpectation,
  entries: () => readonly PublishedMessage[],
): Expectation<PublishedMessage> {
  check('published', expected);
  const { headers, queue } = expected;
  return {
    title: `published message${named(expected, fields.published)}`,
    entries,
    limits: expected,
    told: ({ exchange, routingKey, payload }) => `to ${shown(exchange)} with ${shown(routingKey)}: ${shown(payload)}`,
    differences: (message) => [
      ...differ(expected, message, ['exchange', 'routingKey', 'payload', 'properties']),
      ...(headers === undefined ? [] : differences(headers, message.properties.headers ?? {}, 'headers')),
      ...(queue === undefined || message.queues.includes(queue)
        ? []
        : [`queue: expected ${shown(queue)}, was ${message.queues.map(shown).join(', ') || 'none'}`]),
    ],
  };
}

/** Throws ArgumentError for what no expectation knows. */
export function consumedExpectation(
  expected: ConsumedExpectation,
  entries: () => readonly ConsumedMessage[],
): Expectation<ConsumedMessage> {
  check('consumed', expected);
  return {
    title: `consumed message${named(expected, fields.consumed)}`,
    entries,
    limits: expected,
    told: ({ handler, queue, payload, attempts, outcome, error }) =>
      `${handler} from ${shown(queue)}: ${shown(payload)}, attempt ${String(attempts)}, ${outcome}` +
      (error === undefined ? '' : `, ${shownError(error)}`),
    differences: (message) => [
      ...differ(expected, message, ['handler', 'queue', 'routingKey', 'payload', 'attempts', 'outcome']),
      ...errorDifferences(expected.error, message.error),
    ],
  };
}

/** Throws ArgumentError for what no expectation knows. */
export function settledExpectation(
  expected: SettledExpectation,
  entries: () => readonly EndedMessage[],
): Expectation<EndedMessage> {
  check('settled', expected);
  return {
    title: `settled message${named(expected, fields.settled)}`,
    entries,
    limits: expected,
    told: ({ queue, outcome, attempts, payload }) =>
      `from ${shown(queue)}: ${shown(payload)}, ${outcome} after ${String(attempts)}`,
    differences: (message) => differ(expected, message, fields.settled),
  };
}

function differ<Name extends string>(
  expected: Readonly<Partial<Record<Name, unknown>>>,
  message: Readonly<Record<Name, unknown>>,
  names: readonly Name[],
): string[] {
  return names.flatMap((name) => {
    const one = expected[name];
    return one === undefined ? [] : differences(one, message[name], name);
  });
}

function named(expected: object, names: readonly string[]): string {
  const given = names.flatMap((name) => {
    const value = (expected as Readonly<Record<string, unknown>>)[name];
    return value === undefined ? [] : [`${name} ${shown(value)}`];
  });
  return given.length === 0 ? '' : ` with ${given.join(', ')}`;
}

/** A misspelt name would expect anything. */
function check(kind: keyof typeof fields, expected: object): void {
  const known = [...fields[kind], 'count', 'within'];
  const unknown = Object.keys(expected).filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new ArgumentError(unknown.join(', '), `unknown; a ${kind} message is expected by ${known.join(', ')}`);
}
