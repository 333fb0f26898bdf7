/** How AmqpServer, which Nest makes no provider of, is known to the module of its application. */
import type { RegisteredConsumer } from './consumer-registry.js';

/** A registered symbol: two copies of the package in one process must know each other. */
const transportConsumerKey = Symbol.for('leveret:transport-consumer');

export interface TransportConsumer {
  readonly [transportConsumerKey]: true;
  /** For the ConsumerRegistry. */
  readonly registered: RegisteredConsumer;
  /** Ends a start that goes on, and stops its consumer; the connection stays for replies. Idempotent, never rejects. */
  drain(): Promise<void>;
}

export function isTransportConsumer(strategy: object): strategy is TransportConsumer {
  return transportConsumerKey in strategy;
}

export { transportConsumerKey };
