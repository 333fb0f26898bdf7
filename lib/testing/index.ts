/** `leveret/testing`: an unchanged Nest application on a private broker, for tests. */
export {
  AmqpTesting,
  type AdvanceOptions,
  type IdleOptions,
  type SettledOptions,
  type TestPublishOptions,
} from './amqp-testing.js';
export { AmqpTestingModule, type AmqpTestingOptions } from './amqp-testing.module.js';
export { ExpectationError } from './errors.js';
export type { ExpectationLimits } from './expectation.js';
export type { ConsumedExpectation, PublishedExpectation, SettledExpectation } from './expectations.js';
export type { ConsumedMessage } from './handled-messages.js';
export type { EndedMessage, PublishedMessage, SettledMessage, SettledOutcome } from './journal.js';
export type { AmqpMatchers } from './matcher-types.js';
export { amqpMatchers, type MatcherResult, type MatcherState } from './matchers.js';
export {
  testApplication,
  TestApplication,
  type TestApplicationOptions,
  type TestedModule,
} from './test-application.js';
export type {
  SnapshotBinding,
  SnapshotExchange,
  SnapshotQueue,
  TopologyOptions,
  TopologySnapshot,
} from './topology-snapshot.js';
