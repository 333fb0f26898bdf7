/**
 * What a test does with an application on a private broker: publishes to it, waits for what it makes of that, lets time pass, and
 * looks at what it declared. `testApplication` gives one, and AmqpTestingModule provides one.
 */
import { randomUUID } from 'node:crypto';
import { ArgumentError, TimeoutError, WrongStateError, type PublishProperties } from '../amqp/index.js';
import type { EmbeddedBroker } from '../broker/index.js';
import { shown } from '../broker/shown.js';
import { meet } from './expectation.js';
import {
  consumedExpectation,
  publishedExpectation,
  settledExpectation,
  type ConsumedExpectation,
  type PublishedExpectation,
  type SettledExpectation,
} from './expectations.js';
import { HandledMessages, type ConsumedMessage } from './handled-messages.js';
import { Journal, type EndedMessage, type PublishedMessage, type SettledMessage } from './journal.js';
import { assertBytesFlow, now, pause } from './real-time.js';
import { refusalOf, TestPublisher } from './test-publisher.js';
import { topologySnapshot, type TopologyOptions, type TopologySnapshot } from './topology-snapshot.js';
import { toldOf, WaitingMessages } from './waiting-messages.js';

export interface TestPublishOptions extends PublishProperties {
  /** Rejects with UnroutableError when no queue takes the message. Default true: a test wants to know. */
  mandatory?: boolean | undefined;
}

export interface SettledOptions {
  /** Milliseconds, of real time. Default 5 000. */
  timeout?: number | undefined;
  /** Messages that wait for another try need not wait: the broker's time is moved on to when they are due. Default false. */
  skipDelays?: boolean | undefined;
}

export interface IdleOptions {
  /** Milliseconds, of real time. Default 5 000. */
  timeout?: number | undefined;
}

export interface AdvanceOptions {
  /**
   * Milliseconds, of real time, that a handler has for a message before what is due next. One that takes longer is left at
   * work, and so is a message that is requeued again and again for as long. Default 1 000.
   */
  patience?: number | undefined;
}

const defaultTimeout = 5_000;
const defaultPatience = 1_000;
/** So many times that long the application is waited for, at each thing that is due, whatever it does. */
const mostPatience = 5;
/** Milliseconds between two looks at a queue. */
const lookInterval = 2;

export class AmqpTesting {
  /** The broker that the application alone uses: `faults` breaks it, `inspect` shows what is in it. */
  readonly broker: EmbeddedBroker;
  readonly #journal: Journal;
  readonly #handled: HandledMessages;
  readonly #waiting: WaitingMessages;
  readonly #publisher: TestPublisher;
  #ending: Promise<void> | undefined;

