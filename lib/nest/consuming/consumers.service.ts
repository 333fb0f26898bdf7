/** All consumers of an application: they start after every bootstrap hook and drain before any destroy hook. */
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ChannelClosedByBrokerError } from '../../amqp/index.js';
import { ConfigurationError } from '../errors.js';
import { AmqpStarter } from '../module/amqp-starter.js';
import type { ConsumerPlan } from './consumer-plan.js';
import { ConsumerRegistry } from './consumer-registry.js';
import { HandlerInvoker } from './handler-invoker.js';
import { MessageConsumer } from './message-consumer.js';

@Injectable()
export class ConsumersService implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #starter: AmqpStarter;
  readonly #invoker: HandlerInvoker;
  readonly #registry: ConsumerRegistry;

  constructor(
    @Inject(AmqpStarter) starter: AmqpStarter,
    @Inject(HandlerInvoker) invoker: HandlerInvoker,
    @Inject(ConsumerRegistry) registry: ConsumerRegistry,
  ) {
    this.#starter = starter;
    this.#invoker = invoker;
    this.#registry = registry;
  }

  async onApplicationBootstrap(): Promise<void> {
    const consumers = this.#starter.plans.map((plan) => {
      const consumer = new MessageConsumer(plan, this.#invoker.prepare(plan.handler));
      return { plan, consumer, start: () => startConsumer(plan, consumer) };
    });
    this.#registry.fill(consumers);
    try {
      await this.#starter.whenReady((connection) => this.#registry.startAll(connection));
    } catch (error) {
      await this.onModuleDestroy();
      await this.#starter.close();
      throw error;
    }
  }

  async onModuleDestroy(): Promise<void> {
    this.#starter.stopTrying();
    await this.#registry.end();
  }
}

async function startConsumer({ handler, queue }: ConsumerPlan, consumer: MessageConsumer): Promise<void> {
  try {
    await consumer.start();
  } catch (error) {
    if (!(error instanceof ChannelClosedByBrokerError)) throw error;
    const words = `${String(error.replyCode)} ${error.replyText}`;
    const problem = `consuming the queue "${queue}" was refused by the broker: ${words}`;
    throw new ConfigurationError(handler.name, problem, { cause: error });
  }
}
