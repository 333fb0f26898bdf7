/** The consumer of a queue with handlers of `@Consume`, made of its plan. */
import { Logger } from '@nestjs/common';
import type { Delivery } from '../../amqp/index.js';
import type { QueueLayout } from '../formats/message-layout.js';
import type { ConsumerPlan, HandlerPlan } from './consumer-plan.js';
import { DeliveryRun, type ChosenTarget, type DeliveryTarget } from './delivery-run.js';
import { chooseByLayout, handlerFor } from './handler-choice.js';
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
  const targetOf = (handler: HandlerPlan | undefined): DeliveryTarget | undefined => handler && targets.get(handler);
  const { layout } = plan;
  const chosen = async (given: QueueLayout, delivery: Delivery, routingKey: string): Promise<ChosenTarget> => {
    const { handler, pattern, body } = await chooseByLayout(plan, given, delivery, routingKey);
    return { target: targetOf(handler), pattern, body };
  };
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
      const target = layout ? undefined : targetOf(handlerFor(plan, origin.routingKey));
      const choose = layout && (() => chosen(layout, delivery, origin.routingKey));
      return new DeliveryRun({ plan, target, choose, origin, failures, channel, delivery, logger, onStale });
    },
  });
}
