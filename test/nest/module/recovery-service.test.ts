import { Injectable } from '@nestjs/common';
import {
  AmqpModule,
  ConfigurationError,
  Consume,
  InjectPublisher,
  Publisher,
  RecoveryService,
  UnknownConnectionError,
  type AmqpModuleOptions,
  type ConnectionStatus,
  type Outage,
} from 'leveret';
import { PlanConflictError, WrongStateError } from 'leveret/amqp';
import { describeOnBroker, describeOnEmbedded } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import {
  Bystander,
  closeApplication,
  closeApplications,
  eventually,
  startApplication,
  startModule,
} from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';

const recovery = { initialDelay: 20, maxDelay: 50 };

describeOnBroker('RecoveryService', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  /** An application whose connection can be cut. */
  async function start(
    options: Partial<AmqpModuleOptions> = {},
    metadata: Parameters<typeof startApplication>[1] = {},
  ) {
    const cuts = new Cuts();
    const started = await startApplication(
      { url: broker.url, recovery, transport: cuts.transport, ...options },
      metadata,
    );
    return { ...started, cuts, service: started.app.get(RecoveryService) };
  }

  const isOpenIn = (service: RecoveryService, epoch: number) => (): void =>
    expect(service.connections()).toMatchObject([{ state: 'open', epoch }]);

  test('status$ replays the present status, tells every change, and completes when the application closed', async () => {
    const { app, cuts, service } = await start();
    const told: ConnectionStatus[] = [];
    let completions = 0;
    service.status$.subscribe({ next: (status) => told.push(status), complete: () => (completions += 1) });
    expect(told).toEqual([{ name: 'default', state: 'open', epoch: 1, blockedReason: undefined }]);
    cuts.cutAll();
    await eventually(isOpenIn(service, 2));
    expect(told.map(({ state, epoch }) => `${state} ${String(epoch)}`)).toEqual(['open 1', 'recovering 1', 'open 2']);
    expect(completions).toBe(0);
    await closeApplication(app);
    expect(told.slice(3)).toMatchObject([{ state: 'closed', epoch: 2 }]);
    expect(completions).toBe(1);
    const late: string[] = [];
    service.status().subscribe({ next: ({ state }) => late.push(state), complete: () => late.push('completed') });
    expect(late).toEqual(['closed', 'completed']);
  });

  test('a constructor may subscribe: it sees the connection being opened', async () => {
    const seen: string[] = [];
    @Injectable()
    class Dashboard {
      constructor(service: RecoveryService) {
        service.status().subscribe(({ name, state }) => seen.push(`${name} ${state}`));
      }
    }
    await start({}, { providers: [Dashboard] });
    expect(seen).toEqual(['default connecting', 'default open']);
  });

  test('each named connection has a status, outages and topology of its own', async () => {
    const cuts = new Cuts();
    const queue = broker.unique('audit');
    const audited = {
      url: broker.url,
      recovery,
      transport: cuts.transport,
      queues: [{ name: queue, autoDelete: true }],
    };
    const { app } = await startModule({
      imports: [AmqpModule.forRoot({ url: broker.url, recovery }), AmqpModule.forRoot({ ...audited, name: 'audit' })],
    });
    const service = app.get(RecoveryService);
    const all: string[] = [];
    const own: string[] = [];
    service.status$.subscribe(({ name, state }) => all.push(`${name} ${state}`));
    service.status('default').subscribe(({ state }) => own.push(state));
    cuts.cutAll();
    await eventually(() => expect(service.recoveries('audit')).toMatchObject([{ outcome: 'recovered' }]));
    expect(all).toEqual(['default open', 'audit open', 'audit recovering', 'audit open']);
    expect(own).toEqual(['open']);
    expect(service.recoveries('default')).toEqual([]);
    expect(service.recoveries()).toMatchObject([{ connection: 'audit', restored: { queues: 1 } }]);
    expect((await service.plan()).entities).toEqual([]);
    expect((await service.plan(undefined, { connection: 'audit' })).entities).toMatchObject([
      { kind: 'queue', name: queue, state: 'equal' },
    ]);
    expect((await service.rebuild('audit')).restored).toMatchObject({ queues: 1 });
    await bystander.channel.queueDelete(queue);
  });

  test('a connection that is not there is refused, and the known ones are named', async () => {
    const { service } = await start();
    const problem = 'there is no connection "audit"; configured are "default"';
    for (const refused of [
      () => service.status('audit'),
      () => service.recoveries('audit'),
      () => service.report('audit'),
      () => service.broken('audit'),
      () => service.drift({ connection: 'audit' }),
    ]) {
      expect(refused).toThrow(UnknownConnectionError);
      expect(refused).toThrow(problem);
    }
    for (const refused of [
      service.rebuild('audit'),
      service.plan({}, { connection: 'audit' }),
      service.apply({}, { connection: 'audit' }),
    ]) {
      const error = await rejection(refused);
      expect(error).toBeInstanceOf(ConfigurationError);
      expect(error.message).toContain(problem);
    }
  });

  test('what the recovery did is kept: cause, attempts, duration, counts, what was refused, and since when it works', async () => {
    const broken = broker.unique('broken');
    const whole = broker.unique('whole');
    @Injectable()
    class Orders {
      @Consume({ queue: whole, autoDelete: true, parking: false })
      onOrder(): void {}
    }
    const before = Date.now();
    const { cuts, service, log } = await start(
      { queues: [{ name: broken }], recovery: { initialDelay: 300, maxDelay: 400 } },
      { providers: [Orders] },
    );
    const healed: unknown[] = [];
    const during: Partial<Outage>[] = [];
    service.on('healed', (event) => healed.push(event));
    service.on('lost', () => during.push(...service.recoveries()));
    await bystander.channel.queueDelete(broken);
    await bystander.channel.queueDeclare(broken, { durable: false, autoDelete: true });
    cuts.cutAll();
    await eventually(isOpenIn(service, 2));
    expect(during).toMatchObject([{ outcome: 'ongoing', attempts: 0, epoch: undefined, restored: undefined }]);
    const [outage] = service.recoveries();
    expect(outage).toMatchObject({
      connection: 'default',
      outcome: 'recovered',
      attempts: 1,
      lastFailure: undefined,
      epoch: 2,
      restored: { exchanges: 0, queues: 1, bindings: 0, consumers: 1 },
      broken: [{ kind: 'queue', name: broken, healedAt: undefined }],
      brokenCount: 1,
      renamedCount: 0,
    });
    expect(outage?.cause).toMatch(/^ConnectionLostError: /);
    expect(outage?.lostAt.getTime()).toBeGreaterThanOrEqual(before);
    expect(outage?.duration).toBeLessThan(10_000);
    expect(outage?.broken[0]?.reason).toContain('PRECONDITION_FAILED');
    expect(service.broken()).toMatchObject([{ connection: 'default', kind: 'queue', name: broken }]);
    expect(service.report()).toContain(`queue "${broken}" did not come back: `);
    expect(log.texts('error').join()).toContain(`connection "default": queue "${broken}" did not come back`);

    await bystander.channel.queueDelete(broken);
    await eventually(() => expect(healed).toEqual([{ connection: 'default', kind: 'queue', name: broken }]));
    expect(service.broken()).toEqual([]);
    expect(service.recoveries()[0]?.broken[0]?.healedAt).toBeInstanceOf(Date);
    // What was given out before is as it was.
    expect(outage?.broken[0]?.healedAt).toBeUndefined();
    await eventually(() =>
      expect(log.texts('log').join()).toContain(`connection "default": queue "${broken}" works again`),
    );
    await bystander.channel.queueDelete(broken);
  });

  test('an outage that goes on is told with its attempts and the last failure, and given up as such', async () => {
    const cuts = new Cuts();
    let isReachable = true;
    const { service, app } = await start({
      recovery: { initialDelay: 5, maxDelay: 10 },
      transport: (endpoint, signal) => {
        if (!isReachable) return Promise.reject(new Error('nobody is there'));
        return cuts.transport(endpoint, signal);
      },
    });
    isReachable = false;
    cuts.cutAll();
    await eventually(() => expect(service.recoveries()[0]?.attempts).toBeGreaterThan(2));
    const [outage] = service.recoveries();
    expect(outage).toMatchObject({ outcome: 'ongoing', epoch: undefined });
    expect(outage?.lastFailure).toContain('nobody is there');
    expect(service.report()).toMatch(
      /default": recovering in life 1; last outages:\n {2}\S+Z lost: .*; not back after/,
    );
    await closeApplication(app);
    expect(service.recoveries()).toMatchObject([{ outcome: 'closed' }]);
  });

  test('plan tells what is missing, rebuild declares it again, and drift tells both', async () => {
    const queue = broker.unique('drift');
    const { service, app } = await start({ queues: [{ name: queue }] });
    const watch = service.drift({ interval: 20 });
    await bystander.channel.queueDelete(queue);
    expect((await service.plan()).missing).toMatchObject([{ kind: 'queue', name: queue }]);
    expect((await watch.next()).value).toMatchObject({ missing: [{ kind: 'queue', name: queue }] });
    const { restored, broken } = await service.rebuild();
    expect({ restored, broken }).toMatchObject({ restored: { queues: 1 }, broken: [] });
    expect((await service.plan()).missing).toEqual([]);
    expect((await watch.next()).value).toMatchObject({ missing: [], healed: [{ kind: 'queue', name: queue }] });
    const ending = watch.next();
    await bystander.channel.queueDelete(queue);
    await ending;
    const last = watch.next();
    await closeApplication(app);
    expect(await last).toEqual({ done: true, value: undefined });
  });

  test('apply declares what is missing, and nothing where anything is in conflict', async () => {
    const queue = broker.unique('applied');
    const { service } = await start();
    const declarations = { queues: [{ name: queue, durable: false, autoDelete: true }] };
    expect((await service.apply(declarations)).missing).toMatchObject([{ name: queue }]);
    expect(await bystander.channel.queueExists(queue)).toBe(true);
    const conflict = await rejection(service.apply({ queues: [{ name: queue, durable: true, autoDelete: true }] }));
    expect(conflict).toBeInstanceOf(PlanConflictError);
    await bystander.channel.queueDelete(queue);
  });
});

