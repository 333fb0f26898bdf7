import {
  Global,
  Injectable,
  Module,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import {
  AmqpConnections,
  AmqpModule,
  Consume,
  InjectPublisher,
  Publisher,
  ShutdownError,
  type AmqpContext,
} from 'leveret';
import { describeOnBroker } from '../../support/brokers.js';
import {
  Bystander,
  closeApplication,
  closeApplications,
  eventually,
  pause,
  startApplication,
  startModule,
} from '../../support/nest-app.js';

describeOnBroker("an application's life", (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  test('consumers start after every bootstrap hook of every module', async () => {
    const queue = broker.unique('bootstrap');
    await bystander.channel.queueDeclare(queue);
    await bystander.send(queue, {});
    const events: string[] = [];
    class Slow implements OnApplicationBootstrap {
      async onApplicationBootstrap(): Promise<void> {
        await pause(500);
        events.push(this.constructor.name);
      }
    }
    @Injectable()
    class RootService extends Slow {}
    @Injectable()
    class GlobalService extends Slow {}
    @Global()
    @Module({ providers: [GlobalService] })
    class GlobalModule {}
    @Injectable()
    class Orders {
      @Consume(queue)
      onOrder(): void {
        events.push('delivery');
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders, RootService], imports: [GlobalModule] });
    await eventually(() => expect(events).toHaveLength(3));
    expect(events).toEqual(['GlobalService', 'RootService', 'delivery']);
  });

  test('consumers drain before any destroy hook: what a handler needs is open until it ended', async () => {
    const queue = broker.unique('drain');
    const events: string[] = [];
    class Repository implements OnModuleDestroy {
      isOpen = true;
      onModuleDestroy(): void {
        this.isOpen = false;
        events.push(`${this.constructor.name} closed`);
      }
    }
    @Injectable()
    class Local extends Repository {}
    @Injectable()
    class Shared extends Repository {}
    @Global()
    @Module({ providers: [Shared], exports: [Shared] })
    class SharedModule {}
    @Injectable()
    class Orders {
      constructor(
        private readonly local: Local,
        private readonly shared: Shared,
      ) {}
      @Consume(queue)
      async onOrder(): Promise<void> {
        events.push('started');
        await pause(300);
        events.push(`ended, open: ${String(this.local.isOpen && this.shared.isOpen)}`);
      }
    }
    const { app } = await startApplication(
      { url: broker.url },
      { providers: [Orders, Local], imports: [SharedModule] },
    );
    await bystander.send(queue, {});
    await eventually(() => expect(events).toEqual(['started']));
    await closeApplication(app);
    expect(events).toEqual(['started', 'ended, open: true', 'Local closed', 'Shared closed']);
    expect(await bystander.count(queue)).toBe(0);
  });

  test('publishers work from module init to the last hooks of the shutdown', async () => {
    const queue = broker.unique('hooks');
    await bystander.channel.queueDeclare(queue);
    @Injectable()
    class Hooks implements OnModuleInit, OnModuleDestroy, BeforeApplicationShutdown {
      constructor(@InjectPublisher() private readonly direct: Publisher) {}
      onModuleInit = (): Promise<void> => this.direct.publish(queue, 'init');
      onModuleDestroy = (): Promise<void> => this.direct.publish(queue, 'destroy');
      beforeApplicationShutdown = (): Promise<void> => this.direct.publish(queue, 'shutdown');
    }
    // Nest runs the hooks of global modules first at the start and last at the end.
    @Global()
    @Module({ providers: [Hooks] })
    class HooksModule {}
    const { app } = await startModule({ imports: [HooksModule, AmqpModule.forRoot({ url: broker.url })] });
    const connection = app.get(AmqpConnections).get('default', 'test').connection;
    await closeApplication(app);
    const bodies = [];
    for (let count = 0; count < 3; count++) bodies.push((await bystander.take(queue)).body.toString());
    expect(bodies).toEqual(['"init"', '"destroy"', '"shutdown"']);
    expect(connection.state).toBe('closed');
  });

  test('a handler that never settles is told by its signal after drainTimeout, and its message goes back', async () => {
    const queue = broker.unique('stuck');
    let signal: AbortSignal | undefined;
    let seen = 0;
    @Injectable()
    class Orders {
      @Consume({ queue, concurrency: 1 })
      onOrder(_order: unknown, @Ctx() context: AmqpContext): Promise<void> {
        seen += 1;
        signal = context.signal;
        return new Promise(() => undefined);
      }
    }
    const { app, log } = await startApplication(
      { url: broker.url, defaults: { drainTimeout: 200 } },
      { providers: [Orders] },
    );
    // The first runs, the others wait for their turn.
    for (let count = 0; count < 3; count++) await bystander.send(queue, {});
    await eventually(() => expect(seen).toBe(1));
    const since = Date.now();
    await closeApplication(app);
    expect(Date.now() - since).toBeGreaterThanOrEqual(190);
    expect(Date.now() - since).toBeLessThan(2_000);
    expect(signal?.reason).toBeInstanceOf(ShutdownError);
    expect(await bystander.count(queue)).toBe(3);
    expect(await bystander.count(`${queue}.parked`)).toBe(0);
    expect(log.texts('warn')).toEqual([expect.stringContaining('Orders.onOrder: 1 deliveries were not settled')]);
  });

  test('two applications in one process share nothing', async () => {
    const queue = broker.unique('twice');
    const seen: string[] = [];
    const providers = (label: string) => {
      @Injectable()
      class Orders {
        constructor(@InjectPublisher() readonly direct: Publisher) {}
        @Consume(`${queue}.${label}`)
        onOrder(order: unknown): void {
          seen.push(`${label} ${String(order)}`);
        }
      }
      return Orders;
    };
    const [FirstOrders, SecondOrders] = [providers('first'), providers('second')];
    const first = await startApplication({ url: broker.url }, { providers: [FirstOrders] });
    const second = await startApplication({ url: broker.url }, { providers: [SecondOrders] });
    await closeApplication(first.app);
    await second.app.get(SecondOrders).direct.publish(`${queue}.second`, 1);
    await eventually(() => expect(seen).toEqual(['second 1']));
    await expect(first.app.get(FirstOrders).direct.publish(`${queue}.second`, 2)).rejects.toThrow('is closed');
  });

  test('the same application class may be started twice, and a module imported twice registers once', async () => {
    const queue = broker.unique('again');
    const amqp = AmqpModule.forRoot({ url: broker.url });
    let seen = 0;
    @Injectable()
    class Orders {
      @Consume({ queue, prefetch: 1 })
      onOrder(): void {
        seen += 1;
      }
    }
    @Module({ imports: [amqp], providers: [Orders], exports: [Orders] })
    class OrdersModule {}
    @Module({ imports: [OrdersModule] })
    class OtherModule {}
    await startModule({ imports: [amqp, OrdersModule, OtherModule] });
    await startModule({ imports: [amqp, OrdersModule, OtherModule] });
    expect((await bystander.channel.queueDeclare(queue, { passive: true })).consumerCount).toBe(2);
    await bystander.send(queue, {});
    await eventually(() => expect(seen).toBe(1));
  });
});
