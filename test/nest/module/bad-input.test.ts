import { inspect } from 'node:util';
import { Injectable } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import {
  Ack,
  AmqpModule,
  ConfigurationError,
  Consume,
  HandlerTimeoutError,
  InjectPublisher,
  Publisher,
  UnknownConnectionError,
  type AmqpContext,
  type ConsumeOptions,
  type Settlement,
} from 'leveret';
import { AuthenticationError, ConnectionRefusedError } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { Bystander, closeApplications, eventually, startApplication, startModule } from '../../support/nest-app.js';

const secret = 'a-Very-d1stinctive-password';

async function failureOf(starting: Promise<unknown>): Promise<Error> {
  const outcome = await starting.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(outcome instanceof Error)) throw new Error('the application started');
  expect(`${outcome.stack ?? ''}${inspect(outcome, { depth: 9 })}${JSON.stringify(outcome)}`).not.toContain(secret);
  return outcome;
}

function handlerOf(...options: (string | ConsumeOptions)[]) {
  @Injectable()
  class Orders {}
  for (const [index, option] of options.entries()) {
    const method = `on${String(index)}`;
    const value = (): void => undefined;
    Object.defineProperty(Orders.prototype, method, { value, configurable: true, writable: true });
    Consume(option)(Orders.prototype, method, { value });
  }
  return Orders;
}

