/** A consumer that pauses by itself, and goes on when things are well again. */
import { Controller, Inject, Injectable } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { Ack, Consume, ConsumerRegistry, type AckPolicy, type ConsumeOptions, type ConsumerStatus } from 'leveret';
import { describeOnBroker } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import {
  Bystander,
  closeApplication,
  closeApplications,
  eventually,
  pause,
  startApplication,
} from '../../support/nest-app.js';
import { Bench, EventPattern } from '../transport/support.js';

type AutoPause = NonNullable<ConsumeOptions['autoPause']>;

describeOnBroker('automatic pause', (broker) => {
  const bystander = new Bystander();
  const bench = new Bench(() => broker.url);
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  beforeEach(() => bench.begin());
  afterEach(async () => {
    await bench.end();
    await closeApplications();
  });

  /** A handler that fails while `isDown`. */
  class Weather {
    isDown = false;
    /** What the probe does; undefined: it says whether it is down. */
    probe: (() => boolean | Promise<boolean>) | undefined;
    probed = 0;

    readonly ask = (): boolean | Promise<boolean> => {
      this.probed += 1;
      return this.probe ? this.probe() : !this.isDown;
    };
  }

  async function start(
    weather: Weather,
    autoPause: AutoPause,
    options: Partial<ConsumeOptions> = {},
    retry: AckPolicy['retry'] = 0,
  ) {
    const queue = broker.unique('auto-pause');
    const seen: unknown[] = [];
    let running = 0;
    let most = 0;
    @Injectable()
    class Orders {
      @Consume({ queue, autoPause, concurrency: 1, ...options })
      @Ack({ then: 'requeue', retry })
      async onOrder(order: unknown): Promise<void> {
        running += 1;
        most = Math.max(most, running);
        await pause(2);
        running -= 1;
        seen.push(order);
        if (weather.isDown) throw new Error('down');
      }
    }
    const cuts = new Cuts();
    const { app, log } = await startApplication(
      { url: broker.url, transport: cuts.transport, recovery: { initialDelay: 5, maxDelay: 20 } },
      { providers: [Orders] },
    );
    const registry = app.get(ConsumerRegistry);
    const status = (): ConsumerStatus => {
      const [one] = registry.status('Orders.onOrder');
      if (!one) throw new Error('there is no consumer');
      return one;
    };
    const stand = (): string => `${status().state} ${String(status().pausedBy)}`;
    const fill = async (count: number): Promise<void> => {
      for (let number = 1; number <= count; number++) await bystander.send(queue, String(number));
    };
    const mostAtOnce = (): number => {
      const was = most;
      most = 0;
      return was;
    };
    return { queue, seen, app, log, cuts, registry, status, stand, fill, mostAtOnce };
  }

  async function consumers(queue: string): Promise<number> {
    return (await bystander.channel.queueDeclare(queue, { passive: true })).consumerCount;
  }

  const lines = (log: { texts(): string[] }, word: RegExp): string[] =>
    log.texts().filter((line) => word.test(line) && line.includes('Orders.onOrder'));

  test('after failures in a row it is cancelled, and what did not start goes back; a probe resumes it', async () => {
    const weather = new Weather();
    const { queue, seen, log, status, stand, fill, registry } = await start(weather, {
      failures: 3,
      probe: weather.ask,
      interval: 50,
    });
    weather.isDown = true;
    await fill(10);
    await eventually(() => expect(stand()).toBe('paused failures'));
    expect(registry.isReady).toBe(true);
    await eventually(async () => expect(await bystander.count(queue)).toBe(10));
    expect(await consumers(queue)).toBe(0);
    expect(status().running).toBe(0);
    const runs = seen.length;
    // One may have begun before the pause was through.
    expect(runs).toBeLessThanOrEqual(5);
    await eventually(() => expect(weather.probed).toBeGreaterThan(2));
    expect(stand()).toBe('paused failures');
    expect(seen).toHaveLength(runs);
    weather.isDown = false;
    await eventually(() => expect(stand()).toBe('consuming undefined'));
    await eventually(() => expect(new Set(seen.slice(runs)).size).toBe(10));
    const probed = weather.probed;
    await pause(120);
    expect(weather.probed).toBe(probed);
    expect(lines(log, /paused: 3 failures in a row/)).toHaveLength(1);
    expect(lines(log, /resumed: its probe says yes/)).toHaveLength(1);
    expect(lines(log, /paused|resumed/)).toHaveLength(2);
  });

  test('failures count whose messages wait in memory to be tried again, and these go back too', async () => {
    const weather = new Weather();
    const { queue, seen, stand, fill } = await start(
      weather,
      { failures: 3, probe: weather.ask, interval: 50 },
      { ordered: { by: 'routingKey', retries: 'wait' } },
      { attempts: 1_000, delay: 20 },
    );
    weather.isDown = true;
    await fill(2);
    await eventually(() => expect(stand()).toBe('paused failures'));
    await eventually(async () => expect(await bystander.count(queue)).toBe(2));
    expect(seen.length).toBeLessThanOrEqual(5);
    weather.isDown = false;
    await eventually(() => expect(stand()).toBe('consuming undefined'));
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
  });

  test('without a probe it tries one message at a time after the interval, and goes on once one succeeded', async () => {
    const weather = new Weather();
    const { queue, seen, log, stand, fill, mostAtOnce } = await start(
      weather,
      { failures: 2, interval: 60 },
      { concurrency: 5 },
    );
    weather.isDown = true;
    await fill(10);
    await eventually(() => expect(stand()).toBe('paused failures'));
    await eventually(async () => expect(await bystander.count(queue)).toBe(10));
    mostAtOnce();
    const runs = seen.length;
    await pause(400);
    // Each try is one message.
    expect(seen.length - runs).toBeGreaterThan(1);
    expect(seen.length - runs).toBeLessThan(8);
    expect(mostAtOnce()).toBe(1);
    weather.isDown = false;
    await eventually(() => expect(lines(log, /resumed: a message succeeded/)).toHaveLength(1));
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
    await fill(10);
    await eventually(() => expect(seen.slice(-10)).toHaveLength(10));
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
    expect(stand()).toBe('consuming undefined');
    expect(mostAtOnce()).toBeGreaterThan(1);
    expect(lines(log, /paused|resumed/)).toHaveLength(2);
  });

  test('counts what handlers threw, and no message that none got; a success begins the count anew', async () => {
    const queue = broker.unique('auto-pause');
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume({ queue, concurrency: 1, autoPause: { failures: 3, interval: 60_000 } })
      @Ack({ then: 'drop', retry: 0 })
      onOrder(order: unknown): void {
        seen.push(order);
        if (order === 'fails') throw new Error('failed');
      }
    }
    const { app } = await startApplication({ url: broker.url }, { providers: [Orders] });
    const registry = app.get(ConsumerRegistry);
    for (const order of ['fails', 'fails', 'succeeds', 'fails', 'fails', 'succeeds']) {
      await bystander.send(queue, JSON.stringify(order));
    }
    for (let count = 0; count < 5; count++) await bystander.send(queue, 'no JSON');
    await bystander.send(queue, '"last"');
    await eventually(() => expect(seen).toHaveLength(7));
    expect(registry.status()).toMatchObject([{ state: 'consuming' }]);
    // What nobody could read neither counts nor begins the count anew.
    for (const body of ['"fails"', 'no JSON', '"fails"', 'no JSON', '"fails"']) await bystander.send(queue, body);
    await eventually(() => expect(registry.status()).toMatchObject([{ state: 'paused', pausedBy: 'failures' }]));
    expect(seen).toHaveLength(10);
  });

  test('a probe that watches pauses it before anything failed; a throw, a rejection, silence and no boolean are a no', async () => {
    const weather = new Weather();
    const { queue, seen, log, stand, fill } = await start(weather, {
      probe: weather.ask,
      interval: 20,
      probeTimeout: 30,
    });
    await fill(1);
    await eventually(() => expect(seen).toHaveLength(1));
    const ways: (() => boolean | Promise<boolean>)[] = [
      () => false,
      () => {
        throw new Error('the probe is broken');
      },
      () => Promise.reject(new Error('the probe is broken')),
      () => new Promise(() => undefined),
      () => 'yes' as unknown as boolean,
    ];
    for (const probe of ways) {
      weather.probe = probe;
      await eventually(() => expect(stand()).toBe('paused probe'));
      expect(await consumers(queue)).toBe(0);
      const { probed } = weather;
      await eventually(() => expect(weather.probed).toBeGreaterThan(probed + 1));
      expect(stand()).toBe('paused probe');
      weather.probe = () => Promise.resolve(true);
      await eventually(() => expect(stand()).toBe('consuming undefined'));
    }
    await bystander.send(queue, '"last"');
    await eventually(() => expect(seen.at(-1)).toBe('last'));
    expect(lines(log, /paused: its probe says no/)).toHaveLength(ways.length);
    expect(lines(log, /resumed: its probe says yes/)).toHaveLength(ways.length);
  });

  test('what a user paused or stopped stays so, whatever the probe says, also over a recovery', async () => {
    const weather = new Weather();
    const { queue, registry, cuts, stand } = await start(weather, {
      failures: 1,
      probe: weather.ask,
      watch: true,
      interval: 20,
    });
    for (const change of ['pause', 'stop'] as const) {
      await registry[change]('Orders.onOrder');
      const expected = change === 'pause' ? 'paused user' : 'stopped undefined';
      expect(stand()).toBe(expected);
      const { probed } = weather;
      cuts.cutAll();
      await pause(150);
      expect(stand()).toBe(expected);
      expect(weather.probed).toBe(probed);
      expect(await consumers(queue)).toBe(0);
      await registry.start('Orders.onOrder');
    }
    // One that paused by itself is a user's once a user paused it.
    weather.isDown = true;
    await eventually(() => expect(stand()).toBe('paused probe'));
    await registry.pause('Orders.onOrder');
    weather.isDown = false;
    await pause(100);
    expect(stand()).toBe('paused user');
    await registry.resume('Orders.onOrder');
    expect(stand()).toBe('consuming undefined');
  });

  test('stays paused by itself over a recovery of its connection', async () => {
    const weather = new Weather();
    const { queue, seen, cuts, stand } = await start(weather, { probe: weather.ask, interval: 20 });
    weather.isDown = true;
    await eventually(() => expect(stand()).toBe('paused probe'));
    cuts.cutAll();
    await pause(150);
    expect(stand()).toBe('paused probe');
    expect(await consumers(queue)).toBe(0);
    weather.isDown = false;
    await bystander.send(queue, '"after"');
    await eventually(() => expect(seen).toEqual(['after']));
  });

  test('a user’s resume overrules the probe, until it said yes once', async () => {
    const weather = new Weather();
    const { registry, seen, queue, stand } = await start(weather, { probe: weather.ask, interval: 20 });
    weather.probe = () => false;
    await eventually(() => expect(stand()).toBe('paused probe'));
    await registry.resume('Orders.onOrder');
    await bystander.send(queue, '1');
    await eventually(() => expect(seen).toEqual([1]));
    await pause(100);
    expect(stand()).toBe('consuming undefined');
    weather.probe = () => true;
    const { probed } = weather;
    await eventually(() => expect(weather.probed).toBeGreaterThan(probed + 1));
    weather.probe = () => false;
    await eventually(() => expect(stand()).toBe('paused probe'));
  });

  test('a user’s resume while it tries one message at a time gives it all of them', async () => {
    const weather = new Weather();
    const { registry, stand, fill, mostAtOnce, queue, seen } = await start(
      weather,
      { failures: 1, interval: 30 },
      { concurrency: 4 },
    );
    weather.isDown = true;
    await fill(1);
    await eventually(() => expect(stand()).toBe('paused failures'));
    await bystander.channel.queuePurge(queue);
    // It tries, and there is nothing to try with.
    await eventually(() => expect(stand()).toBe('consuming undefined'));
    weather.isDown = false;
    await registry.resume('Orders.onOrder');
    mostAtOnce();
    const runs = seen.length;
    await Promise.all([fill(12), fill(12), fill(12)]);
    await eventually(() => expect(seen.length - runs).toBe(36));
    expect(mostAtOnce()).toBe(4);
    expect(stand()).toBe('consuming undefined');
  });

  test('its probe may use what is injected: options from a factory', async () => {
    const queue = broker.unique('auto-pause');
    @Injectable()
    class Database {
      isUp = true;
      ping(): Promise<boolean> {
        return Promise.resolve(this.isUp);
      }
    }
    @Injectable()
    class Orders {
      constructor(@Inject(Database) readonly database: Database) {}
      @Consume({
        inject: [Database],
        useFactory: (database: Database) => ({ queue, autoPause: { probe: () => database.ping(), interval: 20 } }),
      })
      onOrder(): void {}
    }
    const { app } = await startApplication({ url: broker.url }, { providers: [Database, Orders] });
    const database = app.get(Database);
    const registry = app.get(ConsumerRegistry);
    database.isUp = false;
    await eventually(() => expect(registry.status()).toMatchObject([{ state: 'paused', pausedBy: 'probe' }]));
    database.isUp = true;
    await eventually(() => expect(registry.status()).toMatchObject([{ state: 'consuming' }]));
  });

  test('the application closes while it is paused, tries, or probes', async () => {
    for (const probe of [() => false, () => new Promise<boolean>(() => undefined), undefined]) {
      const weather = new Weather();
      weather.isDown = true;
      const { app, stand, fill } = await start(weather, { failures: 1, interval: 10, ...(probe && { probe }) });
      await fill(3);
      await eventually(() => expect(stand()).toBe('paused failures'));
      await pause(15);
      const begun = performance.now();
      await closeApplication(app);
      expect(performance.now() - begun).toBeLessThan(2_000);
    }
  });

  test('a queue that is gone when it is to go on is told of, and tried again', async () => {
    const weather = new Weather();
    const { queue, log, stand, seen } = await start(weather, { probe: weather.ask, interval: 30 }, { parking: false });
    weather.isDown = true;
    await eventually(() => expect(stand()).toBe('paused probe'));
    await bystander.channel.queueDelete(queue);
    weather.isDown = false;
    await eventually(() => expect(lines(log, /could not be resumed/).length).toBeGreaterThan(0));
    expect(stand()).toBe('paused probe');
    await bystander.channel.queueDeclare(queue);
    await bystander.send(queue, '"back"');
    await eventually(() => expect(seen).toEqual(['back']));
  });

  test('AmqpServer has it too', async () => {
    const queue = broker.unique('server');
    const weather = new Weather();
    weather.isDown = true;
    const seen: unknown[] = [];
    @Controller()
    class Orders {
      @EventPattern('order')
      onOrder(@Payload() order: unknown): void {
        seen.push(order);
        if (weather.isDown) throw new Error('down');
      }
    }
    const { server } = await bench.serve([Orders], {
      queue,
      concurrency: 1,
      ack: { then: 'requeue', retry: 0 },
      autoPause: { failures: 2, probe: weather.ask, interval: 20 },
    });
    for (const data of [1, 2, 3]) await bystander.send(queue, { pattern: 'order', data });
    const { consumer } = server.registered;
    await eventually(() => expect(consumer.pausedBy).toBe('failures'));
    await eventually(async () => expect(await bystander.count(queue)).toBe(3));
    expect(seen.length).toBeLessThanOrEqual(4);
    weather.isDown = false;
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
    await eventually(() => expect(new Set(seen.slice(-3))).toEqual(new Set([1, 2, 3])));
    expect(consumer.state).toBe('consuming');
  });
});
