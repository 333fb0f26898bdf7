/** Queues and exchanges as sequences declare them: with arguments that mean something, and now and then with wrong ones. Pure. */
import fc from 'fast-check';
import type { FieldTable, FieldValue } from '../../../lib/amqp/protocol/index.js';
import { among, chance, field, oneOf, table, type Arbitrary, type GeneratorOptions, type Weighted } from './choices.js';

// --- queues ---------------------------------------------------------------------------------------

export interface QueueDefinition {
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

export function queueDefinition(options: GeneratorOptions): Arbitrary<QueueDefinition> {
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

export interface ExchangeDefinition {
  readonly type: string;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly internal: boolean;
  readonly arguments: FieldTable;
}

export const exchangeDefinition: Arbitrary<ExchangeDefinition> = fc.record({
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
