/**
 * Makes sequences: what they declare, mostly as one would, then what happens there, with errors on purpose in between.
 *
 * The pools of names are small, so that steps meet each other. Pure.
 */
import fc from 'fast-check';
import { TypedField, type BasicProperties, type FieldTable, type FieldValue } from '../../lib/amqp/protocol/index.js';
import type { Slot, Step } from './steps.js';

type Arbitrary<Value> = fc.Arbitrary<Value>;
type Weighted<Value> = readonly [number, Arbitrary<Value>];

/** What kinds of queues a sequence has: quorum queues take a hundred times as long. */
export interface GeneratorOptions {
  readonly hasQuorumQueues: boolean;
  /** Some messages expire, which must be waited for. */
  readonly hasShortLives: boolean;
}

const oneOf = <Value>(...choices: readonly Weighted<Value>[]): Arbitrary<Value> =>
  fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
const among = <Value>(...values: readonly Value[]): Arbitrary<Value> => fc.constantFrom(...values);
/** True in so many of a hundred cases. */
const chance = (percent: number): Arbitrary<boolean> =>
  fc.integer({ min: 0, max: 99 }).map((value) => value >= 100 - percent);

const slot: Arbitrary<Slot> = oneOf<Slot>(
  [5, fc.constant(0)],
  [3, fc.constant(1)],
  [3, fc.constant(2)],
  [1, fc.constant(3)],
);
const ownQueue = among('~q0', '~q1', '~q2', '~q3');
const ownExchange = among('~e0', '~e1', '~e2');
const queueName = oneOf<string>([60, ownQueue], [2, fc.constant('~none')], [2, fc.constant('')]);
const exchangeName = oneOf<string>([40, ownExchange], [1, fc.constant('~none')]);
const routingKey = among('a', 'a.b', 'a.b.c', 'b', '');
const bindingKey = among('a', 'a.b', 'a.*', 'a.#', '#', '*', '#.c', 'b', '', '*.*', 'a.#.c');

function table(choices: readonly Weighted<FieldTable>[], emptyWeight: number, most = 3): Arbitrary<FieldTable> {
  const some = fc.array(oneOf(...choices), { minLength: 1, maxLength: most });
  return oneOf<FieldTable>(
    [emptyWeight, fc.constant({})],
    [10, some.map((tables) => Object.assign({}, ...tables) as FieldTable)],
  );
}

const field = (name: string, ...values: readonly FieldValue[]): Arbitrary<FieldTable> =>
  among(...values).map((value) => ({ [name]: value }));

// --- queues ---------------------------------------------------------------------------------------

interface QueueDefinition {
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
  readonly arguments: FieldTable;
}

function queueArguments({ hasShortLives }: GeneratorOptions): Weighted<FieldTable>[] {
  return [
    [6, field('x-max-length', 0, 1, 2, 3)],
    [3, field('x-max-length-bytes', 0, 10, 20, 40)],
    [6, field('x-overflow', 'drop-head', 'reject-publish', 'reject-publish-dlx')],
    [3, field('x-max-priority', 0, 1, 2, 5, 255)],
    [8, field('x-dead-letter-exchange', '', '~e0', '~e1', '~none')],
    [
      6,
      among('~q1', '~q2', 'a', 'a.b').map((key) => ({
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': key,
      })),
    ],
    [4, field('x-single-active-consumer', true, true, false)],
    [hasShortLives ? 8 : 1, field('x-message-ttl', 0, 600_000, ...(hasShortLives ? [25, 25, 25] : []))],
    [1, field('x-expires', 600_000)],
    [1, field('x-queue-mode', 'default')],
    [1, field('x-queue-type', 'classic')],
    [1, field('x-queue-version', 1, 2)],
    [1, field('x-unknown', 'whatever', 5)],
    [2, wrongQueueArgument],
  ];
}

const wrongValues: readonly FieldValue[] = [-1, 'text', true, 1.5, null, [1], { a: 1 }];
const wrongQueueArgument = fc
  .tuple(
    among(
      ...['x-max-length', 'x-max-length-bytes', 'x-overflow', 'x-max-priority', 'x-dead-letter-exchange', 'x-expires'],
      ...['x-dead-letter-routing-key', 'x-single-active-consumer', 'x-message-ttl', 'x-queue-mode', 'x-queue-type'],
      ...['x-delivery-limit', 'x-dead-letter-strategy', 'x-max-age', 'x-queue-version'],
      ...['x-max-in-memory-length', 'x-max-in-memory-bytes', 'x-quorum-initial-group-size', 'x-queue-leader-locator'],
      ...['x-consumer-timeout', 'x-initial-cluster-size', 'x-stream-max-segment-size-bytes'],
    ),
    among<FieldValue>(...wrongValues, 0, 5, 256, 'other', 5_000_000_000),
  )
  // A queue or message that lives five milliseconds is gone sooner or later.
  .map(([name, value]) => ({ [name]: lives.includes(name) && (value === 5 || value === 256) ? 600_000 : value }));

