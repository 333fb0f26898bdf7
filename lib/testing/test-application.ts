/**
 * A Nest application for a test: an unchanged module, on a broker of its own inside this process.
 *
 *   made --start()--> running --close()--> closed
 */
import { randomUUID } from 'node:crypto';
import type { INestApplication, NestApplicationOptions, Type } from '@nestjs/common';
import { NestFactory, type AbstractHttpAdapter } from '@nestjs/core';
import {
  connect,
  TimeoutError,
  WrongStateError,
  type Channel,
  type Connection,
  type PublishProperties,
} from '../amqp/index.js';
import { EmbeddedBroker, type BrokerOptions } from '../broker/index.js';
import { AmqpServer, type AmqpServerOptions } from '../nest/index.js';
import { Journal, type PublishedMessage, type SettledMessage } from './journal.js';
import { NoHttpAdapter } from './no-http.adapter.js';
import { findConnectors, redirected, virtualHostOf } from './redirect.js';

export interface TestApplicationOptions {
  /** Transport strategies that the application is connected to, as `connectMicroservice` would. Default: none. */
  strategies?: readonly (AmqpServerOptions | AmqpServer)[] | undefined;
  /** Options of the broker, for instance the version that it plays. Virtual hosts that are named are there. */
  broker?: BrokerOptions | undefined;
  /** Called before the application is initialised: global pipes, filters, shutdown hooks. */
  configure?: ((nest: INestApplication) => unknown) | undefined;
  /** Serves the HTTP side, for instance `new ExpressAdapter()`. Default: there is none. */
  http?: AbstractHttpAdapter | undefined;
  /** Nest's logger, which is one for the whole process. Default: errors only. */
  logger?: NestApplicationOptions['logger'];
  /** False: nothing is initialised, connected or consumed before `start()`. Default true. */
  start?: boolean | undefined;
}

export interface TestPublishOptions extends PublishProperties {
  /** Rejects with UnroutableError when no queue takes the message. Default true: a test wants to know. */
  mandatory?: boolean | undefined;
}

/** What an application is made of: its root module, or an application that `@nestjs/testing` made with overrides. */
export type TestedModule = Type | Parameters<typeof NestFactory.create>[0] | INestApplication;

const defaultSettleTimeout = 5_000;
/** Milliseconds between two looks at a queue. */
const lookInterval = 2;

/**
 * Makes an application of the module and starts it. Connections, clients and strategies found in it are pointed at a
 * private broker before they connect. Rejects with what kept it from starting, and leaves nothing open then.
 */
export async function testApplication(
  module: TestedModule,
  options: TestApplicationOptions = {},
): Promise<TestApplication> {
  const app = await TestApplication.create(module, options);
  if (options.start !== false) await app.start();
  return app;
}

