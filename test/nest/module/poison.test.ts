/** Messages and errors that must not come again for ever: whatever is in them, the message is settled, and the next one is handled. */
import { Controller, Injectable } from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';
import { AmqpModule, AmqpServer, ConfigurationError, Consume, InjectPublisher, Publisher } from 'leveret';
import { ArgumentError } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import {
  Bystander,
  closeApplications,
  eventually,
  startApplication,
  startModule,
  withoutRetries,
} from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';
import { EventPattern } from '../transport/support.js';

describeOnBroker('what is poison elsewhere', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  const errors: Record<string, () => unknown> = {
    'half a character': () => new Error('quoted: \ud800'),
    'a text that is cut within a character': () => new Error(`x${'😀'.repeat(10_000)}`),
    'a message that throws': () =>
      Object.defineProperty(new Error('a'), 'message', {
        get: () => {
          throw new Error('m');
        },
      }),
    'a stack that throws': () =>
      Object.defineProperty(new Error('a'), 'stack', {
        get: () => {
          throw new Error('s');
        },
      }),
    'a name that is a symbol': () => Object.assign(new Error('a'), { name: Symbol('n') }),
    'a message that is no text': () =>
      Object.assign(new Error('a'), {
        message: {
          toString: () => {
            throw new Error('t');
          },
        },
      }),
    'a proxy': () =>
      new Proxy(
        {},
        {
          getPrototypeOf: () => {
            throw new Error('p');
          },
        },
      ),
  };

  test.each(Object.keys(errors))(
    'a handler that throws an error with %s: it runs once, the message is parked',
    async (kind) => {
      const queue = broker.unique('poison');
      let runs = 0;
      @Injectable()
      class Orders {
        @Consume(queue)
        onOrder(): void {
          runs += 1;
          throw errors[kind]?.();
        }
      }
      const { log } = await startApplication({ url: broker.url }, { providers: [Orders] });
      await bystander.send(queue, {});
      expect((await bystander.take(`${queue}.parked`)).properties.headers).toMatchObject({
        'x-leveret-reason': 'error',
      });
      await eventually(async () => expect(await bystander.count(queue)).toBe(0));
      expect(runs).toBe(1);
      expect(log.texts('error')).toHaveLength(1);
      expect(log.texts('error')[0]?.length).toBeLessThan(15_000);
    },
  );

  test('AmqpServer: the same errors, half a character, and a pattern that is larger than a frame', async () => {
    const queue = broker.unique('poison-server');
    @Controller()
    class Events {
      @EventPattern('half')
      half(): void {
        throw new RpcException('a\ud800');
      }
      @EventPattern('proxy')
      proxy(): void {
        throw errors['a proxy']?.();
      }
    }
    const server = new AmqpServer({ url: broker.url, queue, ...withoutRetries });
    const { app, log } = await startModule(
      { imports: [AmqpModule.forServers()], controllers: [Events] },
      (application) => {
        application.connectMicroservice({ strategy: server });
      },
    );
    await app.startAllMicroservices();
    const patterns = ['half', 'proxy', 'x'.repeat(400_000)];
    for (const pattern of patterns) await bystander.send(queue, { pattern, data: 1 });
    const parked: unknown[] = [];
    while (parked.length < patterns.length) {
      parked.push((await bystander.take(`${queue}.parked`)).properties.headers?.['x-leveret-handler']);
    }
    expect(parked.toSorted()).toEqual(patterns.map((pattern) => pattern.slice(0, 200)).toSorted());
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
    for (const line of log.texts()) expect(line.length).toBeLessThan(15_000);
  });

  test('a parking queue that somebody deleted is declared anew', async () => {
    const queue = broker.unique('unparked');
    @Injectable()
    class Orders {
      @Consume(queue)
      onOrder(): void {
        throw new Error('on purpose');
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.channel.queueDelete(`${queue}.parked`);
    await bystander.send(queue, {});
    await eventually(async () => expect(await bystander.channel.queueExists(`${queue}.parked`)).toBe(true));
    await bystander.take(`${queue}.parked`);
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
  });

  test('bindings of the module may be to queues that handlers declare', async () => {
    const queue = broker.unique('bound');
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume(queue)
      onOrder(order: unknown): void {
        seen.push(order);
      }
    }
    const bindings = [{ exchange: 'amq.direct', queue, routingKey: queue }];
    await startApplication({ url: broker.url, bindings }, { providers: [Orders] });
    await bystander.channel.publish('amq.direct', queue, '1', {}, { mandatory: true });
    await eventually(() => expect(seen).toEqual([1]));
  });

  test('a factory that fails and an argument that cannot be sent name class and method', async () => {
    @Injectable()
    class Failing {
      @Consume({ useFactory: () => Promise.reject(new TypeError('no such setting')) })
      onOrder(): void {}
    }
    @Injectable()
    class Unsendable {
      @Consume({ queue: broker.unique('unsendable'), arguments: { a: () => 1 } as never })
      onOrder(): void {}
    }
    for (const [provider, words] of [
      [Failing, 'Failing.onOrder: @Consume: its useFactory failed: no such setting'],
      [Unsendable, 'Unsendable.onOrder: queue "'],
    ] as const) {
      const error = await rejection(startApplication({ url: broker.url }, { providers: [provider] }));
      expect(error).toBeInstanceOf(ConfigurationError);
      expect(error.message).toContain(words);
    }
  });

  test('a queue that AmqpServer and a @Consume take both is warned of', async () => {
    const queue = broker.unique('both');
    @Injectable()
    class Orders {
      @Consume(queue)
      onOrder(): void {}
    }
    const { log } = await startApplication({ url: broker.url }, { providers: [Orders] }, (app) => {
      app.connectMicroservice({ strategy: new AmqpServer({ url: broker.url, queue, ...withoutRetries }) });
    });
    expect(log.texts('warn').filter((line) => line.includes('reach only one of the two'))).toHaveLength(1);
  });

  test('two requests with one correlation id at a time: the second one is told so', async () => {
    const queue = broker.unique('same');
    @Injectable()
    class Asker {
      constructor(@InjectPublisher() readonly publisher: Publisher) {}
      @Consume({ queue, reply: true })
      onAsked(): string {
        return 'answer';
      }
    }
    const { app } = await startApplication({ url: broker.url }, { providers: [Asker] });
    const { publisher } = app.get(Asker);
    const options = { correlationId: 'same' };
    const first = publisher.request(queue, {}, options);
    expect(await rejection(publisher.request(queue, {}, options))).toBeInstanceOf(ArgumentError);
    await expect(first).resolves.toBe('answer');
    await expect(publisher.request(queue, {}, options)).resolves.toBe('answer');
  });
});