const lives: readonly string[] = ['x-expires', 'x-message-ttl'];

function queueDefinition(options: GeneratorOptions): Arbitrary<QueueDefinition> {
  const plain = fc.record({
    durable: chance(60),
    exclusive: chance(10),
    autoDelete: chance(10),
    arguments: table(queueArguments(options), 8),
  });
  if (!options.hasQuorumQueues) return plain;
  const quorum = fc
    .record({
      durable: chance(98),
      exclusive: chance(1),
      autoDelete: chance(1),
      arguments: table(
        [
          ...queueArguments(options).filter((_, index) => ![3, 9, 10, 11].includes(index)),
          [8, field('x-delivery-limit', 0, 1, 2, 5, -1)],
          [1, field('x-max-priority', 3)],
          [1, field('x-dead-letter-strategy', 'at-most-once')],
        ],
        8,
      ),
    })
    .map((definition) => ({ ...definition, arguments: { ...definition.arguments, 'x-queue-type': 'quorum' } }));
  return oneOf<QueueDefinition>([2, quorum], [1, plain]);
}

// --- exchanges ------------------------------------------------------------------------------------

interface ExchangeDefinition {
  readonly type: string;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly internal: boolean;
  readonly arguments: FieldTable;
}

const exchangeDefinition: Arbitrary<ExchangeDefinition> = fc.record({
  type: oneOf<string>(
    [10, fc.constant('direct')],
    [10, fc.constant('fanout')],
    [10, fc.constant('topic')],
    [10, fc.constant('headers')],
  ),
  durable: chance(50),
  autoDelete: chance(10),
  internal: chance(6),
  arguments: table(
    [
      [10, field('alternate-exchange', '~e0', '~e1', '~e2', 'amq.direct', '~none')],
      [1, field('alternate-exchange', 5, true, '')],
      [2, field('x-other', 1, 'a')],
    ],
    25,
    2,
  ),
});

const headers: Arbitrary<FieldTable> = table(
  [
    [10, field('h', 1, 2, 'a', true, null, 1.5, new TypedField('int64', 1), new TypedField('int8', 1))],
    [10, field('i', 1, 'b')],
    [4, field('x-h', 1, 'b')],
    [4, field('CC', ['~q1'], ['a.b', 'b'], ['~q0', '~q2'], [])],
    [4, field('BCC', ['~q2'], ['a'], ['~q3', 5])],
    [1, field('CC', 'a', 5)],
    [1, field('x-death', [], 'a', [{ queue: '~q1', reason: 'rejected', count: 3 }])],
  ],
  10,
);

const bindingArguments: Arbitrary<FieldTable> = table(
  [
    [10, field('x-match', 'all', 'any', 'all-with-x', 'any-with-x')],
    [1, field('x-match', 'none', 5)],
    [10, field('h', 1, 2, 'a', true, null, 1.5)],
    [10, field('i', 1, 'b')],
    [4, field('x-h', 1, 'b')],
  ],
  10,
  3,
);

// --- steps ----------------------------------------------------------------------------------------

const call = (
  name: Extract<Step, { call: unknown }>['call'],
  fields: Arbitrary<Record<string, unknown>>,
): Arbitrary<Step> => fc.record({ call: fc.constant(name), on: slot, fields });

const bind = (name: 'queue.bind' | 'queue.unbind'): Arbitrary<Step> =>
  call(
    name,
    fc.record({
      queue: queueName,
      exchange: exchangeName,
      routingKey: bindingKey,
      arguments: oneOf([3, fc.constant({})], [2, bindingArguments]),
    }),
  );

const bindExchange = (name: 'exchange.bind' | 'exchange.unbind'): Arbitrary<Step> =>
  call(
    name,
    fc.record({
      source: exchangeName,
      destination: exchangeName,
      routingKey: bindingKey,
      arguments: oneOf([3, fc.constant({})], [2, bindingArguments]),
    }),
  );