  /** @internal `sources`: whatever the application consumes by. */
  constructor(broker: EmbeddedBroker, virtualHost: string, sources: ReadonlySet<object>) {
    this.broker = broker;
    this.#publisher = new TestPublisher(broker);
    this.#journal = new Journal(broker, virtualHost);
    this.#handled = new HandledMessages(sources);
    this.#waiting = new WaitingMessages(
      broker,
      () => this.virtualHost,
      (isLeft) => this.#journal.length + this.#handled.count(isLeft),
    );
  }

  /** The virtual host of the application's first connection: what is told here happens in it. */
  get virtualHost(): string {
    return this.#journal.virtualHost;
  }

  /** @internal Before anything connects. */
  useVirtualHost(name: string): void {
    this.#journal.virtualHost = name;
  }

  // --- messages ---------------------------------------------------------------------------------

  /**
   * Publishes as somebody else would: a value as JSON, bytes and strings as they are, over a connection that `broker.faults`
   * leave alone. Resolves when the broker confirmed it; rejects with UnroutableError when no queue takes it, WrongStateError
   * where there is no such exchange, and ChannelClosedByBrokerError for what the broker refuses otherwise.
   */
  async publish(
    exchange: string,
    routingKey: string,
    payload: unknown,
    options: TestPublishOptions = {},
  ): Promise<void> {
    assertBytesFlow();
    const { mandatory = true, messageId = randomUUID(), ...properties } = options;
    const isBody = typeof payload === 'string' || payload instanceof Uint8Array;
    this.#assertNotOver();
    const channel = await this.#publisher.channel(this.virtualHost);
    this.#assertExchange(exchange);
    this.#journal.ignore(messageId);
    try {
      await channel.publish(
        exchange,
        routingKey,
        isBody ? payload : JSON.stringify(payload),
        { ...(isBody ? {} : { contentType: 'application/json' }), persistent: true, ...properties, messageId },
        { mandatory },
      );
    } catch (error) {
      throw refusalOf(error);
    }
  }

  /** The broker would close the channel for it, under all that is being published. */
  #assertExchange(exchange: string): void {
    if (exchange === '' || this.broker.inspect.exchanges(this.virtualHost).some(({ name }) => name === exchange))
      return;
    throw new WrongStateError(`there is no exchange "${exchange}"`);
  }

  /** What the application published since it was made, to one exchange or to all. The test's own are left out. */
  published(exchange?: string): PublishedMessage[] {
    return this.#journal.published(exchange);
  }

  /**
   * What handlers were given, and how each run ended: of one queue, of one handler (`Class.method`, or the pattern of a transport
   * strategy), or of all.
   */
  consumed(queueOrHandler?: string): ConsumedMessage[] {
    return this.#handled.of(queueOrHandler);
  }

  /**
   * Waits until the queue is empty, nothing delivered from it is unsettled, and nothing that failed waits to be tried
   * again, and answers how its messages ended, in that order, since the start or the last call. A message that was
   * requeued or is tried again has not ended; its deliveries count as attempts. Rejects with TimeoutError after `timeout`
   * milliseconds, WrongStateError for a queue that is not there, and for an application that is closed.
   */
  async settled(queue: string, options: SettledOptions = {}): Promise<SettledMessage[]> {
    assertBytesFlow();
    const { timeout = defaultTimeout, skipDelays = false } = options;
    const deadline = now() + timeout;
    for (;;) {
      this.#assertNotOver();
      const info = this.broker.inspect.queue(queue, this.virtualHost);
      if (!info) throw new WrongStateError(`there is no queue "${queue}"`);
      const isAtRest = info.messageCount + info.unackedCount === 0;
      const waiting = this.#waiting.forRetry(queue);
      if (isAtRest && waiting === 0) return this.#journal.takeSettled(queue);
      if (now() >= deadline) {
        const retries = waiting > 0 ? `, ${String(waiting)} to be tried again` : '';
        throw new TimeoutError(`settling ${toldOf(info)}${retries}`, timeout);
      }
      if (isAtRest && skipDelays) this.broker.advance(this.broker.untilNextDue ?? 0);
      await pause(lookInterval);
    }
  }

  // --- expectations -----------------------------------------------------------------------------

  /**
   * Waits for a message that the application publishes, or published before; once it is closed, not any more. Resolves with all that are so; rejects with
   * ExpectationError, which says what came instead, and with ArgumentError.
   */
  async expectPublished(expected: PublishedExpectation = {}): Promise<PublishedMessage[]> {
    assertBytesFlow();
    return await meet(
      publishedExpectation(expected, () => this.#journal.published(undefined)),
      this.#waiting,
      () => this.isOver,
    );
  }

  /**
   * Waits for a run of a handler to end, or for one that ended before. Resolves with all that are so; rejects with
   * ExpectationError, which says what came instead, and with ArgumentError.
   */
  async expectConsumed(expected: ConsumedExpectation = {}): Promise<ConsumedMessage[]> {
    assertBytesFlow();
    return await meet(
      consumedExpectation(expected, () => this.#handled.of(undefined)),
      this.#waiting,
      () => this.isOver,
    );
  }

  /**
   * Waits for a message to end in a queue, or for one that ended before; `settled` still tells of it. Resolves with all that
   * are so; rejects with ExpectationError, which says what came instead, and with ArgumentError.
   */
  async expectSettled(expected: SettledExpectation = {}): Promise<EndedMessage[]> {
    assertBytesFlow();
    return await meet(
      settledExpectation(expected, () => this.#journal.ended()),
      this.#waiting,
      () => this.isOver,
    );
  }

  // --- time -------------------------------------------------------------------------------------

  /**
   * Waits until nothing is at work: no delivery is unsettled, no consumer has anything to get, and nothing is on its way.
   * What waits for its time (a retry, a time to live) or has no consumer is left. Rejects with TimeoutError.
   */
  async idle({ timeout = defaultTimeout }: IdleOptions = {}): Promise<void> {
    assertBytesFlow();
    this.#assertNotOver();
    const deadline = now() + timeout;
    if (await this.#waiting.areQuiet(() => now() >= deadline)) return;
    throw new TimeoutError(`idle (${this.#waiting.told().join('; ')})`, timeout);
  }

  /**
   * So many milliseconds pass in the broker at once: times to live, expiries of queues, the delays of retries and of
   * publishers. It stops at each thing that is due, and goes on when the application has dealt with it: a message that fails
   * five times with a second, two, four, eight and sixteen between is there after `advance(31_000)`. What waits in the
   * application itself (timers, time limits of handlers, retries in memory) does not hurry: that is for fake timers. Throws
   * ArgumentError for what is no number of milliseconds.
   */
  async advance(milliseconds: number, { patience = defaultPatience }: AdvanceOptions = {}): Promise<void> {
    assertBytesFlow();
    this.#assertNotOver();
    if (!Number.isFinite(milliseconds) || milliseconds < 0) {
      throw new ArgumentError('milliseconds', `must be a number from 0 on, not ${shown(milliseconds)}`);
    }
    const rest = async (): Promise<void> => {
      // A message that goes round and round would never let it rest.
      const deadline = now() + patience * mostPatience;
      await this.#waiting.areQuiet(() => now() >= deadline, patience);
    };
    await rest();
    for (let remaining = milliseconds; ;) {
      const step = Math.min(remaining, this.broker.untilNextDue ?? remaining);
      this.broker.advance(step);
      remaining -= step;
      await rest();
      if (remaining <= 0) return;
    }
  }

  // --- topology ---------------------------------------------------------------------------------

  /** What is declared in the virtual host, sorted, as data for a snapshot. */
  topology(options: TopologyOptions = {}): TopologySnapshot {
    return topologySnapshot(this.broker, this.virtualHost, options);
  }

  // --- the end ----------------------------------------------------------------------------------

  /** @internal Nothing more is published by the test. */
  protected get isOver(): boolean {
    return this.#ending !== undefined;
  }

  /** @internal The test's own connection, and the broker. Idempotent. */
  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    this.#handled.stop();
    await this.#publisher.close();
    await this.broker.stop();
  }

  #assertNotOver(): void {
    if (this.isOver) throw new WrongStateError('the application is closed');
  }
}
