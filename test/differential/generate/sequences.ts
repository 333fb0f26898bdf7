/**
 * Makes sequences: what they declare, mostly as one would, then what happens there, with errors on purpose in between.
 *
 * Pure.
 */
import fc from 'fast-check';
import type { Step } from '../steps.js';
import {
  among,
  chance,
  exchangeName,
  oneOf,
  queueName,
  slot,
  type Arbitrary,
  type GeneratorOptions,
} from './choices.js';
import { exchangeDefinition, queueDefinition, type ExchangeDefinition, type QueueDefinition } from './definitions.js';
import { bind, bindExchange, call, consume, mistakes, publish, settle } from './operations.js';

/** What a sequence's names stand for, when they are declared as they should be. */
interface Plan {
  readonly queues: readonly QueueDefinition[];
  readonly exchanges: readonly ExchangeDefinition[];
}

type Planned = (plan: Plan) => Step;

const declareQueue = (options: GeneratorOptions): Arbitrary<Planned> =>
  fc
    .record({
      on: slot,
      index: fc.nat({ max: 3 }),
      passive: chance(15),
      noWait: chance(3),
      isOther: chance(20),
      isUnnamed: chance(3),
      other: queueDefinition(options),
    })
    .map(({ on, index, passive, noWait, isOther, isUnnamed, other }) => (plan) => ({
      call: 'queue.declare',
      on,
      fields: {
        queue: isUnnamed ? '' : `~q${index}`,
        passive,
        noWait,
        ...(isOther ? other : plan.queues[index]),
        ...(isUnnamed ? { exclusive: true, durable: false, arguments: {} } : {}),
      },
    }));

const declareExchange: Arbitrary<Planned> = fc
  .record({
    on: slot,
    index: fc.nat({ max: 2 }),
    passive: chance(15),
    noWait: chance(3),
    isOther: chance(20),
    other: exchangeDefinition,
  })
  .map(({ on, index, passive, noWait, isOther, other }) => (plan) => ({
    call: 'exchange.declare',
    on,
    fields: { exchange: `~e${index}`, passive, noWait, ...(isOther ? other : plan.exchanges[index]) },
  }));

const fixed = (step: Arbitrary<Step>): Arbitrary<Planned> => step.map((made) => () => made);

function action(options: GeneratorOptions): Arbitrary<Planned> {
  return oneOf<Planned>(
    [280, fixed(publish(options))],
    [110, fixed(consume)],
    [190, fixed(settle)],
    [70, fixed(call('basic.get', fc.record({ queue: queueName, noAck: chance(30) })))],
    [30, fixed(fc.record({ cancel: fc.nat({ max: 5 }) }))],
    [30, declareQueue(options)],
    [15, declareExchange],
    [30, fixed(bind('queue.bind'))],
    [10, fixed(bind('queue.unbind'))],
    [12, fixed(bindExchange('exchange.bind'))],
    [5, fixed(bindExchange('exchange.unbind'))],
    [
      14,
      fixed(
        call(
          'queue.delete',
          fc.record({ queue: queueName, ifUnused: chance(30), ifEmpty: chance(30), noWait: chance(5) }),
        ),
      ),
    ],
    [8, fixed(call('exchange.delete', fc.record({ exchange: exchangeName, ifUnused: chance(30), noWait: chance(5) })))],
    [12, fixed(call('queue.purge', fc.record({ queue: queueName })))],
    [
      30,
      fixed(
        call(
          'basic.qos',
          fc.record({ prefetchSize: fc.constant(0), prefetchCount: among(0, 1, 2, 3), global: chance(25) }),
        ),
      ),
    ],
    [15, fixed(call('basic.recover', fc.constant({ requeue: true })))],
    [25, fixed(call('confirm.select', fc.constant({})))],
    [12, fixed(call('tx.select', fc.constant({})))],
    [25, fixed(call('tx.commit', fc.constant({})))],
    [12, fixed(call('tx.rollback', fc.constant({})))],
    [18, fixed(call('channel.close', fc.constant({ replyCode: 200, replyText: 'bye', classId: 0, methodId: 0 })))],
    [3, fixed(fc.record({ hangUp: among<0 | 1>(0, 1) }))],
    [25, fixed(mistakes)],
    [options.hasShortLives ? 90 : 0, fixed(fc.constant({ wait: 60 }))],
  );
}

/** Declares most of what is planned, binds some of it, and then does this and that. */
export function sequences(options: GeneratorOptions): Arbitrary<Step[]> {
  const plan: Arbitrary<Plan> = fc.record({
    queues: fc.tuple(
      queueDefinition(options),
      queueDefinition(options),
      queueDefinition(options),
      queueDefinition(options),
    ),
    exchanges: fc.tuple(exchangeDefinition, exchangeDefinition, exchangeDefinition),
  });
  const isDeclared = fc.array(chance(80), { minLength: 7, maxLength: 7 });
  const bindings = fc.array(oneOf([5, bind('queue.bind')], [1, bindExchange('exchange.bind')]), {
    minLength: 2,
    maxLength: 5,
    size: 'max',
  });
  const actions = fc.array(action(options), { minLength: 10, maxLength: 30, size: 'max' });
  return fc.tuple(plan, isDeclared, bindings, actions).map(([planned, declared, bound, happening]) => {
    const prologue: Step[] = [];
    planned.exchanges.forEach((definition, index) => {
      if (declared[index])
        prologue.push({ call: 'exchange.declare', on: 0, fields: { exchange: `~e${index}`, ...definition } });
    });
    planned.queues.forEach((definition, index) => {
      if (declared[3 + index])
        prologue.push({ call: 'queue.declare', on: 0, fields: { queue: `~q${index}`, ...definition } });
    });
    const steps = [...prologue, ...bound, ...happening.map((make) => make(planned))];
    // Lives that are short end before the next step begins, so that how fast a broker is makes no difference.
    return options.hasShortLives
      ? steps.flatMap((step) => (isShortLived(step) ? [step, { wait: 60 }] : [step]))
      : steps;
  });
}

/** Anything that may bring a message into a queue where it lives short. */
function isShortLived(step: Step): boolean {
  if ('publish' in step || 'settle' in step || 'cancel' in step || 'hangUp' in step) return true;
  return (
    'call' in step && ['tx.commit', 'basic.recover', 'channel.close', 'queue.purge', 'basic.get'].includes(step.call)
  );
}
