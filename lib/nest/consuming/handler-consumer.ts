/** The consumer of a queue with handlers of `@Consume`, made of its plan. */
import { Logger } from '@nestjs/common';
import { handlerFor, type ConsumerPlan } from './consumer-plan.js';
import { DeliveryRun } from './delivery-run.js';
import type { HandlerInvoker } from './handler-invoker.js';
import { MessageConsumer } from './message-consumer.js';
import { originOf } from '../retrying/message-copy.js';
import { Parking } from '../retrying/parking.js';
import { Retries } from '../retrying/retries.js';
import type { FailureHost } from '../retrying/failure-settler.js';

const defaultDrainTimeout = 10_000;

export function handlerConsumer(plan: ConsumerPlan, invoker: HandlerInvoker): MessageConsumer {
  const { title, queue, connection, concurrency, prefetch, isAutoStarted } = plan;
  const logger = new Logger('AmqpConsumer');
  const hasGlobals = connection.options.globalEnhancers ?? true;
  const targets = new Map(
    plan.handlers.map((one) => [one, { ...one, invoke: invoker.prepare(one.handler, hasGlobals) }]),
  );
  const { parkingQueue } = plan;
  const failures: FailureHost = {
    logger,
    parking: new Parking(() => connection.publishChannel('for parking'), parkingQueue && (() => parkingQueue)),
    retries: new Retries(() => connection.publishChannel('for retries'), connection.delayQueues),
    waitsInMemory: false,
  };
  return new MessageConsumer({
    logger,
    title,
    queue,
    concurrency,
    isAutoStarted,
    consumeOptions: { prefetch },
    drainTimeout: connection.options.defaults?.drainTimeout ?? defaultDrainTimeout,
    openChannel: () => connection.connection.openChannel(),
    createRun: (channel, delivery, onStale) => {
      const origin = originOf(delivery, queue);
      const handler = handlerFor(plan, origin.routingKey);
      const target = handler && targets.get(handler);
      return new DeliveryRun({ plan, target, origin, failures, channel, delivery, logger, onStale });
    },
  });
}
