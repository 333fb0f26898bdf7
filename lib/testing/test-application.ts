/**
 * A Nest application for a test: an unchanged module, on a broker of its own inside this process.
 *
 *   made --start()--> running --close()--> closed
 */
import type { INestApplication, NestApplicationOptions, Type } from '@nestjs/common';
import { ModulesContainer, NestFactory, type AbstractHttpAdapter } from '@nestjs/core';
import { ArgumentError, WrongStateError } from '../amqp/index.js';
import { EmbeddedBroker, type BrokerOptions } from '../broker/index.js';
import { AmqpServer, type AmqpServerOptions } from '../nest/index.js';
import { shown } from '../broker/shown.js';
import { AmqpTesting } from './amqp-testing.js';
import { NoHttpAdapter } from './no-http.adapter.js';
import { assertBytesFlow } from './real-time.js';
import { Redirection } from './redirect.js';

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
  /**
   * Milliseconds, of time as the application's timers see it, that running handlers have when it closes. Default: what the
   * module and the strategies say, 2 000 where they do not.
   */
  drainTimeout?: number | undefined;
  /** False: nothing is initialised, connected or consumed before `start()`. Default true. */
  start?: boolean | undefined;
}

/** What an application is made of: its root module, or an application that `@nestjs/testing` made with overrides. */
export type TestedModule = Type | Parameters<typeof NestFactory.create>[0] | INestApplication;

/**
 * Makes an application of the module and starts it. Connections, clients and strategies found in it are pointed at a
 * private broker before they connect. Rejects with what kept it from starting, and leaves nothing open then; with ArgumentError
 * for what is no module, and with WrongStateError where fake timers hold up all connections.
 */
export async function testApplication(
  module: TestedModule,
  options: TestApplicationOptions = {},
): Promise<TestApplication> {
  const app = await TestApplication.create(module, options);
  if (options.start !== false) await app.start();
  return app;
}

export class TestApplication extends AmqpTesting {
  /** The application itself. */
  readonly nest: INestApplication;
  readonly #redirection: Redirection;
  readonly #servers: readonly AmqpServer[];
  readonly #configure: TestApplicationOptions['configure'];
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    nest: INestApplication,
    redirection: Redirection,
    broker: EmbeddedBroker,
    servers: readonly AmqpServer[],
    configure: TestApplicationOptions['configure'],
  ) {
    super(broker, redirection.virtualHost, redirection.sources);
    this.nest = nest;
    this.#redirection = redirection;
    this.#servers = servers;
    this.#configure = configure;
  }

  /** @internal Use `testApplication`. */
  static async create(module: TestedModule, options: TestApplicationOptions): Promise<TestApplication> {
    assertBytesFlow();
    assertModule(module);
    const servers = (options.strategies ?? []).map((given) =>
      given instanceof AmqpServer ? given : new AmqpServer(given),
    );
    const nest = await applicationOf(module, options);
    let broker: EmbeddedBroker | undefined;
    try {
      refuseTestingModule(nest);
      broker = await EmbeddedBroker.start(options.broker);
      const redirection = new Redirection(broker, options.drainTimeout);
      redirection.lead(nest.get(ModulesContainer), servers);
      return new TestApplication(nest, redirection, broker, servers, options.configure);
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
      assertBytesFlow();
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
   * Ends all faults, closes the application, which waits for its handlers (`drainTimeout`), and then its broker. Idempotent;
   * leaves no open handle.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  protected override get isOver(): boolean {
    return this.#closing !== undefined;
  }

  async #close(): Promise<void> {
    // An application cannot say goodbye to a broker that is silent.
    this.broker.faults.clear();
    try {
      await this.nest.close();
    } finally {
      await this.#redirection.close();
      await this.end();
    }
  }
}

async function applicationOf(module: TestedModule, options: TestApplicationOptions): Promise<INestApplication> {
  if (isApplication(module)) return module;
  return NestFactory.create(module, options.http ?? new NoHttpAdapter(), {
    logger: options.logger ?? ['error', 'fatal'],
    abortOnError: false,
  });
}

function assertModule(module: unknown): void {
  if (typeof module === 'object' && module !== null && 'createNestApplication' in module) {
    throw new ArgumentError(
      'module',
      'is a TestingModule: give what its createNestApplication() makes, or import AmqpTestingModule',
    );
  }
  if (typeof module === 'function' || (typeof module === 'object' && module !== null)) return;
  throw new ArgumentError('module', `must be a module class or an application, not ${shown(module)}`);
}

function isApplication(module: TestedModule): module is INestApplication {
  return typeof module === 'object' && 'connectMicroservice' in module;
}

/** Both would lead the connections away. */
function refuseTestingModule(nest: INestApplication): void {
  for (const { providers } of nest.get(ModulesContainer).values()) {
    for (const { instance } of providers.values()) {
      if (!(instance instanceof AmqpTesting)) continue;
      throw new WrongStateError('the application has an AmqpTestingModule: leave it out, or ask it for AmqpTesting');
    }
  }
}
