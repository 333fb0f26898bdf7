/** Steps that need no plan: bindings, publishes, consumers, settlements, and mistakes. Pure. */
import fc from 'fast-check';
import { TypedField, type BasicProperties, type FieldTable } from '../../../lib/amqp/protocol/index.js';
import type { Step } from '../steps.js';
import {
  among,
  bindingKey,
  chance,
  exchangeName,
  field,
  oneOf,
  ownExchange,
  ownQueue,
  queueName,
  routingKey,
  slot,
  table,
  type Arbitrary,
  type GeneratorOptions,
} from './choices.js';

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

export const call = (
  name: Extract<Step, { call: unknown }>['call'],
  fields: Arbitrary<Record<string, unknown>>,
): Arbitrary<Step> => fc.record({ call: fc.constant(name), on: slot, fields });

export const bind = (name: 'queue.bind' | 'queue.unbind'): Arbitrary<Step> =>
  call(
    name,
    fc.record({
      queue: queueName,
      exchange: exchangeName,
      routingKey: bindingKey,
      arguments: oneOf([3, fc.constant({})], [2, bindingArguments]),
    }),
  );

export const bindExchange = (name: 'exchange.bind' | 'exchange.unbind'): Arbitrary<Step> =>
  call(
    name,
    fc.record({
      source: exchangeName,
      destination: exchangeName,
      routingKey: bindingKey,
      arguments: oneOf([3, fc.constant({})], [2, bindingArguments]),
    }),
  );

export function publish({ hasShortLives }: GeneratorOptions): Arbitrary<Step> {
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

export const consume: Arbitrary<Step> = fc
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

export const settle: Arbitrary<Step> = fc.record({
  settle: oneOf<'ack' | 'nack' | 'reject'>(
    [5, fc.constant('ack')],
    [4, fc.constant('nack')],
    [3, fc.constant('reject')],
  ),
  pick: fc.nat({ max: 12 }),
  multiple: chance(20),
  requeue: chance(50),
});

export const mistakes: Arbitrary<Step> = oneOf<Step>(
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
