/** `leveret/testing`: an unchanged Nest application on a private broker, for tests. */
export type { PublishedMessage, SettledMessage, SettledOutcome } from './journal.js';
export {
  testApplication,
  TestApplication,
  type TestApplicationOptions,
  type TestedModule,
  type TestPublishOptions,
} from './test-application.js';