export class TestApplication {
  /** The application itself. */
  readonly nest: INestApplication;
  /** The broker that it alone uses: `faults` breaks it, `inspect` shows what is in it. */
  readonly broker: EmbeddedBroker;
  readonly #journal: Journal;
  readonly #virtualHost: string;
  readonly #servers: readonly AmqpServer[];
  readonly #configure: TestApplicationOptions['configure'];
  #publishing: Promise<{ connection: Connection; channel: Channel }> | undefined;
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    nest: INestApplication,
    broker: EmbeddedBroker,
    virtualHost: string,
    servers: readonly AmqpServer[],
    configure: TestApplicationOptions['configure'],
  ) {
    this.nest = nest;
    this.broker = broker;
    this.#virtualHost = virtualHost;
    this.#servers = servers;
    this.#configure = configure;
    this.#journal = new Journal(broker, virtualHost);
  }

  /** @internal Use `testApplication`. */
  static async create(module: TestedModule, options: TestApplicationOptions): Promise<TestApplication> {
    const servers = (options.strategies ?? []).map((given) =>
      given instanceof AmqpServer ? given : new AmqpServer(given),
    );
    const nest = await applicationOf(module, options);
    let broker: EmbeddedBroker | undefined;
    try {
      const connectors = findConnectors(nest, servers);
      const [main = '/', ...others] = connectors.map(({ parameters }) => virtualHostOf(parameters));
      const virtualHosts = new Set([...(options.broker?.virtualHosts ?? []), main, ...others]);
      virtualHosts.delete('/');
      broker = await EmbeddedBroker.start({ ...options.broker, virtualHosts: [...virtualHosts] });
      for (const connector of connectors) connector.pointAt(redirected(connector.parameters, broker.memory(), main));
      return new TestApplication(nest, broker, main, servers, options.configure);
    } catch (error) {
      await nest.close();
      await broker?.stop();
      throw error;
    }
  }

  /** Initialises the application and starts its strategies, once; a second call waits for the first. */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    if (this.#closing) throw new WrongStateError('the application is closed');
    try {
      await this.#configure?.(this.nest);
      // Nest binds the handlers here and now, with the global pipes, filters and guards that there are by now.
      for (const strategy of this.#servers) this.nest.connectMicroservice({ strategy }, { inheritAppConfig: true });
      await this.nest.init();
      await this.nest.startAllMicroservices();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** An instance from the container, in whichever module it is. */
  get<Instance>(token: Type<Instance> | symbol | string): Instance {
    return this.nest.get<Instance>(token, { strict: false });
  }

  /**
   * Publishes as somebody else would: a value as JSON, bytes and strings as they are. Resolves when the broker
   * confirmed it; rejects with UnroutableError when no queue takes it.
   */
  async publish(
    exchange: string,
    routingKey: string,
    payload: unknown,
    options: TestPublishOptions = {},
  ): Promise<void> {
    const { mandatory = true, messageId = randomUUID(), ...properties } = options;
    const isBody = typeof payload === 'string' || payload instanceof Uint8Array;
    const { channel } = await this.#publisher();
    this.#journal.ignore(messageId);
    await channel.publish(
      exchange,
      routingKey,
      isBody ? payload : JSON.stringify(payload),
      { ...(isBody ? {} : { contentType: 'application/json' }), persistent: true, ...properties, messageId },
      { mandatory },
    );
  }

  /**
   * Waits until the queue is empty, nothing delivered from it is unsettled, and nothing that failed waits to be tried
   * again, and answers how its messages ended, in that order, since the start or the last call. A message that was
   * requeued or is tried again has not ended; its deliveries count as attempts. Rejects with TimeoutError after `timeout` milliseconds (default 5 000), WrongStateError for a queue that
   * is not there.
   */
  async settled(queue: string, options: { timeout?: number | undefined } = {}): Promise<SettledMessage[]> {
    const { timeout = defaultSettleTimeout } = options;
    const deadline = performance.now() + timeout;
    for (;;) {
      const info = this.broker.inspect.queue(queue, this.#virtualHost);
      if (!info) throw new WrongStateError(`there is no queue "${queue}"`);
      const waiting = this.#waitingForRetry(queue);
      if (info.messageCount + info.unackedCount + waiting === 0) return this.#journal.takeSettled(queue);
      if (performance.now() >= deadline) {
        const { messageCount, unackedCount, consumerCount } = info;
        throw new TimeoutError(
          `settling "${queue}" (${String(messageCount)} ready, ${String(unackedCount)} delivered, ` +
            `${waiting > 0 ? `${String(waiting)} to be tried again, ` : ''}${String(consumerCount)} consumers)`,
          timeout,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, lookInterval));
    }
  }

  /** Messages in the delay queues that go back to a queue. */
  #waitingForRetry(queue: string): number {
    const { inspect } = this.broker;
    const delays = inspect.queues(this.#virtualHost).filter(({ name }) => /^leveret\.delay\.\d+$/.test(name));
    const waiting = delays.flatMap(({ name }) => inspect.messages(name, this.#virtualHost));
    return waiting.filter(({ routingKey }) => routingKey === queue).length;
  }

  /** What the application published since it was made, to one exchange or to all. The test's own are left out. */
  published(exchange?: string): PublishedMessage[] {
    return this.#journal.published(exchange);
  }

  /** Closes the application, which drains its handlers, and then its broker. Idempotent; leaves no open handle. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.nest.close();
    } finally {
      const publishing = await this.#publishing?.catch(() => undefined);
      await publishing?.connection.close();
      await this.broker.stop();
    }
  }

  #publisher(): Promise<{ connection: Connection; channel: Channel }> {
    if (this.#closing) return Promise.reject(new WrongStateError('the application is closed'));
    this.#publishing ??= this.#openPublisher();
    return this.#publishing;
  }

  async #openPublisher(): Promise<{ connection: Connection; channel: Channel }> {
    const connection = await connect({
      transport: this.broker.memory(),
      virtualHost: this.#virtualHost,
      connectionName: 'leveret/testing',
      recovery: { initialDelay: 1, maxDelay: 100 },
    });
    return { connection, channel: await connection.openChannel({ confirm: true }) };
  }
}

async function applicationOf(module: TestedModule, options: TestApplicationOptions): Promise<INestApplication> {
  if (isApplication(module)) return module;
  return NestFactory.create(module, options.http ?? new NoHttpAdapter(), {
    logger: options.logger ?? ['error', 'fatal'],
    abortOnError: false,
  });
}

function isApplication(module: TestedModule): module is INestApplication {
  return typeof module === 'object' && 'connectMicroservice' in module;
}