describeOnBroker('bad input', (broker) => {
  const bystander = new Bystander();
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown): number => unhandled.push(reason);
  beforeAll(async () => {
    process.on('unhandledRejection', onUnhandled);
    await bystander.open(broker.url);
  });
  afterAll(async () => {
    await bystander.close();
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled).toEqual([]);
  });
  afterEach(closeApplications);

  test('an @Ack that settles nothing ends the start, and is named', async () => {
    @Injectable()
    class OnMethod {
      @Ack({ then: 'drop' })
      onOrder(): void {}
    }
    @Injectable()
    class OnParameter {
      onOrder(@Ack() settle: Settlement): void {
        settle.ack();
      }
    }
    for (const provider of [OnMethod, OnParameter]) {
      const error = await failureOf(startApplication({ url: broker.url }, { providers: [provider] }));
      expect(error).toBeInstanceOf(ConfigurationError);
      expect(error.message).toBe(
        `${provider.name}.onOrder: @Ack has nothing to settle: there is no @Consume, @EventPattern or @MessagePattern`,
      );
    }
  });

  test('two handlers of one queue end the start, and both are named', async () => {
    const queue = broker.unique('twice');
    const error = await failureOf(
      startApplication({ url: broker.url }, { providers: [handlerOf(queue, { queue, prefetch: 1 })] }),
    );
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toMatch(/^Orders\.on1: the queue .* is consumed by Orders\.on0 too, /);
    const other = await failureOf(
      startApplication(
        { url: broker.url },
        { providers: [handlerOf({ queue, arguments: {} }, { queue, arguments: { 'x-max-length': 1 } })] },
      ),
    );
    expect(other.message).toContain('they give it a different arguments');
    expect(await bystander.channel.queueExists(queue)).toBe(false);
  });

  test('a queue that module and decorator declare differently ends the start, and both are named', async () => {
    const queue = broker.unique('differing');
    const error = await failureOf(
      startApplication(
        { url: broker.url, queues: [{ name: queue, durable: false }] },
        { providers: [handlerOf({ queue, durable: true })] },
      ),
    );
    expect(error.message).toMatch(/^Orders\.on0: .*AmqpModule \(connection "default"\) too, with a different durable/);
  });

  test('an exchange, or a queue with declare: false, that is not there ends the start and is named', async () => {
    const queue = broker.unique('nowhere');
    const bound = await failureOf(
      startApplication({ url: broker.url }, { providers: [handlerOf({ queue, exchange: 'no-such-exchange' })] }),
    );
    expect(bound.message).toMatch(/^Orders\.on0: the binding of queue .* to the exchange "no-such-exchange" .*: 404/);
    const missing = broker.unique('missing');
    const taken = await failureOf(
      startApplication({ url: broker.url }, { providers: [handlerOf({ queue: missing, declare: false })] }),
    );
    expect(taken.message).toContain(`the queue "${missing}" is not there, and declare: false`);
  });

  test('an unknown exchange type ends the start, also where the broker closes the connection for it', async () => {
    const error = await failureOf(
      startApplication({ url: broker.url, exchanges: [{ name: broker.unique('x'), type: 'no-such-type' }] }, {}),
    );
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toMatch(/exchange ".*" was refused by the broker: (503|406)/);
  });

  test('unknown options of the module and of its connection end the start, each named', async () => {
    const options: object = {
      url: broker.url,
      password: secret,
      queues: [{ name: 'q', tll: 1 }],
      defaults: { prefech: 1 },
    };
    const error = await failureOf(startApplication(options, {}));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain('unknown option "queues[0].tll"');
    expect(error.message).toContain('unknown option "defaults.prefech"');
    const wrong = { url: broker.url, password: secret, hearbeat: 5 };
    const other = await failureOf(startApplication(wrong, {}));
    expect(other).toBeInstanceOf(ConfigurationError);
    expect(other.message).toBe(
      'AmqpModule (connection "default"): invalid connection parameters: hearbeat: unknown parameter',
    );
  });

  test('options that a @Consume factory makes wrong end the start, naming class, method and option', async () => {
    @Injectable()
    class Orders {
      @Consume({ useFactory: () => ({ queue: 'q', prefech: 1 }) as ConsumeOptions })
      onOrder(): void {}
    }
    const error = await failureOf(startApplication({ url: broker.url }, { providers: [Orders] }));
    expect(error.message).toMatch(/^Orders\.onOrder: @Consume: unknown option "prefech"/);
  });

  test('an unknown connection of a handler or publisher ends the start, naming who asks', async () => {
    const handler = await failureOf(
      startApplication({ url: broker.url }, { providers: [handlerOf({ queue: 'q', connection: 'other' })] }),
    );
    expect(handler).toBeInstanceOf(UnknownConnectionError);
    expect(handler.message).toBe('Orders.on0: there is no connection "other"; configured are "default"');
    @Injectable()
    class Checkout {
      constructor(@InjectPublisher({ connection: 'other' }) readonly shop: Publisher) {}
    }
    const publisher = await failureOf(startApplication({ url: broker.url }, { providers: [Checkout] }));
    expect(publisher).toBeInstanceOf(UnknownConnectionError);
    expect(publisher.message).toMatch(/^Checkout: there is no connection "other"/);
  });

  test('one connection configured twice ends the start', async () => {
    const imports = [AmqpModule.forRoot({ url: broker.url }), AmqpModule.forRoot({ url: broker.url, heartbeat: 9 })];
    const error = await failureOf(startModule({ imports }));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain('(connection "default"): it is configured twice');
  });

  test('a wrong password fails the start at once; a broker that is not there after startTimeout', async () => {
    const url = new URL(broker.url);
    url.username = 'nobody';
    url.password = secret;
    const since = Date.now();
    expect(await failureOf(startApplication({ url: url.href }, {}))).toBeInstanceOf(AuthenticationError);
    // RabbitMQ itself holds the answer back for a second.
    expect(Date.now() - since).toBeLessThan(5_000);
    const away = `amqp://guest:${secret}@127.0.0.1:1`;
    const error = await failureOf(startApplication({ url: away, startTimeout: 300, retryDelay: 50 }, {}));
    expect(error).toBeInstanceOf(ConnectionRefusedError);
  });

  test('a body that is not JSON is parked as unreadable, and the handler never sees it', async () => {
    const queue = broker.unique('unreadable');
    let seen = 0;
    @Injectable()
    class Orders {
      @Consume(queue)
      onOrder(): void {
        seen += 1;
      }
    }
    const { log } = await startApplication({ url: broker.url }, { providers: [Orders] });
    const bodies = [`{ "${secret}": `, new Uint8Array([0x22, 0xff, 0x22]), '', '{"a":1}'];
    for (const [index, body] of bodies.entries()) {
      await bystander.send(queue, body, index === 3 ? { contentEncoding: 'gzip' } : { contentType: 'text/plain' });
      const copy = await bystander.take(`${queue}.parked`);
      expect(copy.body).toEqual(Buffer.from(body));
      expect(copy.properties.headers).toMatchObject({
        'x-leveret-reason': 'unreadable',
        'x-leveret-error': 'UnreadableBodyError',
      });
    }
    expect(seen).toBe(0);
    expect(log.texts().join('\n')).not.toContain(secret);
  });

  test('a __proto__ key in a body pollutes nothing', async () => {
    const queue = broker.unique('proto');
    const seen: object[] = [];
    @Injectable()
    class Orders {
      @Consume(queue)
      onOrder(order: object): void {
        seen.push(order);
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(queue, '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}');
    await eventually(() => expect(seen).toHaveLength(1));
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
    expect(Reflect.get(seen[0] ?? {}, 'polluted')).toBeUndefined();
  });

  test('whatever a handler throws is settled, and the next message is handled', async () => {
    const queue = broker.unique('throws');
    const thrown: unknown[] = [undefined, null, 'text', 42, { message: 'an object' }, Symbol('s'), new Error('')];
    let handled = 0;
    @Injectable()
    class Orders {
      @Consume(queue)
      onOrder(index: number): void {
        if (index < thrown.length) throw thrown[index];
        handled += 1;
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    for (let index = 0; index <= thrown.length; index++) await bystander.send(queue, String(index));
    const copies = await Promise.all(thrown.map(() => bystander.take(`${queue}.parked`)));
    expect(copies).toHaveLength(thrown.length);
    await eventually(() => expect(handled).toBe(1));
  });

  test('a handler over its timeout fails with HandlerTimeoutError; what it throws later harms nothing', async () => {
    const queue = broker.unique('timeout');
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume({ queue, timeout: 50, concurrency: 1 })
      onOrder(_order: unknown, @Ctx() context: AmqpContext): Promise<never> {
        return new Promise((_resolve, reject) => {
          context.signal.addEventListener('abort', () => {
            seen.push(context.signal.reason);
            setTimeout(() => reject(new Error('much later')), 20);
          });
        });
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    for (let count = 0; count < 2; count++) {
      await bystander.send(queue, {});
      const { headers } = (await bystander.take(`${queue}.parked`)).properties;
      expect(headers).toMatchObject({
        'x-leveret-reason': 'timeout',
        'x-leveret-error-message': 'Orders.onOrder: not done within 50 ms',
      });
    }
    expect(seen).toEqual([expect.any(HandlerTimeoutError), expect.any(HandlerTimeoutError)]);
  });

  test('a start that fails leaves no connection behind', async () => {
    const connectionName = broker.unique('leftover');
    const seen: unknown[] = [];
    const before = process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
    for (const providers of [[handlerOf({ queue: 'missing-queue', declare: false })]]) {
      seen.push(await failureOf(startApplication({ url: broker.url, connectionName }, { providers })));
    }
    await eventually(() =>
      expect(process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length).toBeLessThanOrEqual(
        before,
      ),
    );
    expect(seen).toHaveLength(1);
  });
});
