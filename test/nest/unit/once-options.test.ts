/** What is wrong with the options of idempotent handlers, of the outbox and of their stores, is told at once and by name. */
import 'reflect-metadata';
import { Controller, Injectable, type Type } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import {
  Ack,
  AmqpModule,
  AmqpServer,
  ConfigurationError,
  Consume,
  Idempotent,
  IdempotencyModule,
  MemoryIdempotencyStore,
  MemoryOutboxStore,
  OutboxModule,
  PostgresIdempotencyStore,
  PostgresOutboxStore,
  type IdempotencyModuleOptions,
  type IdempotentOptions,
  type OutboxModuleOptions,
} from 'leveret';
import { EmbeddedBroker } from 'leveret/broker';
import { closeApplications, startModule } from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';

const pool = {
  connect: (): void => {
    throw new Error('nobody is to connect');
  },
};
const store = new MemoryIdempotencyStore();

function thrown(action: () => unknown): Error {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

describe('@Idempotent', () => {
  test.each<[unknown, string]>([
    [{ kep: 1 }, 'Orders.onOrder: @Idempotent: unknown option "kep" (known: store, key, scope, keep, wait)'],
    [{ store: {} }, 'option "store" must be a store'],
    [{ store: '' }, 'option "store" must be a store'],
    [{ key: 'id' }, 'option "key" must be a function'],
    [{ scope: '' }, 'option "scope" must not be empty'],
    [{ scope: 'a\0b' }, 'option "scope" must not contain a NUL'],
    [{ keep: 0 }, 'option "keep" must be a whole number from 1'],
    [{ wait: 0 }, 'option "wait" must be a whole number from 100'],
    [5, 'the options must be an object'],
  ])('%j', (options, text) => {
    const error = thrown(() => {
      class Orders {
        @Idempotent(options as IdempotentOptions)
        onOrder(): void {}
      }
      return Orders;
    });
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain(text);
  });

  test('stands once on a method', () => {
    const twice = thrown(() => {
      class Orders {
        @Idempotent()
        @Idempotent()
        onOrder(): void {}
      }
      return Orders;
    });
    expect(twice.message).toContain('there is another @Idempotent');
  });
});

describe('the stores', () => {
  test.each<[() => unknown, string]>([
    [() => new MemoryIdempotencyStore({ maxKeys: 0 }), 'option "maxKeys" must be a whole number from 1'],
    [() => new MemoryOutboxStore({ maxMessages: 1.5 }), 'option "maxMessages" must be a whole number'],
    [() => new PostgresIdempotencyStore(undefined as never), 'its first argument must be a pool'],
    [
      () => new PostgresIdempotencyStore(pool, { mode: 'both' as never }),
      `"mode" must be one of 'transaction', 'lease'`,
    ],
    [() => new PostgresIdempotencyStore(pool, { table: '' }), 'option "table" must not be empty'],
    [() => new PostgresIdempotencyStore(pool, { table: 'x'.repeat(64) }), 'option "table" is over 63 bytes long'],
    [() => new PostgresIdempotencyStore(pool, { schema: 'a\0' }), 'option "schema" must not contain a NUL'],
    [() => new PostgresIdempotencyStore(pool, { timeout: 0 }), 'option "timeout" must not be 0'],
    [() => new PostgresIdempotencyStore(pool, { lease: 10 }), 'option "lease" must be a whole number from 1000'],
    [() => new PostgresOutboxStore({} as never), 'its first argument must be a pool'],
    [() => new PostgresOutboxStore(pool, { tabel: 'x' } as never), 'unknown option "tabel"'],
    [() => new PostgresOutboxStore(pool, { notify: 'yes' as never }), 'option "notify" must be true or false'],
  ])('%#', (make, text) => {
    const error = thrown(make);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain(text);
  });

  test('quote what they are named', () => {
    const names = { table: `a"b'c`, schema: 'x; DROP' };
    for (const { tables } of [new PostgresIdempotencyStore(pool, names), new PostgresOutboxStore(pool, names)]) {
      expect(tables).toContain(`"x; DROP"."a""b'c" (`);
    }
  });
});

describe('an application that cannot be', () => {
  let broker: EmbeddedBroker;
  beforeAll(async () => {
    broker = await EmbeddedBroker.start({ port: 0 });
  });
  afterEach(closeApplications);
  afterAll(() => broker.stop());

  const module = (): ReturnType<typeof IdempotencyModule.forRoot> => IdempotencyModule.forRoot({ store });
  const amqp = (): ReturnType<typeof AmqpModule.forRoot> => AmqpModule.forRoot({ url: broker.url });

  async function startError(imports: unknown[], ...providers: Type[]): Promise<Error> {
    return rejection(startModule({ imports: imports as never, providers }));
  }

  function handler(...decorators: MethodDecorator[]): Type {
    @Injectable()
    class Orders {
      onOrder(@Payload() _order: unknown): void {}
    }
    const descriptor = Object.getOwnPropertyDescriptor(Orders.prototype, 'onOrder');
    Reflect.decorate(decorators, Orders.prototype, 'onOrder', descriptor);
    return Orders;
  }

  test.each<[string, () => Promise<Error>, string]>([
    [
      'no module',
      () => startError([amqp()], handler(Consume('q1'), Idempotent())),
      'there is no IdempotencyModule: import IdempotencyModule.forRoot({ store })',
    ],
    ['no store', () => startError([IdempotencyModule.forRoot({} as never)]), 'option "store" is missing'],
    [
      'an unknown option',
      () => startError([IdempotencyModule.forRoot({ store, ttl: 5 } as IdempotencyModuleOptions)]),
      'IdempotencyModule: unknown option "ttl"',
    ],
    ['no handler', () => startError([amqp(), module()], handler(Idempotent())), 'belongs on a handler with @Consume'],
    [
      'a handler that replies',
      () => startError([amqp(), module()], handler(Consume({ queue: 'q2', reply: true }), Idempotent())),
      'Orders.onOrder: @Idempotent: it replies',
    ],
    [
      'a handler of batches',
      () => startError([amqp(), module()], handler(Consume({ queue: 'q8', batch: { size: 5 } }), Idempotent())),
      'Orders.onOrder: @Idempotent: it is given batches',
    ],
    [
      'a request handler',
      () => startError([amqp(), module()], handler(MessagePattern('sum'), Idempotent())),
      'belongs on a handler with @Consume or @EventPattern',
    ],
    [
      'a handler that settles by hand',
      () => startError([amqp(), module()], handler(Consume('q3'), Ack({ when: 'manual' }), Idempotent())),
      'Orders.onOrder: @Idempotent: its handler settles by hand',
    ],
    [
      'a store that nobody provides',
      () => startError([amqp(), module()], handler(Consume('q4'), Idempotent({ store: 'KEYS' }))),
      'KEYS',
    ],
    [
      'two handlers of one scope',
      () => startError([amqp(), module()], handler(Consume('q5'), Idempotent()), handler(Consume('q6'), Idempotent())),
      'has the scope "Orders.onOrder" too',
    ],
    [
      'an outbox without a store',
      () => startError([amqp(), OutboxModule.forRoot({} as OutboxModuleOptions)]),
      'OutboxModule: option "store" is missing',
    ],
    [
      'an outbox with a store of another kind',
      () => startError([amqp(), OutboxModule.forRoot({ store: store as never })]),
      'must be a store: it has no method "add"',
    ],
    [
      'a relay with a wrong option',
      () => startError([amqp(), OutboxModule.forRoot({ store: new MemoryOutboxStore(), relay: { batch: 0 } })]),
      'option "relay" option "relay.batch" must be a whole number from 1',
    ],
    [
      'an outbox on a connection that is not there',
      () => startError([amqp(), OutboxModule.forRoot({ store: new MemoryOutboxStore(), connection: 'eu' })]),
      'OutboxModule: there is no connection "eu"',
    ],
  ])('%s', async (_name, start, text) => {
    const error = await start();
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain(text);
  });

  test('an event handler of AmqpServer that settles by hand', async () => {
    @Controller()
    class Events {
      @EventPattern('made')
      @Ack({ when: 'manual' })
      @Idempotent()
      onMade(@Payload() _event: unknown): void {}
    }
    const { app } = await startModule({ imports: [module()], controllers: [Events] }, (one) => {
      one.connectMicroservice({ strategy: new AmqpServer({ url: broker.url, queue: 'events' }) });
    });
    const error = await rejection(app.startAllMicroservices());
    expect(error.message).toContain('Events.onMade: @Idempotent: its handler settles by hand');
  });

  test('options may be made at start', async () => {
    class Factory {
      createIdempotencyOptions(): IdempotencyModuleOptions {
        return { store };
      }
    }
    const imports = [
      amqp(),
      IdempotencyModule.forRootAsync({ useClass: Factory }),
      OutboxModule.forRootAsync({ useFactory: () => ({ store: new MemoryOutboxStore() }) }),
    ];
    await startModule({ imports, providers: [handler(Consume('q7'), Idempotent())] });
  });
});
