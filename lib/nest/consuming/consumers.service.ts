/** All consumers of an application: they start after every bootstrap hook and drain before any destroy hook. */
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ChannelClosedByBrokerError } from '../../amqp/index.js';
import { ConfigurationError } from '../errors.js';
import { AmqpStarter } from '../module/amqp-starter.js';
import type { ConsumerPlan } from './consumer-plan.js';
import { HandlerInvoker } from './handler-invoker.js';
import { MessageConsumer } from './message-consumer.js';

const defaultDrainTimeout = 10_000;

interface RunningConsumer {
  readonly plan: ConsumerPlan;
  readonly consumer: MessageConsumer;
}

@Injectable()
export class ConsumersService implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #starter: AmqpStarter;
  readonly #invoker: HandlerInvoker;
  #consumers: readonly RunningConsumer[] = [];

  constructor(@Inject(AmqpStarter) starter: AmqpStarter, @Inject(HandlerInvoker) invoker: HandlerInvoker) {
    this.#starter = starter;
    this.#invoker = invoker;
  }

  async onApplicationBootstrap(): Promise<void> {
    this.#consumers = this.#starter.plans.map((plan) => ({
      plan,
      consumer: new MessageConsumer(plan, this.#invoker.prepare(plan.handler)),
    }));
    try {
      await Promise.all(this.#consumers.map((entry) => this.#start(entry)));
    } catch (error) {
      await this.onModuleDestroy();
      await this.#starter.close();
      throw error;
    }
  }

  async #start({ plan, consumer }: RunningConsumer): Promise<void> {
    try {
      await consumer.start();
    } catch (error) {
      if (!(error instanceof ChannelClosedByBrokerError)) throw error;
      const words = `${String(error.replyCode)} ${error.replyText}`;
      throw new ConfigurationError(
        plan.handler.name,
        `consuming the queue "${plan.queue}" was refused by the broker: ${words}`,
        { cause: error },
      );
    }
  }

  async onModuleDestroy(): Promise<void> {
    await Promise.all(
      this.#consumers.map(({ plan, consumer }) =>
        consumer.stop(plan.connection.options.defaults?.drainTimeout ?? defaultDrainTimeout),
      ),
    );
  }
}
