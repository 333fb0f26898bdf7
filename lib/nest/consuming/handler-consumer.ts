/** The consumer of a queue with handlers of `@Consume`, made of its plan. */
import { Logger } from '@nestjs/common';
import type { Delivery } from '../../amqp/index.js';
import type { ConsumerPlan, HandlerPlan } from './consumer-plan.js';
import { DeliveryRun, type ChosenTarget, type DeliveryTarget } from './delivery-run.js';
import { chooseByLayout, handlerFor } from './handler-choice.js';
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
  const targetOf = (handler: HandlerPlan | undefined): DeliveryTarget | undefined => handler && targets.get(handler);
  const { layout } = plan;
  const choose =
    layout &&
    (async (delivery: Delivery): Promise<ChosenTarget> => {
      const { handler, pattern, body } = await chooseByLayout(plan, layout, delivery);
      return { target: targetOf(handler), pattern, body };
    });
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
      const target = choose ? undefined : targetOf(handlerFor(plan, delivery.routingKey));
      return new DeliveryRun({ plan, target, choose, parking, channel, delivery, logger, onStale });
    },
  });
}
