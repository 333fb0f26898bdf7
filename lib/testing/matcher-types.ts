/**
 * The matchers in the types of Jest and Vitest. Of the three that are told here those count that are installed: the others are
 * not looked for.
 */
import type { ConsumedExpectation, PublishedExpectation, SettledExpectation } from './expectations.js';

/** What `expect.extend(amqpMatchers)` adds to `expect`. */
export interface AmqpMatchers {
  /** The application publishes such a message, or did before; behind `.not` none until it is quiet. */
  toHavePublished(expected?: PublishedExpectation): Promise<void>;
  /** A run of a handler ends so, or did before; behind `.not` none until the application is quiet. */
  toHaveConsumed(expected?: ConsumedExpectation): Promise<void>;
  /** A message ends so in a queue, or did before; behind `.not` none until the application is quiet. */
  toHaveSettled(expected?: SettledExpectation): Promise<void>;
}

/* eslint-disable @typescript-eslint/ban-ts-comment, @typescript-eslint/no-empty-object-type, @typescript-eslint/no-namespace, @typescript-eslint/no-unused-vars */
/* These are the names and the parameters that the others gave their interfaces; where a module is not there, its is no error. */

/** @ts-ignore: Jest's `expect`, as `@jest/globals` has it. */
declare module 'expect' {
  interface Matchers<R, T> extends AmqpMatchers {}
}

/** @ts-ignore: Vitest. */
declare module 'vitest' {
  interface Matchers<T> extends AmqpMatchers {}
}

declare global {
  /** The global `expect` of `@types/jest`. */
  namespace jest {
    interface Matchers<R, T> extends AmqpMatchers {}
  }
}
