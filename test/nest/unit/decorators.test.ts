import 'reflect-metadata';
import { Ack, ConfigurationError, Consume, InjectPublisher, type AckPolicy, type ConsumeOptions } from 'leveret';

function decorate(decorator: MethodDecorator): () => void {
  return () => {
    class Orders {
      @decorator
      onOrder(): void {}
    }
    return Orders;
  };
}

const consume = (options: unknown): (() => void) => decorate(Consume(options as ConsumeOptions));
const ack = (policy: unknown): (() => void) => decorate(Ack(policy as AckPolicy));

describe('a decorator names class, method and option of what is wrong', () => {
  test.each<[string, unknown, string]>([
    ['an unknown option', { queue: 'q', prefech: 5 }, 'unknown option "prefech" (known: queue, exchange, '],
    ['a missing queue', { exchange: 'x' }, 'option "queue" is missing'],
    ['an empty queue', '', 'option "queue" must not be empty'],
    ['a name that is too long', 'q'.repeat(256), 'option "queue" is over 255 bytes long'],
    ['a wrong prefetch', { queue: 'q', prefetch: -1 }, 'option "prefetch" must be a whole number from 0 to 65535'],
    ['a wrong concurrency', { queue: 'q', concurrency: 0 }, 'option "concurrency" must be a whole number from 1'],
    [
      'a wrong type of queue',
      { queue: 'q', queueType: 'lazy' },
      `option "queueType" must be one of 'classic', 'quorum'`,
    ],
    ['keys without an exchange', { queue: 'q', routingKey: 'k' }, 'option "routingKey" needs an exchange'],
    [
      'an empty list of keys',
      { queue: 'q', exchange: 'x', routingKey: [] },
      'option "routingKey" must not be an empty',
    ],
    ['a wrong dead letter', { queue: 'q', deadLetter: 'dlx' }, 'option "deadLetter" must be { exchange, routingKey? }'],
    ['declare: false with arguments', { queue: 'q', declare: false, durable: true }, 'so durable has no effect'],
    [
      'a transient quorum queue',
      { queue: 'q', queueType: 'quorum', durable: false },
      'a quorum queue is always durable',
    ],
    [
      'a queue type twice',
      { queue: 'q', queueType: 'quorum', arguments: { 'x-queue-type': 'quorum' } },
      'say the same',
    ],
    [
      'a factory with more',
      { useFactory: () => 'q', queue: 'q' },
      'unknown option "queue" (known: inject, useFactory)',
    ],
    ['nothing at all', undefined, 'the options must be an object'],
  ])('@Consume: %s', (_name, options, problem) => {
    expect(consume(options)).toThrow(ConfigurationError);
    expect(consume(options)).toThrow(`Orders.onOrder: @Consume: `);
    expect(consume(options)).toThrow(problem);
  });

  test('@Consume belongs on a method of instances', () => {
    expect(() => {
      class Orders {
        readonly id = 1;
        @Consume('q')
        static onOrder(): void {}
      }
      return Orders;
    }).toThrow('Orders.onOrder: @Consume belongs on a named method of instances');
  });

  test.each<[string, unknown, string]>([
    ['an unknown option', { them: 'park' }, 'unknown option "them"'],
    ['an unknown outcome', { then: 'ignore' }, `option "then" must be one of 'park', 'dead-letter', 'requeue', 'drop'`],
    ['an unknown moment', { when: 'never' }, `option "when" must be one of 'after', 'before', 'manual'`],
    ['a negative retry', { retry: -1 }, 'option "retry" must be a whole number'],
    ['a retry without attempts', { retry: { delay: 5 } }, 'option "retry" needs "attempts"'],
    ['a wrong delay', { retry: { attempts: 1, delay: 'soon' } }, `must be milliseconds, a list of them, 'exponential'`],
    ['an unknown part of a delay', { retry: { attempts: 1, delay: { inital: 5 } } }, 'unknown option "inital"'],
    ['errors that are no pairs', { errors: [Error] }, 'must be a pair [ErrorClass, policy]'],
    ['errors without a class', { errors: [['Error', {}]] }, 'its first part must be a class'],
    ['a wrong policy in errors', { errors: [[Error, { when: 'before' }]] }, 'unknown option "when"'],
    [
      'a policy that cannot hold',
      { when: 'before', then: 'requeue' },
      'leaves nothing to settle, so then has no effect',
    ],
  ])('@Ack: %s', (_name, policy, problem) => {
    expect(ack(policy)).toThrow(ConfigurationError);
    expect(ack(policy)).toThrow('Orders.onOrder: @Ack: ');
    expect(ack(policy)).toThrow(problem);
  });

  test('@Ack takes every form of retry', () => {
    for (const delay of [5, [1, 2], 'exponential', { initial: 1, factor: 2, max: 9, jitter: true }]) {
      expect(ack({ retry: { attempts: 5, delay } })).not.toThrow();
    }
    expect(ack({ retry: 5, then: 'park', errors: [[Error, { retry: 0, then: 'dead-letter' }]] })).not.toThrow();
  });

  test('@Ack stands once on a method, and without a policy on a parameter', () => {
    expect(() => {
      class Orders {
        @Ack({ then: 'drop' })
        @Ack({ then: 'park' })
        onOrder(): void {}
      }
      return Orders;
    }).toThrow('Orders.onOrder: @Ack: there is another @Ack on the method');
    expect(() => {
      class Orders {
        onOrder(@Ack({ then: 'park' }) _settle: unknown): void {}
      }
      return Orders;
    }).toThrow('Orders.onOrder: @Ack on a parameter takes no policy');
  });

  test('@InjectPublisher: unknown and wrong options', () => {
    expect(() => {
      class Checkout {
        constructor(@InjectPublisher({ exchnge: 'x' } as object) _shop: unknown) {}
      }
      return Checkout;
    }).toThrow('Checkout (constructor parameter 0): @InjectPublisher: unknown option "exchnge"');
    expect(() => {
      class Checkout {
        @InjectPublisher({ timeout: -1 }) readonly shop!: unknown;
      }
      return Checkout;
    }).toThrow('Checkout (shop): @InjectPublisher: option "timeout" must be a whole number');
  });
});
