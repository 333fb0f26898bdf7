/**
 * What the differential suite found once: each a short sequence, and what RabbitMQ answers to its last steps.
 *
 * `expected` was written down from real nodes; where versions differ, once for each.
 */
import { expectations } from './expectations.js';
import type { Step } from '../../../differential/steps.js';

export interface FidelityCase {
  readonly name: string;
  /** Steps that only prepare; what they answer is not compared. */
  readonly given?: readonly Step[];
  readonly when: readonly Step[];
}

type Fields = Readonly<Record<string, unknown>>;

const call = (name: Extract<Step, { call: unknown }>['call'], fields: Fields = {}, on: 0 | 1 | 2 | 3 = 0): Step => ({
  call: name,
  on,
  fields,
});
const declare = (queue: string, table: Fields = {}, more: Fields = {}, on: 0 | 1 | 2 | 3 = 0): Step =>
  call('queue.declare', { queue, durable: true, arguments: table, ...more }, on);
const declareExchange = (exchange: string, type: string, table: Fields = {}, more: Fields = {}): Step =>
  call('exchange.declare', { exchange, type, arguments: table, ...more });
const consume = (queue: string, consumerTag: string, more: Fields = {}, on: 0 | 1 | 2 | 3 = 0): Step =>
  call('basic.consume', { queue, consumerTag, ...more }, on);
const get = (queue: string, more: Fields = {}): Step => call('basic.get', { queue, ...more });
const publish = (routingKey: string, properties: Extract<Step, { publish: unknown }>['properties'] = {}): Step => ({
  publish: { exchange: '', routingKey },
  on: 0,
  properties,
});

