import { Controller, Inject, Injectable, Module, Scope, type OnModuleInit } from '@nestjs/common';
import {
  AmqpModule,
  ConfigurationError,
  OnRecovery,
  RecoveryService,
  UnknownConnectionError,
  type RecoveryEvents,
} from 'leveret';
import { describeOnBroker, describeOnEmbedded } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { Bystander, closeApplications, eventually, startApplication, startModule } from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';

const recovery = { initialDelay: 20, maxDelay: 50 };

describeOnBroker('@OnRecovery', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  test('providers and controllers hear of an outage, in order, each method of what it asks for', async () => {
    const told: string[] = [];
    @Injectable()
    class Orders {
      readonly name = 'orders';
      @OnRecovery('lost')
      onLost({ connection, cause }: RecoveryEvents['lost']): void {
        told.push(`${this.name} lost ${connection} ${cause.name}`);
      }
      @OnRecovery('reconnecting')
      onReconnecting({ attempt }: RecoveryEvents['reconnecting']): void {
        told.push(`${this.name} reconnecting ${String(attempt)}`);
      }
      @OnRecovery('recovered')
      onRecovered({ epoch, restored }: RecoveryEvents['recovered']): void {
        told.push(`${this.name} recovered ${String(epoch)} ${String(restored.queues)}`);
      }
    }
    @Controller()
    class Status {
      @OnRecovery('lost')
      @OnRecovery('recovered')
      onChange(event: RecoveryEvents['lost'] | RecoveryEvents['recovered']): void {
        told.push(`status ${'epoch' in event ? 'recovered' : 'lost'}`);
      }
    }
    const cuts = new Cuts();
    await startApplication(
      { url: broker.url, recovery, transport: cuts.transport },
      { providers: [Orders], controllers: [Status] },
    );
    cuts.cutAll();
    await eventually(() => expect(told).toContain('status recovered'));
    expect(told).toEqual([
      'orders lost default ConnectionLostError',
      'status lost',
      'orders reconnecting 1',
      'orders recovered 2 0',
      'status recovered',
    ]);
  });

  test('healed is told when what the broker refused works again', async () => {
    const queue = broker.unique('healed');
    const told: unknown[] = [];
    @Injectable()
    class Watcher {
      @OnRecovery('recovered')
      onRecovered({ broken }: RecoveryEvents['recovered']): void {
        told.push(...broken.map(({ name }) => `broken ${name}`));
      }
      @OnRecovery('healed')
      onHealed({ connection, kind, name }: RecoveryEvents['healed']): void {
        told.push(`healed ${connection} ${kind} ${name}`);
      }
    }
    const cuts = new Cuts();
    await startApplication(
      { url: broker.url, recovery, transport: cuts.transport, queues: [{ name: queue }] },
      { providers: [Watcher] },
    );
    await bystander.channel.queueDelete(queue);
    await bystander.channel.queueDeclare(queue, { durable: false, autoDelete: true });
    cuts.cutAll();
    await eventually(() => expect(told).toEqual([`broken ${queue}`]));
    await bystander.channel.queueDelete(queue);
    await eventually(() => expect(told).toEqual([`broken ${queue}`, `healed default queue ${queue}`]));
    await bystander.channel.queueDelete(queue);
  });

  test('a hook may use what is recovered: it declares, and asks for a rebuild', async () => {
    const queue = broker.unique('made-in-hook');
    let made: unknown;
    @Injectable()
    class Orders {
      constructor(private readonly service: RecoveryService) {}
      @OnRecovery('recovered')
      async onRecovered(): Promise<void> {
        await this.service.apply({ queues: [{ name: queue, durable: false, autoDelete: true }] });
        made = await this.service.rebuild();
      }
    }
    const cuts = new Cuts();
    await startApplication({ url: broker.url, recovery, transport: cuts.transport }, { providers: [Orders] });
    cuts.cutAll();
    await eventually(() => expect(made).toMatchObject({ restored: { queues: 1 }, broken: [] }));
    await bystander.channel.queueDelete(queue);
  });
});

