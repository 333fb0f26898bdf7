/** The consumer of a queue with handlers of `@Consume`, made of its plan. */
import { Logger } from '@nestjs/common';
import type { Delivery } from '../../amqp/index.js';
import { BatchLine } from '../flow/batch-line.js';
import { defaultBatchWait } from '../flow/batch-options.js';
import { Deadlines } from '../flow/deadlines.js';
import { Lanes } from '../flow/lanes.js';
import { keyReader } from '../flow/ordering.js';
import { PlainLine, type WaitingLine } from '../flow/waiting-line.js';
import type { QueueLayout } from '../formats/message-layout.js';
import { consumerTimeoutOf, type ConsumerPlan, type HandlerPlan } from './consumer-plan.js';
import { DeliveryRun, type ChosenTarget, type RunTarget } from './delivery-run.js';
import { chooseByLayout, handlerFor } from './handler-choice.js';
import type { HandlerInvoker, Invoke } from './handler-invoker.js';
import { MessageConsumer } from './message-consumer.js';
import { originOf } from '../retrying/message-copy.js';
import { Parking } from '../retrying/parking.js';
import { Retries } from '../retrying/retries.js';
import type { FailureHost } from '../retrying/failure-settler.js';

const defaultDrainTimeout = 10_000;

export function handlerConsumer(plan: ConsumerPlan, invoker: HandlerInvoker): MessageConsumer {
  const { title, queue, connection, concurrency, prefetch, isAutoStarted, autoPause } = plan;
  const logger = new Logger('AmqpConsumer');
  const hasGlobals = connection.options.globalEnhancers ?? true;
  const targets = new Map<HandlerPlan, RunTarget>();
  const prepare = (one: HandlerPlan): Invoke => invoker.prepare(one.handler, hasGlobals, plan.batch !== undefined);
  for (const one of plan.handlers) if (!plan.batch) targets.set(one, target(one, prepare(one)));
  const targetOf = (handler: HandlerPlan | undefined): RunTarget | undefined => handler && targets.get(handler);
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
    waitsInMemory: plan.waitsInMemory,
    onHeld: (verdict) => {
      consumer.note(verdict);
    },
  };
  const consumer: MessageConsumer = new MessageConsumer({
    logger,
    title,
    queue,
    concurrency,
    isAutoStarted,
    autoPause,
    consumeOptions: { prefetch },
    drainTimeout: connection.options.defaults?.drainTimeout ?? defaultDrainTimeout,
    consumerTimeout: () => consumerTimeoutOf(plan, connection.connection.serverProperties['version']),
    openChannel: () => connection.connection.openChannel(),
    createLine: (onReady) => createLine(plan, targets, prepare, onReady),
    createRun: (channel, delivery, onStale) => {
      const origin = originOf(delivery, queue);
      const target = layout ? undefined : targetOf(handlerFor(plan, origin.routingKey));
      const choose = layout && (() => chosen(layout, delivery, origin.routingKey));
      return new DeliveryRun({ plan, target, choose, origin, failures, channel, delivery, logger, onStale });
    },
  });
  return consumer;
}

function target(one: HandlerPlan, invoke: RunTarget['invoke']): RunTarget {
  return { ...one, invoke, deadlines: deadlinesOf(one) };
}

function deadlinesOf({ timeout }: HandlerPlan): Deadlines | undefined {
  return timeout === undefined ? undefined : new Deadlines(timeout);
}

/** With batches the messages of a handler call its line in its place, and know no time limit of their own. */
function createLine(
  { batch, ordered, handlers, queue }: ConsumerPlan,
  targets: Map<HandlerPlan, RunTarget>,
  prepare: (one: HandlerPlan) => Invoke,
  onReady: () => void,
): WaitingLine {
  const [one] = handlers;
  if (batch && one) {
    const { size, wait = defaultBatchWait } = batch;
    const { timeout, handler } = one;
    const line = new BatchLine({
      handler: { name: handler.name, invoke: prepare(one), timeout, deadlines: deadlinesOf(one) },
      size,
      wait,
      onReady,
    });
    targets.set(one, target({ ...one, timeout: undefined }, line.invoke));
    return line;
  }
  return ordered ? new Lanes(keyReader(ordered, () => queue)) : new PlainLine();
}
