/**
 * For `Test.createTestingModule`: beside the application's module, it leads all of its connections to a private broker, which
 * ends with the application.
 */
import {
  Inject,
  Module,
  type DynamicModule,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { WrongStateError } from '../amqp/index.js';
import { EmbeddedBroker, type BrokerOptions } from '../broker/index.js';
import { AmqpServer } from '../nest/index.js';
import { overrideKey, type ConnectionOverride } from '../nest/module/connection-override.js';
import { firstToEnd, firstToOpen, setModuleDistance } from '../nest/module/module-order.js';
import { AmqpTesting } from './amqp-testing.js';
import { assertBytesFlow } from './real-time.js';
import { Redirection } from './redirect.js';

export interface AmqpTestingOptions {
  /** Options of the broker, for instance the version that it plays. */
  broker?: BrokerOptions | undefined;
  /**
   * Milliseconds that running handlers have when the application closes. Default: what the module and the strategies say,
   * 2 000 where they do not.
   */
  drainTimeout?: number | undefined;
}

const optionsToken = Symbol('AmqpTestingOptions');

/** Leads what is in the container before it connects, and closes what it led there after the application. */
class TestBroker implements ConnectionOverride, OnModuleInit, OnApplicationShutdown {
  readonly testing: AmqpTesting;
  readonly #redirection: Redirection;
  readonly #modules: ModulesContainer;
  readonly #servers: AmqpServer[] = [];

  constructor(broker: EmbeddedBroker, modules: ModulesContainer, drainTimeout: number | undefined) {
    this.#modules = modules;
    this.#redirection = new Redirection(broker, drainTimeout);
    this.testing = new AmqpTesting(broker, '/', this.#redirection.sources);
    // Strategies that the test connects to its application, before it listens with them.
    modules.getRpcTargetRegistry<object>().subscribe((strategy) => {
      if (!(strategy instanceof AmqpServer)) return;
      this.#servers.push(strategy);
      this[overrideKey]();
    });
  }

  /** The connections of AmqpModule ask for it, before the first is opened. */
  [overrideKey](): void {
    assertBytesFlow();
    if (this.#isOneOfSeveral) throw new WrongStateError('AmqpTestingModule is imported twice, with options of its own');
    this.#redirection.lead(this.#modules, this.#servers);
    this.testing.useVirtualHost(this.#redirection.virtualHost);
  }

  get #isOneOfSeveral(): boolean {
    return testBrokers(this.#modules).length > 1;
  }

  /** Before those of all other modules, where there may be clients without an AmqpModule. */
  onModuleInit(): void {
    this[overrideKey]();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#redirection.close();
    await this.testing.end();
  }
}

/** Ends all faults before the consumers say goodbye, which they could not to a broker that is silent. */
@Module({})
class EndOfFaults implements OnModuleDestroy {
  readonly #modules: ModulesContainer;

  constructor(@Inject(ModulesContainer) modules: ModulesContainer) {
    this.#modules = modules;
    setModuleDistance(modules, EndOfFaults, firstToEnd);
  }

  onModuleDestroy(): void {
    for (const { testing } of testBrokers(this.#modules)) testing.broker.faults.clear();
  }
}

function testBrokers(modules: ModulesContainer): TestBroker[] {
  const providers = [...modules.values()].flatMap((module) => [...module.providers.values()]);
  return providers.map(({ instance }) => instance).filter((instance) => instance instanceof TestBroker);
}

/**
 * Provides AmqpTesting. In `imports`, as it is or by `forRoot`; connections, clients and strategies of the application are led to a
 * broker of its own when it is initialised, wherever they are.
 */
@Module({
  imports: [EndOfFaults],
  providers: [
    {
      provide: TestBroker,
      inject: [ModulesContainer, { token: optionsToken, optional: true }],
      useFactory: async (modules: ModulesContainer, options: AmqpTestingOptions = {}) =>
        new TestBroker(await EmbeddedBroker.start(options.broker), modules, options.drainTimeout),
    },
    { provide: AmqpTesting, inject: [TestBroker], useFactory: ({ testing }: TestBroker) => testing },
  ],
  exports: [AmqpTesting],
})
export class AmqpTestingModule {
  constructor(@Inject(ModulesContainer) modules: ModulesContainer) {
    setModuleDistance(modules, AmqpTestingModule, firstToOpen);
  }

  static forRoot(options: AmqpTestingOptions = {}): DynamicModule {
    return { module: AmqpTestingModule, providers: [{ provide: optionsToken, useValue: options }] };
  }
}
