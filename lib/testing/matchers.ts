/**
 * Matchers for Jest and Vitest, by the `expect.extend` of either. What they expect is what the methods of AmqpTesting expect, and so
 * are the words in which they fail.
 */
import { ArgumentError } from '../amqp/index.js';
import { AmqpTesting } from './amqp-testing.js';
import { ExpectationError } from './errors.js';
import type { ExpectationLimits } from './expectation.js';
import type { ConsumedExpectation, PublishedExpectation, SettledExpectation } from './expectations.js';

/** What Jest and Vitest want of a matcher. */
export interface MatcherResult {
  readonly pass: boolean;
  message(): string;
}

/** What they give it as `this`. */
export interface MatcherState {
  /** Whether it stands behind `.not`. */
  readonly isNot?: boolean | undefined;
}

/**
 * `expect.extend(amqpMatchers)`. Each waits as long as the expectation allows, so it is to be awaited; behind `.not` it waits until
 * the application is quiet.
 */
export const amqpMatchers = {
  /** `await expect(app).toHavePublished({ exchange: 'shop', routingKey: 'invoice.created' })` */
  async toHavePublished(
    this: MatcherState,
    received: unknown,
    expected: PublishedExpectation = {},
  ): Promise<MatcherResult> {
    const app = testingOf('toHavePublished', received);
    return await judge(this, 'toHavePublished', expected, (wanted) => app.expectPublished(wanted));
  },

  /** `await expect(app).toHaveConsumed({ queue: 'orders', outcome: 'park', error: OutOfStock })` */
  async toHaveConsumed(
    this: MatcherState,
    received: unknown,
    expected: ConsumedExpectation = {},
  ): Promise<MatcherResult> {
    const app = testingOf('toHaveConsumed', received);
    return await judge(this, 'toHaveConsumed', expected, (wanted) => app.expectConsumed(wanted));
  },

  /** `await expect(app).toHaveSettled({ queue: 'orders', outcome: 'ack', attempts: 3 })` */
  async toHaveSettled(
    this: MatcherState,
    received: unknown,
    expected: SettledExpectation = {},
  ): Promise<MatcherResult> {
    const app = testingOf('toHaveSettled', received);
    return await judge(this, 'toHaveSettled', expected, (wanted) => app.expectSettled(wanted));
  },
};

function testingOf(matcher: string, received: unknown): AmqpTesting {
  if (received instanceof AmqpTesting) return received;
  throw new ArgumentError(
    matcher,
    'expects what testApplication resolves with, or AmqpTesting of an AmqpTestingModule',
  );
}

async function judge<Wanted extends ExpectationLimits>(
  { isNot = false }: MatcherState,
  matcher: string,
  expected: Wanted,
  meet: (expected: Wanted) => Promise<unknown>,
): Promise<MatcherResult> {
  if (isNot && expected.count !== undefined) {
    throw new ArgumentError('count', `not.${matcher} expects none: leave the count out`);
  }
  try {
    await meet(isNot ? { ...expected, count: 0 } : expected);
    return { pass: !isNot, message: () => `${matcher}: it came` };
  } catch (error) {
    if (!(error instanceof ExpectationError)) throw error;
    return { pass: isNot, message: () => error.message };
  }
}
