/** AmqpServer in an application that has an AmqpModule, or HTTP, as well. */
import { Controller, Injectable, Module, type DynamicModule, type OnModuleDestroy, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Payload } from '@nestjs/microservices';
import {
  AmqpModule,
  AmqpServer,
  Consume,
  ConsumerRegistry,
  TopologyConflictError,
  type AmqpServerOptions,
  type AmqpStatus,
} from 'leveret';
import { WrongStateError, type Channel } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { withoutRetries } from '../../support/nest-app.js';
import { rejection, until } from '../../support/waiting.js';
import { Bench, EventPattern } from './support.js';

describeOnBroker('AmqpServer beside an AmqpModule', (broker) => {
  const bench = new Bench(() => broker.url);
  const told: string[] = [];
  let release = (): void => undefined;
  let queue = '';
  let channel: Channel;

  @Controller()
  class Events {
    @EventPattern('slow')
    async slow(): Promise<void> {
      told.push('begun');
      await new Promise<void>((resolve) => (release = resolve));
      told.push('done');
    }
    @EventPattern('quick')
    quick(@Payload() data: unknown): void {
      told.push(String(data));
    }
  }

  @Injectable()
  class Repository implements OnModuleDestroy {
    onModuleDestroy(): void {
      told.push('repository closed');
    }
  }

  beforeEach(async () => {
    bench.begin();
    told.length = 0;
    queue = broker.unique('hybrid');
    void bench.deleteLater(queue, `${queue}.parked`, `${queue}.own`, `${queue}.own.parked`);
    channel = await bench.channel();
  });
  afterEach(() => bench.end());

  async function start(
    options: AmqpServerOptions = {},
    providers: Type[] = [Repository],
    amqp: DynamicModule = AmqpModule.forRoot({ url: broker.url }),
  ): Promise<{ registry: ConsumerRegistry; server: AmqpServer; close(): Promise<void> }> {
    @Module({ imports: [amqp], controllers: [Events], providers })
    class App {}
    const app = await NestFactory.create(App, { logger: bench.logger, abortOnError: false });
    const server = new AmqpServer({ url: broker.url, queue, ...withoutRetries, ...options });
    app.connectMicroservice({ strategy: server });
    let isClosed = false;
    const close = async (): Promise<void> => {
      if (!isClosed) await app.close();
      isClosed = true;
    };
    bench.closeLater(close);
    await app.init();
    await app.startAllMicroservices();
    return { registry: app.get(ConsumerRegistry), server, close };
  }

  const emit = (pattern: string, data: unknown = ''): Promise<void> =>
    channel.publish('', queue, JSON.stringify({ pattern, data }), {}, { mandatory: true });

  test.each([
    ['with a connection of its own', () => undefined],
    ['that has servers alone', () => AmqpModule.forServers()],
  ])('drains before the first destroy hook of an application %s', async (_name, amqp) => {
    const { close, registry } = await start({}, [Repository], amqp());
    expect(registry.isReady).toBe(true);
    await emit('slow');
    await until('the handler runs', () => told.length === 1);
    const closing = close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(told).toEqual(['begun']);
    release();
    await closing;
    expect(told).toEqual(['begun', 'done', 'repository closed']);
    expect((await channel.queueDeclare(queue, { passive: true })).messageCount).toBe(0);
  });

  test('stands in the registry beside the consumers of the module, and obeys it', async () => {
    @Injectable()
    class Orders {
      @Consume({ queue: `${queue}.own`, name: 'own' })
      onOrder(): void {
        told.push('own');
      }
    }
    const { registry, server } = await start({ name: 'events' }, [Orders]);
    expect(
      registry.status().map(({ name, handler, state, isConsuming }) => [name, handler, state, isConsuming]),
    ).toEqual([
      ['own', 'Orders.onOrder', 'consuming', true],
      ['events', 'AmqpServer', 'consuming', true],
    ]);
    expect(registry.isReady).toBe(true);
    await registry.pause('events');
    await emit('quick', 1);
    expect(registry.status('events')).toMatchObject([{ queue, state: 'paused', isConsuming: false, running: 0 }]);
    expect((await channel.queueDeclare(queue, { passive: true })).consumerCount).toBe(0);
    expect(told).toEqual([]);
    await registry.resume('events');
    await until('it is handled', () => told.length === 1);
    await registry.stop('events');
    await registry.start('events');
    await emit('quick', 2);
    await until('the next one is handled', () => told.length === 2);
    await server.close();
    expect(await rejection(registry.start('events'))).toBeInstanceOf(WrongStateError);
  });

  test('is not ready before the server listens', async () => {
    @Module({ imports: [AmqpModule.forRoot({ url: broker.url })], controllers: [Events] })
    class App {}
    const app = await NestFactory.create(App, { logger: bench.logger });
    bench.closeLater(() => app.close());
    app.connectMicroservice({ strategy: new AmqpServer({ url: broker.url, queue }) });
    await app.init();
    const registry = app.get(ConsumerRegistry);
    expect(registry.isReady).toBe(false);
    expect(registry.status()).toMatchObject([{ name: `AmqpServer ${queue}`, state: 'starting' }]);
    await app.startAllMicroservices();
    expect(registry.isReady).toBe(true);
  });

  test('concurrency: no more handlers at a time', async () => {
    const { registry } = await start({ concurrency: 1 });
    await emit('slow');
    await emit('slow');
    await until('one runs', () => told.length === 1);
    await channel.queueDeclare(queue, { passive: true });
    expect(registry.status()).toMatchObject([{ running: 1 }]);
    expect(told).toEqual(['begun']);
    release();
    await until('the next one runs', () => told.length === 3);
    expect(told).toEqual(['begun', 'done', 'begun']);
    release();
  });

  describe('what is there otherwise', () => {
    const otherwise = { queueOptions: { messageTtl: 5_000, arguments: { 'x-max-length': 10 } } };
    beforeEach(async () => {
      await channel.queueDeclare(queue, { arguments: { 'x-message-ttl': 1_000 } });
    });

    test('is told argument by argument, and ends the start', async () => {
      const failure = await rejection(start(otherwise));
      expect(failure).toBeInstanceOf(TopologyConflictError);
      expect(failure.message).toMatch(/AmqpServer: .*x-message-ttl.*x-max-length/s);
      expect((failure as TopologyConflictError).conflicts).toMatchObject([{ kind: 'queue', name: queue }]);
    });

    test("conflicts: 'use' takes it as it is, with a warning", async () => {
      await start({ ...otherwise, conflicts: 'use' });
      await emit('quick', 1);
      await until('it is handled', () => told.length === 1);
      expect(bench.logger.warnings.filter((line) => line.includes('x-message-ttl'))).toHaveLength(1);
    });

    test("conflicts: 'wait' waits until it is mended", async () => {
      const starting = start({ ...otherwise, conflicts: 'wait' });
      await until('it is told', () =>
        bench.logger.warnings.some((line) => line.includes('waiting until it is mended')),
      );
      await channel.queueDelete(queue);
      await starting;
      await emit('quick', 1);
      await until('it is handled', () => told.length === 1);
    });
  });

  test("start: 'background': the application starts, and the server consumes when its queue is there", async () => {
    const { registry, server } = await start({ start: 'background', noAssert: true });
    const statuses: AmqpStatus[] = [];
    server.status.subscribe((status) => statuses.push(status));
    expect(registry.isReady).toBe(false);
    await until('it is told', () => bench.logger.warnings.some((line) => line.includes('trying on in the background')));
    await channel.queueDeclare(queue);
    await emit('quick', 1);
    await until('it is handled', () => told.length === 1);
    await until('the answer to its consume is there', () => registry.isReady);
    expect(statuses.at(-1)).toBe('connected');
  });

  test("start: 'background' and a close in between: nothing is left", async () => {
    const { close, registry } = await start({ start: 'background', url: 'amqp://127.0.0.1:1', retryDelay: 10 });
    await close();
    expect(registry.status()).toMatchObject([{ state: 'stopped' }]);
  });
});
