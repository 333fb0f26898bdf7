/** The consumer of a queue with handlers of `@Consume`, made of its plan. */
import { Logger } from '@nestjs/common';
import { handlerFor, type ConsumerPlan } from './consumer-plan.js';
import { DeliveryRun } from './delivery-run.js';
import type { HandlerInvoker } from './handler-invoker.js';
import { MessageConsumer } from './message-consumer.js';
import { Parking } from './parking.js';

const defaultDrainTimeout = 10_000;

export function handlerConsumer(plan: ConsumerPlan, invoker: HandlerInvoker): MessageConsumer {
  const { title, queue, connection, concurrency, prefetch, isAutoStarted } = plan;
  const logger = new Logger('AmqpConsumer');
  const hasGlobals = connection.options.globalEnhancers ?? true;
  const targets = new Map(
    plan.handlers.map((one) => [one, { ...one, invoke: invoker.prepare(one.handler, hasGlobals) }]),
  );
  const { parkingQueue } = plan;
  const parking = new Parking(() => connection.publishChannel('for parking'), parkingQueue && (() => parkingQueue));
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
      const handler = handlerFor(plan, delivery.routingKey);
      const target = handler && targets.get(handler);
      return new DeliveryRun({ plan, target, parking, channel, delivery, logger, onStale });
    },
  });
}