describeOnEmbedded('@OnRecovery', (broker) => {
  afterEach(closeApplications);

  test('a hook is told of one connection, or of all where it names none', async () => {
    const told: string[] = [];
    @Injectable()
    class Orders {
      @OnRecovery('recovered', { connection: 'audit' })
      onAudit({ connection }: RecoveryEvents['recovered']): void {
        told.push(`audit hook: ${connection}`);
      }
      @OnRecovery('recovered')
      onAny({ connection }: RecoveryEvents['recovered']): void {
        told.push(`any hook: ${connection}`);
      }
    }
    await startModule({
      imports: [
        AmqpModule.forRoot({ url: broker.url, recovery }),
        AmqpModule.forRoot({ name: 'audit', url: broker.url, recovery }),
      ],
      providers: [Orders],
    });
    broker.embedded().faults.dropAll();
    await eventually(() => expect(told).toHaveLength(3));
    expect(told.sort()).toEqual(['any hook: audit', 'any hook: default', 'audit hook: audit']);
  });

  test('a hook that throws or rejects is named in the log, and harms neither other hooks nor the recovery', async () => {
    const told: string[] = [];
    @Injectable()
    class Orders {
      @OnRecovery('lost')
      onThrow(): void {
        throw new Error('no such thing');
      }
      @OnRecovery('recovered')
      async onReject(): Promise<void> {
        await Promise.resolve();
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- users throw anything
        throw 'not an error';
      }
      @OnRecovery('lost')
      @OnRecovery('recovered')
      onChange(): void {
        told.push('told');
      }
    }
    const { app, log } = await startApplication({ url: broker.url, recovery }, { providers: [Orders] });
    broker.embedded().faults.dropAll();
    await eventually(() => expect(app.get(RecoveryService).connections()).toMatchObject([{ state: 'open', epoch: 2 }]));
    await eventually(() => expect(log.texts('error')).toHaveLength(2));
    expect(told).toEqual(['told', 'told']);
    expect(log.texts('error')[0]).toContain(`Orders.onThrow (@OnRecovery('lost')) failed: Error: no such thing`);
    expect(log.texts('error')[1]).toContain(`Orders.onReject (@OnRecovery('recovered')) failed: string: not an error`);
  });

  test('an outage while the application still starts is not missed', async () => {
    const told: string[] = [];
    @Injectable()
    class Early {
      @OnRecovery('recovered')
      onRecovered({ epoch }: RecoveryEvents['recovered']): void {
        told.push(`recovered ${String(epoch)}`);
      }
    }
    @Injectable()
    class Slow implements OnModuleInit {
      async onModuleInit(): Promise<void> {
        expect(broker.embedded().faults.dropAll()).toBe(1);
        await eventually(() => expect(told).toEqual(['recovered 2']));
      }
    }
    await startApplication({ url: broker.url, recovery }, { providers: [Slow, Early] });
    expect(told).toEqual(['recovered 2']);
  });

  test('a hook is called once however often its provider can be reached, and on every instance', async () => {
    const told: object[] = [];
    @Injectable()
    class Base {
      @OnRecovery('recovered')
      onRecovered(): void {
        told.push(this);
      }
    }
    @Injectable()
    class Derived extends Base {}
    @Module({ providers: [Base], exports: [Base] })
    class Shared {}
    const value = new Base();
    const { app } = await startApplication(
      { url: broker.url, recovery },
      {
        imports: [Shared],
        providers: [
          Derived,
          { provide: 'alias', useExisting: Derived },
          { provide: 'one', useValue: value },
          { provide: 'two', useValue: value },
          { provide: 'made', useFactory: () => new Derived() },
        ],
      },
    );
    broker.embedded().faults.dropAll();
    await eventually(() => expect(told).toHaveLength(4));
    await eventually(() => expect(app.get(RecoveryService).connections()).toMatchObject([{ state: 'open' }]));
    expect(new Set(told)).toEqual(
      new Set([app.get(Base, { strict: false }), app.get(Derived), value, app.get('made')]),
    );
  });

  test('a class without one instance is refused at the start, by name', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {
      @OnRecovery('lost')
      onLost(): void {}
    }
    @Injectable()
    class Dependent {
      constructor(@Inject(PerRequest) readonly perRequest: unknown) {}
      @OnRecovery('failed')
      onFailed(): void {}
    }
    @Injectable({ scope: Scope.TRANSIENT })
    class Transient {
      @OnRecovery('lost')
      onLost(): void {}
    }
    @Injectable({ scope: Scope.REQUEST })
    class Harmless {}
    const problems: string[] = [];
    for (const providers of [
      [PerRequest],
      [Harmless, { provide: PerRequest, useClass: Harmless, scope: Scope.REQUEST }, Dependent],
      [Transient],
    ]) {
      const error = await rejection(startApplication({ url: broker.url }, { providers }));
      expect(error).toBeInstanceOf(ConfigurationError);
      problems.push(error.message.split(': there is')[0] ?? '');
    }
    expect(problems).toEqual([
      'PerRequest.onLost: @OnRecovery: the class is request-scoped, or depends on one that is',
      'Dependent.onFailed: @OnRecovery: the class is request-scoped, or depends on one that is',
      'Transient.onLost: @OnRecovery: the class is transient',
    ]);
    expect(broker.embedded().inspect.connections()).toEqual([]);
  });

  test('a connection that is not there ends the start, by name', async () => {
    @Injectable()
    class Orders {
      @OnRecovery('lost', { connection: 'audit' })
      onLost(): void {}
    }
    const error = await rejection(startApplication({ url: broker.url }, { providers: [Orders] }));
    expect(error).toBeInstanceOf(UnknownConnectionError);
    expect(error.message).toBe('Orders.onLost: there is no connection "audit"; configured are "default"');
  });
});
