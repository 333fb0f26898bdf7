/** Pause, resume, stop and start consumers at run time, by name. */
import { Injectable } from '@nestjs/common';
import { Consume, ConsumerRegistry, ConfigurationError, UnknownConsumerError, RecoveryService } from 'leveret';
import { ArgumentError, WrongStateError } from 'leveret/amqp';
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
import { rejection } from '../../support/waiting.js';

describeOnBroker('the consumer registry', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  interface Started {
    queue: string;
    seen: unknown[];
    registry: ConsumerRegistry;
    cuts: Cuts;
    recovery: RecoveryService;
    /** Lets handlers of `{ wait: true }` end. */
    release(): void;
    close(): Promise<void>;
    states(): string[];
  }

  async function start(options: object = {}): Promise<Started> {
    const queue = broker.unique('registry');
    const seen: unknown[] = [];
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    @Injectable()
    class Orders {
      @Consume({ queue, name: 'orders', ...options })
      async onOrder(order: { wait?: boolean }): Promise<void> {
        seen.push(order);
        if (order.wait === true) await released;
      }
    }
    const cuts = new Cuts();
    const { app } = await startApplication(
      { url: broker.url, transport: cuts.transport, recovery: { initialDelay: 5, maxDelay: 20 } },
      { providers: [Orders] },
    );
    const registry = app.get(ConsumerRegistry);
    const states = (): string[] => registry.status().map(({ state, isConsuming }) => `${state} ${String(isConsuming)}`);
    const close = (): Promise<void> => closeApplication(app);
    return { queue, seen, registry, cuts, recovery: app.get(RecoveryService), release: () => release(), close, states };
  }

  async function consumers(queue: string): Promise<number> {
    return (await bystander.channel.queueDeclare(queue, { passive: true })).consumerCount;
  }

  test('tells how consumers stand', async () => {
    const { queue, registry, release } = await start();
    await bystander.send(queue, { wait: true });
    await eventually(() =>
      expect(registry.status('orders')).toEqual([
        {
          name: 'orders',
          handler: 'Orders.onOrder',
          queue,
          connection: 'default',
          state: 'consuming',
          isConsuming: true,
          running: 1,
          stale: 0,
        },
      ]),
    );
    expect(registry.isReady).toBe(true);
    release();
    await eventually(() => expect(registry.status()).toMatchObject([{ running: 0 }]));
  });

  test('pause gives back what no handler has, lets handlers end, and resume takes it again', async () => {
    const { queue, seen, registry, release, states } = await start({ concurrency: 1 });
    await bystander.send(queue, { id: 1, wait: true });
    for (const id of [2, 3]) await bystander.send(queue, { id });
    await eventually(() => expect(seen).toHaveLength(1));
    await Promise.all([registry.pause('orders'), registry.pause('orders')]);
    expect(states()).toEqual(['paused false']);
    expect(registry.isReady).toBe(true);
    await eventually(async () => expect(await bystander.count(queue)).toBe(2));
    expect(await consumers(queue)).toBe(0);
    release();
    await eventually(() => expect(registry.status()).toMatchObject([{ running: 0 }]));
    expect(seen).toHaveLength(1);
    await registry.resume('Orders.onOrder');
    await eventually(() => expect(seen.map((order) => (order as { id: number }).id)).toEqual([1, 2, 3]));
    expect(states()).toEqual(['consuming true']);
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
  });

  test('what was paused or stopped stays so over a recovery', async () => {
    const { queue, seen, registry, cuts, recovery, states } = await start();
    for (const change of ['pause', 'stop'] as const) {
      await registry[change]('orders');
      const recovered = new Promise((resolve) => recovery.once('recovered', resolve));
      cuts.cutAll();
      await recovered;
      await bystander.send(queue, JSON.stringify(change));
      await pause(100);
      expect(states()).toEqual([change === 'pause' ? 'paused false' : 'stopped false']);
      expect(await consumers(queue)).toBe(0);
    }
    await registry.start('orders');
    await eventually(() => expect(seen).toEqual(['pause', 'stop']));
    const again = new Promise((resolve) => recovery.once('recovered', resolve));
    cuts.cutAll();
    await again;
    await bystander.send(queue, JSON.stringify('after'));
    // An acknowledgement may have been lost with the connection.
    await eventually(() => expect(seen.at(-1)).toBe('after'));
    expect(states()).toEqual(['consuming true']);
  });

  test('stop drains within its limit, then gives the rest back; start takes it again', async () => {
    const { queue, seen, registry, release, states } = await start();
    await bystander.send(queue, { id: 1, wait: true });
    await eventually(() => expect(seen).toHaveLength(1));
    const stopping = registry.stop('orders', { timeout: 100 });
    await eventually(() => expect(states()).toEqual(['stopping false']));
    await stopping;
    expect(states()).toEqual(['stopped false']);
    expect(await bystander.count(queue)).toBe(1);
    await registry.stop('orders');
    release();
    await registry.start('orders');
    await eventually(() => expect(seen).toHaveLength(2));
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
  });

  test('changes of one consumer happen in the order in which they were asked for', async () => {
    const { queue, seen, registry, states } = await start();
    await Promise.all([
      registry.pause('orders'),
      registry.resume('orders'),
      registry.stop('orders'),
      registry.start('orders'),
      registry.pause('orders'),
      registry.start('orders'),
    ]);
    expect(states()).toEqual(['consuming true']);
    expect(await consumers(queue)).toBe(1);
    await bystander.send(queue, JSON.stringify('once'));
    await eventually(() => expect(seen).toEqual(['once']));
  });

  test('autoStart: false declares all and consumes nothing until it is started', async () => {
    const { queue, seen, registry, states } = await start({ autoStart: false });
    expect(states()).toEqual(['stopped false']);
    expect(registry.isReady).toBe(true);
    await bystander.send(queue, JSON.stringify('early'));
    await pause(50);
    expect(seen).toEqual([]);
    await registry.start('orders');
    await eventually(() => expect(seen).toEqual(['early']));
  });

  test('a queue that is gone refuses the start, and the consumer can be started when it is back', async () => {
    const { queue, seen, registry, states } = await start();
    await registry.stop('orders');
    await bystander.channel.queueDelete(queue);
    const error = await rejection(registry.start('orders'));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toMatch(new RegExp(`^Orders.onOrder: consuming the queue "${queue}" was refused .*404`));
    expect(states()).toEqual(['stopped false']);
    await bystander.channel.queueDeclare(queue);
    await registry.start('orders');
    await bystander.send(queue, JSON.stringify('back'));
    await eventually(() => expect(seen).toEqual(['back']));
  });

  test('a resume that is refused leaves it paused: it can be tried again, and a stop waits for its handlers', async () => {
    const { queue, seen, registry, release, states } = await start();
    await bystander.send(queue, { wait: true });
    await eventually(() => expect(seen).toHaveLength(1));
    await registry.pause('orders');
    await bystander.channel.queueDelete(queue);
    expect(await rejection(registry.resume('orders'))).toBeInstanceOf(ConfigurationError);
    expect(states()).toEqual(['paused false']);
    let isStopped = false;
    const stopping = registry.stop('orders').then(() => (isStopped = true));
    await pause(50);
    expect(isStopped).toBe(false);
    release();
    await stopping;
    await bystander.channel.queueDeclare(queue);
    await registry.start('orders');
    expect(states()).toEqual(['consuming true']);
  });

  test('what cannot be done is refused, typed, and changes nothing', async () => {
    const { registry, states, close } = await start();
    for (const change of ['pause', 'resume', 'stop', 'start'] as const) {
      const error = await rejection(registry[change]('nobody'));
      expect(error).toBeInstanceOf(UnknownConsumerError);
      expect(error.message).toBe(`ConsumerRegistry.${change}: there is no consumer "nobody"; there are "orders"`);
    }
    expect(() => registry.status('nobody')).toThrow(UnknownConsumerError);
    await registry.resume('orders');
    await registry.start('orders');
    for (const timeout of [Number.NaN, -1, 0.5]) {
      expect(await rejection(registry.stop('orders', { timeout }))).toBeInstanceOf(ArgumentError);
    }
    expect(states()).toEqual(['consuming true']);
    await registry.stop('orders');
    for (const change of ['pause', 'resume'] as const) {
      expect(await rejection(registry[change]('orders'))).toBeInstanceOf(WrongStateError);
    }
    expect(states()).toEqual(['stopped false']);
    await close();
    expect(await rejection(registry.start('orders'))).toBeInstanceOf(WrongStateError);
    expect(registry.isReady).toBe(false);
  });

  test('a name means one consumer; a method means all of its own', async () => {
    const [first, second] = [broker.unique('first'), broker.unique('second')];
    @Injectable()
    class Orders {
      @Consume({ queue: first, name: 'same' })
      @Consume({ queue: second, name: 'same' })
      onOrder(): void {
        return;
      }
    }
    const error = await rejection(startApplication({ url: broker.url }, { providers: [Orders] }));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toContain('the consumer\'s name "same" is that of Orders.onOrder');
    @Injectable()
    class Both {
      @Consume(first)
      @Consume(second)
      onOrder(): void {
        return;
      }
    }
    const { app } = await startApplication({ url: broker.url }, { providers: [Both] });
    await app.get(ConsumerRegistry).pause('Both.onOrder');
    expect(await Promise.all([consumers(first), consumers(second)])).toEqual([0, 0]);
  });
});