describeOnEmbedded('RecoveryService', (broker) => {
  afterEach(closeApplications);

  test('a blocked connection is told by status$', async () => {
    const queue = broker.unique('blocked');
    @Injectable()
    class Shop {
      constructor(@InjectPublisher() readonly direct: Publisher) {}
    }
    const { app } = await startApplication({ url: broker.url, queues: [{ name: queue }] }, { providers: [Shop] });
    const reasons: (string | undefined)[] = [];
    app.get(RecoveryService).status$.subscribe(({ blockedReason }) => reasons.push(blockedReason));
    // A broker blocks who publishes.
    await app.get(Shop).direct.publish(queue, 'one');
    broker.embedded().faults.blockAll('low on memory');
    await eventually(() => expect(reasons).toEqual([undefined, 'low on memory']));
    broker.embedded().faults.unblockAll();
    await eventually(() => expect(reasons).toEqual([undefined, 'low on memory', undefined]));
  });

  test('the last 20 outages are kept, and no more', async () => {
    const { app } = await startApplication({ url: broker.url, recovery: { initialDelay: 1, maxDelay: 1 } }, {});
    const service = app.get(RecoveryService);
    for (let epoch = 2; epoch <= 24; epoch++) {
      broker.embedded().faults.dropAll();
      await eventually(() => expect(service.connections()).toMatchObject([{ state: 'open', epoch }]));
    }
    const epochs = service.recoveries().map(({ epoch }) => epoch);
    expect(epochs).toEqual(Array.from({ length: 20 }, (_, index) => index + 5));
    expect(service.report().split('\n')).toHaveLength(21);
  });

  test('what was given up stays told, and status$ goes on until the application closes', async () => {
    const { app, log } = await startApplication({ url: broker.url, recovery: false }, {});
    const service = app.get(RecoveryService);
    const states: string[] = [];
    service.status$.subscribe({ next: ({ state }) => states.push(state), complete: () => states.push('completed') });
    broker.embedded().faults.dropAll();
    await eventually(() => expect(service.recoveries()).toMatchObject([{ outcome: 'failed', attempts: 0 }]));
    expect(log.texts('warn').join()).not.toContain('reconnecting');
    await closeApplication(app);
    expect(states).toEqual(['open', 'failed', 'closed', 'completed']);
    expect(service.report()).toMatch(/^connection "default": \w+ in life 1; last outages:\n.*; given up after \d+ ms/);
  });

  test('before the start nothing can be done, and an unknown connection ends the start', async () => {
    let early: Promise<Error> | undefined;
    let isCompleted = false;
    @Injectable()
    class Eager {
      constructor(service: RecoveryService) {
        early = rejection(service.rebuild());
      }
    }
    await startApplication({ url: broker.url }, { providers: [Eager] });
    expect(await early).toBeInstanceOf(WrongStateError);
    @Injectable()
    class Mistaken {
      constructor(service: RecoveryService) {
        service.status('audit').subscribe({ complete: () => (isCompleted = true) });
      }
    }
    const error = await rejection(startApplication({ url: broker.url }, { providers: [Mistaken] }));
    expect(error).toBeInstanceOf(UnknownConnectionError);
    expect(error.message).toContain('RecoveryService.status: there is no connection "audit"');
    expect(isCompleted).toBe(true);
  });
});