export const cases: readonly FidelityCase[] = [
  {
    name: 'an exclusive queue is not durable, whatever was asked',
    given: [declare('~q', {}, { exclusive: true })],
    when: [declare('~q', {}, { exclusive: true, durable: false }), declare('~q', {}, { exclusive: true })],
  },
  {
    name: 'names under amq. are refused to a queue that is there too',
    when: [declare('amq.mine'), call('exchange.declare', { exchange: '', type: 'nothing' })],
  },
  {
    name: 'a passive declare takes an empty name for a name',
    given: [declare('~q')],
    when: [call('queue.declare', { queue: '', passive: true })],
  },
  {
    name: 'line breaks go out of names that are looked for',
    given: [declare('~q')],
    when: [call('queue.declare', { queue: '~q\n', passive: true })],
  },
  {
    name: 'who may not use a queue may unbind it from where it is not bound',
    given: [
      declareExchange('~e', 'direct'),
      declare('~q', {}, { exclusive: true }),
      call('queue.bind', { queue: '~q', exchange: '~e', routingKey: 'k' }),
    ],
    when: [
      call('queue.unbind', { queue: '~q', exchange: '~e', routingKey: 'other' }, 2),
      call('queue.unbind', { queue: '~q', exchange: '~e', routingKey: 'k' }, 2),
    ],
  },
  {
    name: 'what is wrong with a binding comes before whose queue it is for',
    given: [declareExchange('~e', 'headers'), declare('~q', {}, { exclusive: true })],
    when: [
      call('queue.bind', { queue: '~none', exchange: '~e', routingKey: '', arguments: { 'x-match': 5 } }, 2),
      call('queue.bind', { queue: '~q', exchange: '~e', routingKey: '', arguments: { 'x-match': 5 } }, 2),
      call('queue.bind', { queue: '~q', exchange: '~e', routingKey: '' }, 2),
    ],
  },
  {
    name: 'a quorum queue goes on counting what failed in the queue that a message died in',
    given: [
      declare('~q', { 'x-queue-type': 'quorum', 'x-dead-letter-exchange': '' }),
      consume('~q', 'a'),
      publish('~q'),
    ],
    when: [
      { settle: 'reject', pick: 0, multiple: false, requeue: false },
      { settle: 'reject', pick: 0, multiple: false, requeue: true },
      { settle: 'reject', pick: 0, multiple: false, requeue: true },
    ],
  },
  {
    name: 'a classic queue shows nothing of the counts of the quorum queue that a message died in',
    given: [
      declare('~q', { 'x-queue-type': 'quorum', 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': '~c' }),
      declare('~c'),
      consume('~q', 'a'),
      publish('~q'),
      { settle: 'reject', pick: 0, multiple: false, requeue: true },
      { settle: 'reject', pick: 0, multiple: false, requeue: false },
      { wait: 100 },
    ],
    when: [get('~c', { noAck: true })],
  },
  {
    name: 'that no queue was declared comes before a consumer tag that is in use',
    given: [declare('~q', {}, {}, 1), consume('~q', 'a')],
    when: [consume('', 'a')],
  },
  {
    name: 'an argument that only other queues know',
    when: [declare('~q', { 'x-delivery-limit': 2 }), declare('~q', { 'x-queue-type': 'quorum', 'x-max-priority': 2 })],
  },
  {
    name: 'wrong values of arguments',
    when: [
      declare('~q', { 'x-expires': 0 }),
      declare('~q', { 'x-message-ttl': 999_999_999_999 }),
      declare('~q', { 'x-overflow': true }),
      declare('~q', { 'x-max-priority': 256 }),
      declare('~q', { 'x-queue-version': 7 }),
      declare('~q', { 'x-queue-type': null }),
    ],
  },
  {
    name: 'a second declaration is compared in the order of the arguments that the queue knows',
    given: [declare('~q', { 'x-max-length': 1, 'x-expires': 600_000 })],
    when: [declare('~q', { 'x-max-length': 2, 'x-expires': 500_000 }), declare('~q', { 'x-expires': 600_000 })],
  },
  {
    name: 'an exchange that is there is compared before its arguments are checked',
    given: [declareExchange('~e', 'fanout')],
    when: [
      declareExchange('~e', 'topic', { 'alternate-exchange': 5 }),
      declareExchange('~f', 'topic', { 'alternate-exchange': 5 }),
    ],
  },
  {
    name: 'x-match of a wrong type, and of a wrong value',
    given: [declare('~q'), declareExchange('~e', 'headers')],
    when: [5, 'none'].map((mode) =>
      call('queue.bind', { queue: '~q', exchange: '~e', routingKey: '', arguments: { 'x-match': mode } }),
    ),
  },
  {
    name: 'a queue with a single active consumer has no exclusive one',
    given: [declare('~q', { 'x-single-active-consumer': true })],
    when: [consume('~q', 'c', { exclusive: true })],
  },
  ...(['classic', 'quorum'] as const).map((type) => ({
    name: `arguments of consumers that a ${type} queue does not know`,
    given: [declare('~q', { 'x-queue-type': type })],
    when: [
      consume('~q', 'a', { arguments: { 'x-stream-offset': 'last' } }),
      consume('~q', 'a', { arguments: { 'x-stream-filter': 'f', 'x-stream-offset': 5, 'x-unheard-of': true } }),
      consume('~q', 'a', { arguments: { 'x-stream-filter': 'f' } }),
      consume('~q', 'a', { arguments: { 'x-stream-match-unfiltered': true } }),
      consume('~q', 'a', { arguments: { 'x-stream-offset': 5, 'x-priority': 'high' } }),
      consume('~q', 'b', { arguments: { 'x-unheard-of': true }, exclusive: true }),
      consume('~q', 'a', { arguments: { 'x-stream-offset': 'last' } }),
      consume('~none', 'a', { arguments: { 'x-stream-offset': 'last' } }),
    ],
  })),
  {
    name: 'x-queue-master-locator, of mirrored queues that are no more',
    when: [
      declare('~q', { 'x-queue-master-locator': 'min-masters' }),
      declare('~s', { 'x-queue-type': 'quorum', 'x-queue-master-locator': 'min-masters' }),
      declare('~q'),
    ],
  },
  {
    name: 'expirations',
    given: [declare('~q')],
    when: [
      ...['+600000', '5 ', ' 5', '', '-1', '999999999999'].map((expiration) => publish('~q', { expiration })),
      get('~q'),
    ],
  },
  {
    name: 'wrong in more than one way: which is told',
    given: [declare('~q')],
    when: [publish('~q', { userId: 'other', expiration: 'x' }), publish('~q', { userId: 'other', headers: { CC: 5 } })],
  },
  {
    name: 'headers keep their types where one of them goes',
    given: [declare('~q')],
    when: [publish('~none', { headers: { BCC: ['~q'], big: 5_000_000_000, yes: true, none: null } }), get('~q')],
  },
  {
    name: 'a message in a full queue is dropped when it comes back',
    given: [declare('~q', { 'x-max-length': 0 }), consume('~q', 'c', {}, 2), publish('~q')],
    when: [call('channel.close', { replyCode: 200, replyText: '', classId: 0, methodId: 0 }, 2)],
  },
  {
    name: 'a consumer that was full waits behind the others',
    given: [
      declare('~q'),
      call('basic.qos', { prefetchSize: 0, prefetchCount: 1 }),
      consume('~q', 'a'),
      consume('~q', 'b'),
      ...[1, 2, 3].map(() => publish('~q')),
    ],
    when: [{ settle: 'ack', pick: 1 }, publish('~q'), { settle: 'ack', pick: 0 }, { settle: 'ack', pick: 0 }],
  },
  {
    name: 'a limit for each consumer lifts that of the channel',
    given: [
      declare('~q'),
      call('basic.qos', { prefetchSize: 0, prefetchCount: 1, global: true }),
      consume('~q', 'a'),
      publish('~q'),
      publish('~q'),
    ],
    when: [call('basic.qos', { prefetchSize: 0, prefetchCount: 5 })],
  },
  {
    name: 'messages counted by basic.get are without those that expired behind',
    given: [declare('~q'), publish('~q'), publish('~q', { expiration: '0' }), publish('~q')],
    when: [get('~q')],
  },
  {
    name: 'with priorities, an expired message at the head stays until the next delivery',
    given: [
      declare('~q', { 'x-max-priority': 5 }),
      publish('~q', { priority: 1 }),
      publish('~q', { priority: 2, expiration: '0' }),
    ],
    when: [declare('~q', { 'x-max-priority': 5 })],
  },
  {
    name: 'x-max-priority 0',
    given: [declare('~q', { 'x-max-priority': 0 }), publish('~q'), publish('~q', { priority: 9 })],
    when: [get('~q'), get('~q')],
  },
  {
    name: 'a transaction that a full queue refuses a part of',
    given: [declare('~q', { 'x-max-length': 0, 'x-overflow': 'reject-publish' }), call('tx.select'), publish('~q')],
    when: [call('tx.commit')],
  },
  {
    name: 'a transaction routes by the bindings at the time of the publish',
    given: [
      declareExchange('~e', 'fanout'),
      declare('~q'),
      call('tx.select'),
      { publish: { exchange: '~e', routingKey: '', mandatory: true }, on: 0 },
    ],
    when: [call('queue.bind', { queue: '~q', exchange: '~e', routingKey: '' }, 1), call('tx.commit')],
  },
  {
    name: 'a transaction publishes before it settles',
    given: [
      declare('~q'),
      call('basic.qos', { prefetchSize: 0, prefetchCount: 1 }),
      consume('~q', 'a'),
      publish('~q'),
      call('tx.select'),
      { settle: 'ack', pick: 0 },
      publish('~q', { priority: 1 }),
    ],
    when: [call('tx.commit')],
  },
  {
    name: 'a transaction that puts a message back and publishes another',
    given: [
      declare('~q'),
      consume('~q', 'a'),
      publish('~q'),
      call('tx.select'),
      { settle: 'nack', pick: 0, requeue: true },
      publish('~q'),
    ],
    when: [call('tx.commit')],
  },
  {
    name: 'a transaction joins what is settled in one way, step after step',
    given: [
      declare('~q', { 'x-queue-type': 'quorum', 'x-delivery-limit': 5 }),
      consume('~q', 'a'),
      publish('~q'),
      publish('~q'),
      publish('~q'),
      call('tx.select'),
      { settle: 'nack', pick: 2, requeue: true },
      { settle: 'nack', pick: 0, requeue: true },
      { settle: 'reject', pick: 0, requeue: true },
    ],
    when: [call('tx.commit')],
  },
  {
    name: 'the default exchange as an alternate finds no queue',
    given: [declareExchange('~e', 'fanout', { 'alternate-exchange': '' }), declare('~q')],
    when: [{ publish: { exchange: '~e', routingKey: '~q', mandatory: true }, on: 0 }],
  },
  {
    name: 'a quorum queue takes one message more than it should, and counts a get as a consumer',
    given: [
      declare('~q', { 'x-queue-type': 'quorum', 'x-max-length': 0, 'x-overflow': 'reject-publish' }),
      publish('~q'),
    ],
    when: [get('~q'), declare('~q', { 'x-queue-type': 'quorum', 'x-max-length': 0, 'x-overflow': 'reject-publish' })],
  },
  {
    name: 'what comes back to a quorum queue that is full goes to a consumer before it is too much',
    given: [declare('~q', { 'x-queue-type': 'quorum', 'x-max-length': 0 }), consume('~q', 'a'), publish('~q')],
    when: [{ settle: 'reject', pick: 0, requeue: true }, { cancel: 0 }, { settle: 'reject', pick: 0, requeue: true }],
  },
  {
    name: 'a quorum queue that refuses publishes takes dead letters',
    given: [
      declare('~q', { 'x-queue-type': 'quorum', 'x-max-length': 0, 'x-overflow': 'reject-publish' }),
      declare('~c', { 'x-max-length': 0, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': '~q' }),
      publish('~q'),
      publish('~c'),
    ],
    when: [call('queue.declare', { queue: '~q', passive: true })],
  },
  {
    name: 'what was got before a limit of the channel counts, also when it is settled',
    given: [
      declare('~q'),
      ...[1, 2, 3, 4].map(() => publish('~q')),
      get('~q'),
      call('basic.qos', { prefetchSize: 0, prefetchCount: 1, global: true }),
    ],
    when: [consume('~q', 'a'), { settle: 'ack', pick: 0 }, get('~q'), { settle: 'ack', pick: 1 }],
  },
  {
    name: 'a limit of the channel holds up consumers without acks too',
    given: [
      declare('~q'),
      publish('~q'),
      publish('~q'),
      get('~q'),
      call('basic.qos', { prefetchSize: 0, prefetchCount: 1, global: true }),
    ],
    when: [consume('~q', 'a', { noAck: true }), { settle: 'ack', pick: 0 }],
  },
  {
    name: 'the limit of a channel is nothing to consumers of quorum queues that were there before',
    given: [
      declare('~q', { 'x-queue-type': 'quorum' }),
      consume('~q', 'a'),
      publish('~q'),
      call('basic.qos', { prefetchSize: 0, prefetchCount: 1, global: true }),
    ],
    when: [publish('~q')],
  },
  {
    name: 'a quorum queue delivers what came back first, or last',
    given: [declare('~q', { 'x-queue-type': 'quorum' }), publish('~q'), publish('~q'), publish('~q')],
    when: [
      get('~q'),
      get('~q'),
      { settle: 'nack', pick: 1, requeue: true },
      { settle: 'nack', pick: 0, requeue: true },
    ],
  },
  {
    name: 'quorum queues and priorities',
    given: [
      declare('~q', { 'x-queue-type': 'quorum' }),
      ...[undefined, 1, 5, 4, 200, 0].map((priority) => publish('~q', priority === undefined ? {} : { priority })),
    ],
    when: [get('~q', { noAck: true })],
  },
  {
    name: 'a negative delivery limit',
    given: [declare('~q', { 'x-queue-type': 'quorum', 'x-delivery-limit': -1 }), publish('~q')],
    when: [get('~q'), { settle: 'reject', pick: 0, requeue: true }],
  },
  {
    name: 'what comes back to a quorum queue without a delivery limit has no priority any more',
    given: [
      declare('~q', { 'x-queue-type': 'quorum', 'x-delivery-limit': -1 }),
      publish('~q', { priority: 2 }),
      publish('~q', { priority: 3 }),
      get('~q'),
      { settle: 'nack', pick: 0, requeue: true },
      publish('~q'),
    ],
    when: [get('~q', { noAck: true }), get('~q', { noAck: true }), get('~q', { noAck: true })],
  },
  {
    name: 'a quorum queue with a single active consumer is not asked by basic.get',
    given: [declare('~q', { 'x-queue-type': 'quorum', 'x-single-active-consumer': true })],
    when: [get('~q')],
  },
  {
    name: 'deaths that a client wrote',
    given: [declare('~q', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': '~d' }), declare('~d')],
    when: [
      publish('~q', { headers: { 'x-death': [{ queue: '~q', reason: 'rejected', count: 3, mine: true }] } }),
      get('~q'),
      { settle: 'reject', pick: 0 },
      get('~d'),
    ],
  },
  {
    name: 'deaths that a client wrote, and that are none',
    given: [declare('~q', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': '~d' }), declare('~d')],
    // A list of something else ends the process of RabbitMQ 3.10's queue.
    when: ['a', []].flatMap((deaths, index) => [
      publish('~q', { headers: { 'x-death': deaths } }),
      get('~q'),
      { settle: 'reject', pick: index },
      get('~d'),
    ]),
  },
  {
    name: 'redelivered, of what was dead-lettered by nack and by reject',
    given: [
      declare('~q', { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': '~d' }),
      declare('~d'),
      publish('~q'),
      publish('~q'),
    ],
    when: [get('~q'), { settle: 'nack', pick: 0 }, get('~q'), { settle: 'reject', pick: 0 }, get('~d'), get('~d')],
  },
  {
    name: 'a quorum queue with priorities expires the first message of each, and of what came back',
    given: [
      declare('~q', { 'x-queue-type': 'quorum' }),
      publish('~q', { priority: 3 }),
      get('~q'),
      { settle: 'nack', pick: 0, requeue: true },
      publish('~q', { expiration: '0' }),
      publish('~q', { priority: 9, expiration: '0' }),
      { wait: 30 },
    ],
    when: [get('~q')],
  },
  {
    name: 'messages counted by basic.get of a quorum queue are without those that expired behind, if it needs no ack',
    given: [
      declare('~q', { 'x-queue-type': 'quorum' }),
      publish('~q'),
      publish('~q', { expiration: '0' }),
      publish('~q'),
      publish('~q', { expiration: '0' }),
    ],
    when: [get('~q'), get('~q', { noAck: true })],
  },
  {
    name: 'with priorities, an expired message at the head goes to a consumer that comes',
    given: [
      declare('~q', { 'x-max-priority': 5 }),
      publish('~q', { priority: 1 }),
      publish('~q', { priority: 2, expiration: '0' }),
    ],
    when: [consume('~q', 'a')],
  },
  {
    name: 'an error of the connection ends the channel that failed before the others',
    given: [declare('~q', {}, {}, 1), consume('~q', 'a', {}, 1), publish('~q'), consume('~q', 'b')],
    when: [call('channel.flow', { active: false })],
  },
  {
    name: 'consumers of a quorum queue that took their last come back in the order in which they can again',
    given: [
      declare('~q', { 'x-queue-type': 'quorum' }),
      call('basic.qos', { prefetchSize: 0, prefetchCount: 1 }),
      consume('~q', 'a'),
      consume('~q', 'b'),
      publish('~q'),
      publish('~q'),
      { settle: 'ack', pick: 1 },
      { settle: 'ack', pick: 0 },
    ],
    when: [publish('~q'), publish('~q')],
  },
  ...(['quorum', 'classic'] as const).map((type) => ({
    name: `one nack of what several consumers of a ${type} queue hold goes by their tags`,
    given: [
      declare('~q', { 'x-queue-type': type }),
      call('basic.qos', { prefetchSize: 0, prefetchCount: 2 }),
      consume('~q', 'b'),
      consume('~q', 'a'),
      ...[1, 2, 3, 4].map(() => publish('~q')),
    ],
    when: [call('basic.nack', { deliveryTag: 0, multiple: true, requeue: true })],
  })),
  {
    name: 'what the consumers of a channel held when it ended comes back to a quorum queue',
    given: [
      declare('~q', { 'x-queue-type': 'quorum' }),
      ...[1, 2, 3, 4].map(() => publish('~q')),
      call('basic.get', { queue: '~q' }, 1),
      call('basic.qos', { prefetchSize: 0, prefetchCount: 1 }, 1),
      consume('~q', 'b', {}, 1),
      consume('~q', 'a', {}, 1),
      call('channel.close', { replyCode: 200, replyText: '', classId: 0, methodId: 0 }, 1),
    ],
    when: [consume('~q', 'c')],
  },
  {
    name: 'the single active consumer of a quorum queue and one of higher priority',
    given: [
      declare('~q', { 'x-queue-type': 'quorum', 'x-single-active-consumer': true }),
      consume('~q', 'low'),
      publish('~q'),
      consume('~q', 'high', { arguments: { 'x-priority': 2 } }),
    ],
    when: [
      publish('~q'),
      { settle: 'nack', pick: 0, requeue: true },
      publish('~q'),
      { settle: 'ack', pick: 0 },
      { settle: 'ack', pick: 0 },
      { settle: 'ack', pick: 0 },
      call('basic.cancel', { consumerTag: 'high' }),
      publish('~q'),
    ],
  },
  {
    name: 'the single active consumer of a quorum queue makes way at once when it holds nothing',
    given: [
      declare('~q', { 'x-queue-type': 'quorum', 'x-single-active-consumer': true }),
      consume('~q', 'low'),
      consume('~q', 'middle', { arguments: { 'x-priority': 1 } }),
      consume('~q', 'high', { arguments: { 'x-priority': 2 } }),
    ],
    when: [
      publish('~q'),
      call('basic.cancel', { consumerTag: 'high' }),
      publish('~q'),
      call('basic.cancel', { consumerTag: 'middle' }),
      publish('~q'),
    ],
  },
  {
    name: 'a consumer of a quorum queue that was to make way gets nothing until it has settled all, also when nobody waits',
    given: [
      declare('~q', { 'x-queue-type': 'quorum', 'x-single-active-consumer': true }),
      consume('~q', 'low'),
      publish('~q'),
      publish('~q'),
      consume('~q', 'high', { arguments: { 'x-priority': 2 } }),
      call('basic.cancel', { consumerTag: 'high' }),
    ],
    when: [publish('~q'), { settle: 'ack', pick: 0 }, { settle: 'ack', pick: 0 }],
  },
  {
    name: 'of consumers of a quorum queue that wait, the one with most room is next',
    given: [
      declare('~q', { 'x-queue-type': 'quorum', 'x-single-active-consumer': true }),
      consume('~q', 'first'),
      call('basic.qos', { prefetchSize: 0, prefetchCount: 1 }),
      consume('~q', 'one'),
      call('basic.qos', { prefetchSize: 0, prefetchCount: 3 }),
      consume('~q', 'three'),
      call('basic.qos', { prefetchSize: 0, prefetchCount: 2 }),
      consume('~q', 'two'),
      call('basic.cancel', { consumerTag: 'first' }),
    ],
    when: [publish('~q'), call('basic.cancel', { consumerTag: 'three' }), publish('~q')],
  },
  {
    name: 'consumers of a deleted queue are told in the order of their tags',
    given: [declare('~q'), consume('~q', 'c2', {}, 2), consume('~q', 'c1', {}, 2)],
    when: [call('queue.delete', { queue: '~q' })],
  },
  {
    name: 'a quorum queue is not deleted on a condition',
    given: [declare('~q', { 'x-queue-type': 'quorum' })],
    when: [call('queue.delete', { queue: '~q', ifUnused: true })],
  },
  {
    name: 'a quorum queue has no exclusive consumer, and its messages count their deliveries',
    given: [declare('~q', { 'x-queue-type': 'quorum' }), publish('~q')],
    when: [
      get('~q'),
      { settle: 'reject', pick: 0, requeue: true },
      consume('~q', 'a', { exclusive: true }),
      consume('~q', 'b', { exclusive: true }),
    ],
  },
];

/** What RabbitMQ of a version answers. */
export function expectedOf({ name }: FidelityCase, version: '3.10' | '4.3'): readonly string[] {
  const expected = expectations[name];
  if (!expected) throw new Error(`no expectation for ${name}: run test/differential/record.ts`);
  return 'all' in expected ? expected.all : expected[version];
}
