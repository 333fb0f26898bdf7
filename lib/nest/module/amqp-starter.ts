/** The start and the end of an application's connections: found handlers, checked plans, open connections, topology. */
import { Inject, Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { configurationLines, configuredHandlers } from '../consuming/configured-handlers.js';
import { delaysOfPlan, planConsumers, planWarnings, type ConsumerPlan } from '../consuming/consumer-plan.js';
import { HandlerExplorer } from '../consuming/handler-explorer.js';
import { describeError } from '../errors.js';
import { untilItWorks } from '../starting/in-background.js';
import { PublisherFactory } from '../publishing/publisher-factory.js';
import { refuseTransientHosts } from '../publishing/publisher-slots.js';
import { RecoveryService } from '../recovery/index.js';
import { RecoveryHooks } from '../recovery/recovery-hooks.js';
import { delayQueue } from '../retrying/delay-queues.js';
import { declareWishes } from '../starting/topology.js';
import { applyOverrides } from './connection-override.js';
import { AmqpConnections } from './connections.js';
import type { NamedConnection } from './named-connection.js';
import { topologyWishes } from './wanted-topology.js';

@Injectable()
export class AmqpStarter implements OnModuleInit, OnApplicationShutdown {
  readonly #connections: AmqpConnections;
  readonly #explorer: HandlerExplorer;
  readonly #publishers: PublisherFactory;
  readonly #modules: ModulesContainer;
  readonly #recovery: RecoveryService;
  readonly #hooks: RecoveryHooks;
  readonly #logger = new Logger('AmqpModule');
  /** Connections that are opened in the background: resolves when it is ready, or the application ends. */
  readonly #background = new Map<NamedConnection, Promise<void>>();
  readonly #ending = new AbortController();
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
      applyOverrides(this.#modules);
      refuseTransientHosts(this.#modules);
      this.#connections.complete();
      // A factory that a test put in its place has no connections to check.
      if (this.#publishers instanceof PublisherFactory) this.#publishers.checkConnections();
      const handlers = configuredHandlers(await this.#explorer.explore(), this.#connections);
      this.#plans = planConsumers(handlers);
      const { logs, warnings } = configurationLines(handlers, this.#connections);
      this.#recovery.complete();
      // Before the first connection is there to be lost.
      this.#hooks.register();
      for (const log of logs) this.#logger.log(log);
      for (const warning of [...warnings, ...planWarnings(this.#plans)]) this.#logger.warn(warning);
      await Promise.all(this.#connections.all().map((connection) => this.#begin(connection)));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Resolves when it is open and its topology declared; one in the background goes on by itself. */
  async #begin(connection: NamedConnection): Promise<void> {
    if (!connection.isInBackground) {
      await this.#open(connection, new Set());
      return;
    }
    const told = new Set<string>();
    const opening = this.#untilItWorks(connection, () => this.#open(connection, told));
    this.#background.set(connection, opening);
    // What is wrong without asking a broker is told at once, and ends the start.
    await Promise.race([opening, new Promise((resolve) => setImmediate(resolve))]);
    opening.catch(() => undefined);
  }

  /**
   * @internal Calls `startConsumers` with the name of each connection that is ready. Rejects with its failure, but for
   * connections in the background, for which it is called again until it works.
   */
  async whenReady(startConsumers: (connection: string) => Promise<void>): Promise<void> {
    await Promise.all(
      this.#connections.all().map(async (connection) => {
        const opening = this.#background.get(connection);
        if (!opening) await startConsumers(connection.name);
        else {
          const starting = opening.then(() => this.#untilItWorks(connection, () => startConsumers(connection.name)));
          starting.catch((error: unknown) => {
            this.#logger.error(`connection "${connection.name}" is given up: ${describeError(error).message}`);
          });
        }
      }),
    );
  }

  /** @internal Nothing is begun any more in the background. */
  stopTrying(): void {
    this.#ending.abort();
  }

  #untilItWorks(connection: NamedConnection, action: () => Promise<void>): Promise<void> {
    return untilItWorks(action, {
      signal: AbortSignal.any([this.#ending.signal, connection.closing]),
      logger: this.#logger,
      title: `connection "${connection.name}"`,
    });
  }

  /** `told` are the warnings that were given: in the background each is given once, however often it is tried. */
  async #open(connection: NamedConnection, told: Set<string>): Promise<void> {
    await connection.open();
    const plans = this.#plans.filter((plan) => plan.connection === connection);
    const warn = (message: string): void => {
      if (!told.has(message)) this.#logger.warn(message);
      told.add(message);
    };
    await declareWishes(connection.connection, topologyWishes(connection, plans), {
      choice: connection.options.conflicts ?? 'fail',
      limit: connection.isInBackground ? Infinity : connection.startLimit,
      signal: connection.closing,
      warn,
    });
    await this.#declareDelays(connection, plans, warn);
    if (this.#publishers instanceof PublisherFactory) await this.#publishers.openChannels(connection);
    connection.ready();
  }

  /** The queues in which failed messages are to wait. An application starts without them, too. */
  async #declareDelays(
    { delayQueues, name }: NamedConnection,
    plans: readonly ConsumerPlan[],
    warn: (message: string) => void,
  ): Promise<void> {
    const retrying = plans.filter((plan) => !plan.waitsInMemory && delaysOfPlan(plan).length > 0);
    const delays = [...new Set(retrying.flatMap(delaysOfPlan))].sort((a, b) => a - b);
    const targets = retrying.map(({ queue }) => queue);
    const states = await Promise.all([
      ...delays.map((delay) => delayQueues.ensureDelay(delay)),
      ...targets.map((queue) => delayQueues.ensureTarget('', queue)),
    ]);
    for (const [index, { isThere, problem }] of states.entries()) {
      if (problem === undefined) continue;
      const delay = delays[index];
      const title =
        delay === undefined
          ? `the way back to "${String(targets[index - delays.length])}"`
          : `the delay queue "${delayQueue(delay)}"`;
      const consequence = isThere ? '' : '; failed messages wait for their retry in memory';
      warn(`connection "${name}": ${title} was ${problem}${consequence}`);
    }
  }

  /** After every other hook: until then publishers work. */
  async onApplicationShutdown(): Promise<void> {
    await this.close();
  }

  /** Closes all connections. Never rejects, idempotent. */
  async close(): Promise<void> {
    this.stopTrying();
    await Promise.all(this.#connections.all().map((connection) => connection.close()));
    this.#recovery.end();
  }
}
