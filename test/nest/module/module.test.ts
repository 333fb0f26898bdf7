import { Injectable, Module } from '@nestjs/common';
import {
  AmqpModule,
  Consume,
  InjectPublisher,
  Publisher,
  RecoveryService,
  type AmqpModuleOptions,
  type AmqpOptionsFactory,
} from 'leveret';
import { describeOnBroker } from '../../support/brokers.js';
import { Bystander, closeApplications, eventually, startModule } from '../../support/nest-app.js';

describeOnBroker('AmqpModule', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  test('forRootAsync takes useFactory, useClass and useExisting', async () => {
    @Injectable()
    class Settings implements AmqpOptionsFactory {
      createAmqpOptions(): AmqpModuleOptions {
        return { url: broker.url };
      }
    }
    @Module({ providers: [Settings], exports: [Settings] })
    class SettingsModule {}
    const imports = [
      AmqpModule.forRootAsync({
        imports: [SettingsModule],
        inject: [Settings],
        useFactory: async (settings: Settings) => Promise.resolve(settings.createAmqpOptions()),
      }),
      AmqpModule.forRootAsync({ name: 'class', useClass: Settings }),
      AmqpModule.forRootAsync({ name: 'existing', imports: [SettingsModule], useExisting: Settings }),
    ];
    const { app } = await startModule({ imports });
    const states = app.get(RecoveryService).connections();
    expect(states.map(({ name, state, epoch }) => [name, state, epoch]).sort()).toEqual([
      ['class', 'open', 1],
      ['default', 'open', 1],
      ['existing', 'open', 1],
    ]);
  });

  test('named connections each have their own topology, consumers and publishers', async () => {
    const queue = broker.unique('named');
    const seen: string[] = [];
    @Injectable()
    class Orders {
      constructor(
        @InjectPublisher({ exchange: `${queue}.x` }) readonly first: Publisher,
        @InjectPublisher({ exchange: `${queue}.y`, connection: 'second' }) readonly second: Publisher,
      ) {}
      @Consume({ queue: `${queue}.a`, exchange: `${queue}.x` })
      onFirst(order: string): void {
        seen.push(`first ${order}`);
      }
      @Consume({ queue: `${queue}.b`, exchange: `${queue}.y`, connection: 'second' })
      onSecond(order: string): void {
        seen.push(`second ${order}`);
      }
    }
    const exchange = { type: 'fanout', autoDelete: true };
    const { app } = await startModule({
      imports: [
        AmqpModule.forRoot({ url: broker.url, exchanges: [{ ...exchange, name: `${queue}.x` }] }),
        AmqpModule.forRoot({ name: 'second', url: broker.url, exchanges: [{ ...exchange, name: `${queue}.y` }] }),
      ],
      providers: [Orders],
    });
    await app.get(Orders).first.publish('', 'one');
    await app.get(Orders).second.publish('', 'two');
    await eventually(() => expect(seen.sort()).toEqual(['first one', 'second two']));
  });

  test('publishers can be injected in every module, or with isGlobal: false where AmqpModule is imported', async () => {
    @Injectable()
    class Checkout {
      constructor(@InjectPublisher() readonly direct: Publisher) {}
    }
    @Module({ providers: [Checkout] })
    class CheckoutModule {}
    await startModule({ imports: [AmqpModule.forRoot({ url: broker.url }), CheckoutModule] });
    const local = AmqpModule.forRoot({ url: broker.url, isGlobal: false });
    await expect(startModule({ imports: [local, CheckoutModule] })).rejects.toThrow("can't resolve dependencies");
    @Module({ imports: [local], providers: [Checkout] })
    class LocalModule {}
    const { app } = await startModule({ imports: [local, LocalModule] });
    expect(app.get(Checkout).direct).toBeInstanceOf(Publisher);
  });

  test('declares exchanges, queues and bindings without a handler', async () => {
    const name = broker.unique('declared');
    await startModule({
      imports: [
        AmqpModule.forRoot({
          url: broker.url,
          exchanges: [
            { name: `${name}.x`, type: 'topic', autoDelete: true },
            { name: `${name}.y`, type: 'fanout', internal: true, autoDelete: true },
          ],
          queues: [{ name: `${name}.q`, queueType: 'quorum' }],
          bindings: [
            { exchange: `${name}.x`, toExchange: `${name}.y`, routingKey: '#' },
            { exchange: `${name}.y`, queue: `${name}.q` },
          ],
        }),
      ],
    });
    await bystander.channel.publish(`${name}.x`, 'any.key', 'hello', {}, { mandatory: true });
    expect((await bystander.take(`${name}.q`)).body.toString()).toBe('hello');
  });
});
