/** The consumer of a handler with `@Consume`, made of its plan. */
import { Logger } from '@nestjs/common';
import type { ConsumerPlan } from './consumer-plan.js';
import { DeliveryRun } from './delivery-run.js';
import type { Invoke } from './handler-invoker.js';
import { MessageConsumer } from './message-consumer.js';

const defaultDrainTimeout = 10_000;

export function handlerConsumer(plan: ConsumerPlan, invoke: Invoke): MessageConsumer {
  const { handler, queue, connection, concurrency, prefetch, isAutoStarted } = plan;
  const logger = new Logger('AmqpConsumer');
  return new MessageConsumer({
    logger,
    title: handler.name,
    queue,
    concurrency,
    isAutoStarted,
    consumeOptions: { prefetch },
    drainTimeout: connection.options.defaults?.drainTimeout ?? defaultDrainTimeout,
    openChannel: () => connection.connection.openChannel(),
    createRun: (channel, delivery, onStale) => new DeliveryRun(plan, channel, delivery, invoke, logger, onStale),
  });
}
