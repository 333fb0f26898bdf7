/** The start and the end of an application's connections: found handlers, checked plans, open connections, topology. */
import { Inject, Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { planConsumers, planWarnings, roleLines, type ConsumerPlan } from '../consuming/consumer-plan.js';
import { HandlerExplorer } from '../consuming/handler-explorer.js';
import { PublisherFactory } from '../publishing/publisher-factory.js';
import { refuseTransientHosts } from '../publishing/publisher-slots.js';
import { RecoveryService } from '../recovery/index.js';
import { RecoveryHooks } from '../recovery/recovery-hooks.js';
import { AmqpConnections } from './connections.js';
import { declareTopology } from './topology.js';

@Injectable()
export class AmqpStarter implements OnModuleInit, OnApplicationShutdown {
  readonly #connections: AmqpConnections;
  readonly #explorer: HandlerExplorer;
  readonly #publishers: PublisherFactory;
  readonly #modules: ModulesContainer;
  readonly #recovery: RecoveryService;
  readonly #hooks: RecoveryHooks;
  readonly #logger = new Logger('AmqpModule');
  #plans: readonly ConsumerPlan[] = [];

  constructor(
    @Inject(AmqpConnections) connections: AmqpConnections,
    @Inject(HandlerExplorer) explorer: HandlerExplorer,
    @Inject(PublisherFactory) publishers: PublisherFactory,
    @Inject(ModulesContainer) modules: ModulesContainer,
    @Inject(RecoveryService) recovery: RecoveryService,
    @Inject(RecoveryHooks) hooks: RecoveryHooks,
  ) {
    this.#connections = connections;
    this.#explorer = explorer;
    this.#publishers = publishers;
    this.#modules = modules;
    this.#recovery = recovery;
    this.#hooks = hooks;
  }

  /** What is to be consumed; known from `onModuleInit` on. */
  get plans(): readonly ConsumerPlan[] {
    return this.#plans;
  }

  /** Everything that can be wrong without a broker is found before one is asked. */
  async onModuleInit(): Promise<void> {
    try {
      refuseTransientHosts(this.#modules);
      // A factory that a test put in its place has no connections to check.
      if (this.#publishers instanceof PublisherFactory) this.#publishers.checkConnections();
      const handlers = await this.#explorer.explore();
      this.#plans = planConsumers(handlers, this.#connections);
      const { logs, warnings } = roleLines(handlers, this.#connections);
      this.#recovery.complete();
      // Before the first connection is there to be lost.
      this.#hooks.register();
      for (const log of logs) this.#logger.log(log);
      for (const warning of [...warnings, ...planWarnings(this.#plans)]) this.#logger.warn(warning);
      await Promise.all(this.#connections.all().map((connection) => this.#open(connection)));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #open(connection: ReturnType<AmqpConnections['all']>[number]): Promise<void> {
    await connection.open();
    const plans = this.#plans.filter((plan) => plan.connection === connection);
    await declareTopology(connection, plans, (message) => {
      this.#logger.warn(message);
    });
    if (this.#publishers instanceof PublisherFactory) await this.#publishers.openChannels(connection);
  }

  /** After every other hook: until then publishers work. */
  async onApplicationShutdown(): Promise<void> {
    await this.close();
  }

  /** Closes all connections. Never rejects, idempotent. */
  async close(): Promise<void> {
    await Promise.all(this.#connections.all().map((connection) => connection.close()));
    this.#recovery.end();
  }
}
