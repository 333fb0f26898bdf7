/** All consumers of an application: they start after every bootstrap hook and drain before any destroy hook. */
import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { AmqpStarter } from '../module/amqp-starter.js';
import { ConsumerRegistry } from './consumer-registry.js';
import { handlerConsumer } from './handler-consumer.js';
import { HandlerInvoker } from './handler-invoker.js';
import { isTransportConsumer, type TransportConsumer } from './transport-consumer.js';

@Injectable()
export class ConsumersService implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #starter: AmqpStarter;
  readonly #invoker: HandlerInvoker;
  readonly #registry: ConsumerRegistry;
  readonly #servers: TransportConsumer[] = [];
  readonly #logger = new Logger('AmqpModule');

  constructor(
    @Inject(AmqpStarter) starter: AmqpStarter,
    @Inject(HandlerInvoker) invoker: HandlerInvoker,
    @Inject(ConsumerRegistry) registry: ConsumerRegistry,
    @Inject(ModulesContainer) modules: ModulesContainer,
  ) {
    this.#starter = starter;
    this.#invoker = invoker;
    this.#registry = registry;
    // Nest tells of the strategies of this application: those that were there before, and those to come.
    modules.getRpcTargetRegistry<object>().subscribe((strategy) => {
      if (!isTransportConsumer(strategy)) return;
      this.#servers.push(strategy);
      registry.add(strategy.registered);
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    this.#warnOfSharedQueues();
    this.#registry.fill(
      this.#starter.plans.map((plan) => ({
        name: plan.name,
        handlers: plan.handlers.map(({ handler }) => handler.name),
        connection: plan.connection.name,
        consumer: handlerConsumer(plan, this.#invoker),
      })),
    );
    try {
      await this.#starter.whenReady((connection) => this.#registry.begin(connection));
    } catch (error) {
      await this.onModuleDestroy();
      await this.#starter.close();
      throw error;
    }
  }

  /** They may be queues of one name on two brokers, so it is no error. */
  #warnOfSharedQueues(): void {
    for (const { registered } of this.#servers) {
      const plan = this.#starter.plans.find(({ queue }) => queue === registered.consumer.queue);
      if (!plan) continue;
      this.#logger.warn(
        `the queue "${plan.queue}" is consumed by ${plan.title} and by ${registered.name}: on one broker each message would ` +
          'reach only one of the two',
      );
    }
  }

  /** In a hybrid application Nest itself would close strategies after all destroy hooks. */
  async onModuleDestroy(): Promise<void> {
    this.#starter.stopTrying();
    await Promise.all([this.#registry.end(), ...this.#servers.map((server) => server.drain())]);
  }
}