function publish({ hasShortLives }: GeneratorOptions): Arbitrary<Step> {
  const target = oneOf<{ exchange: string; routingKey: string }>(
    [10, queueName.map((name) => ({ exchange: '', routingKey: name }))],
    [10, fc.record({ exchange: ownExchange, routingKey })],
    [1, fc.record({ exchange: exchangeName, routingKey })],
  );
  const properties = fc
    .record({
      headers: oneOf<FieldTable | undefined>([2, fc.constant(undefined)], [1, headers]),
      priority: oneOf<number | undefined>([3, fc.constant(undefined)], [2, among(0, 1, 2, 3, 9, 255)]),
      deliveryMode: oneOf<number | undefined>([8, fc.constant(undefined)], [2, fc.constant(1)], [1, fc.constant(2)]),
      expiration: oneOf<string | undefined>(
        [30, fc.constant(undefined)],
        [1, among('0', '600000')],
        [hasShortLives ? 15 : 0, fc.constant('25')],
        [1, among('-1', 'x', '1x', '', '99999999999', ' 5', '5 ', '+600000', '1.5')],
      ),
      userId: oneOf<string | undefined>([40, fc.constant(undefined)], [1, among('guest', 'other')]),
      replyTo: oneOf<string | undefined>([40, fc.constant(undefined)], [1, among('~q0', 'amq.rabbitmq.reply-to')]),
    })
    .map(
      (all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as BasicProperties,
    );
  return fc.record({
    publish: fc
      .record({ target, mandatory: chance(20), immediate: chance(0) })
      .map(({ target: to, mandatory }) => ({ ...to, ...(mandatory ? { mandatory } : {}) })),
    on: slot,
    properties,
    size: oneOf([6, fc.constant(0)], [1, among(8, 15, 30)]),
  });
}

const consume: Arbitrary<Step> = fc
  .record({
    on: slot,
    queue: queueName,
    noAck: chance(25),
    exclusive: chance(7),
    arguments: oneOf<FieldTable>(
      [10, fc.constant({})],
      [3, field('x-priority', -1, 1, 2)],
      [1, oneOf([5, field('x-other', 1)], [1, field('x-priority', 'a', 1.5, true)])],
    ),
    serial: fc.nat({ max: 60 }),
  })
  .map(({ on, serial, ...fields }) => ({
    call: 'basic.consume',
    on,
    fields: { ...fields, noLocal: false, noWait: false, consumerTag: `c${serial}` },
  }));

const settle: Arbitrary<Step> = fc.record({
  settle: oneOf<'ack' | 'nack' | 'reject'>(
    [5, fc.constant('ack')],
    [4, fc.constant('nack')],
    [3, fc.constant('reject')],
  ),
  pick: fc.nat({ max: 12 }),
  multiple: chance(20),
  requeue: chance(50),
});

const mistakes: Arbitrary<Step> = oneOf<Step>(
  [2, call('basic.ack', fc.record({ deliveryTag: among(0, 77), multiple: fc.boolean() }))],
  [1, call('basic.nack', fc.record({ deliveryTag: among(0, 77), multiple: fc.boolean(), requeue: fc.boolean() }))],
  [1, call('basic.reject', fc.record({ deliveryTag: among(0, 77), requeue: fc.boolean() }))],
  [
    1,
    call(
      'queue.delete',
      fc.record({ queue: among('~none', 'amq.gen-none'), ifUnused: chance(30), ifEmpty: chance(30) }),
    ),
  ],
  [
    1,
    call(
      'exchange.delete',
      fc.record({ exchange: among('', 'amq.direct', 'amq.none', '~none'), ifUnused: fc.boolean() }),
    ),
  ],
  [1, call('queue.declare', declareFields('queue', among('amq.mine', 'amq.', '~q3\n')))],
  [
    1,
    call(
      'exchange.declare',
      fc.record({
        exchange: among('amq.mine', '', 'amq.direct', '~e0'),
        type: among('direct', 'topic', 'nothing', ''),
        durable: fc.boolean(),
        arguments: fc.constant({}),
      }),
    ),
  ],
  [
    1,
    call(
      'basic.qos',
      fc.record({ prefetchSize: fc.constant(10), prefetchCount: fc.constant(1), global: fc.constant(false) }),
    ),
  ],
  [1, call('basic.recover', fc.constant({ requeue: false }))],
  [1, call('channel.flow', fc.constant({ active: false }))],
  [1, fc.record({ publish: fc.constant({ exchange: '', routingKey: '~q0', immediate: true }), on: slot })],
  [
    1,
    call(
      'queue.bind',
      fc.record({ queue: ownQueue, exchange: fc.constant(''), routingKey: bindingKey, arguments: fc.constant({}) }),
    ),
  ],
  [1, call('basic.cancel', fc.constant({ consumerTag: 'nobody' }))],
  [1, call('tx.commit', fc.constant({}))],
  [1, call('tx.rollback', fc.constant({}))],
);

function declareFields(kind: 'queue', name: Arbitrary<string>): Arbitrary<Record<string, unknown>> {
  return fc.record({
    [kind]: name,
    durable: fc.boolean(),
    exclusive: fc.constant(false),
    autoDelete: fc.constant(false),
    arguments: fc.constant({}),
  });
}

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
