/** The time that a handler may take: its own limit, and the one of the broker, which is never met. */
import { Controller, Injectable } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import {
  Ack,
  AmqpContext,
  BatchContext,
  Consume,
  ConfigurationError,
  HandlerTimeoutError,
  RemoteError,
  type AckPolicy,
  type AmqpModuleOptions,
  type ConsumeOptions,
} from 'leveret';
import { describeOnBroker } from '../../support/brokers.js';
import { breathe, elapse, letTimeGo, soon, stopTime } from '../../support/fake-time.js';
import {
  Bystander,
  closeApplication,
  closeApplications,
  eventually,
  pause,
  startApplication,
} from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';
import { Bench, EventPattern } from '../transport/support.js';

/** From 4.3 on the broker has no limit for classic queues. */
const limited = { queueType: 'quorum' } as const;
const noRetry: AckPolicy = { retry: 0 };

describeOnBroker('time limits', (broker) => {
  const bystander = new Bystander();
  const bench = new Bench(() => broker.url);
  const queues: string[] = [];
  beforeAll(() => bystander.open(broker.url));
  afterAll(async () => {
    for (const queue of queues) await bystander.channel.queueDelete(queue);
    await bystander.close();
  });
  beforeEach(() => bench.begin());
  afterEach(async () => {
    letTimeGo();
    await bench.end();
    await closeApplications();
  });

  function unique(name: string): string {
    const queue = broker.unique(name);
    queues.push(queue, `${queue}.parked`);
    return queue;
  }

  interface Seen {
    payload: unknown;
    redelivered: boolean;
    after: number;
    reason: unknown;
  }

  async function start(
    options: Partial<ConsumeOptions>,
    module: Partial<AmqpModuleOptions>,
    handle: (payload: unknown, context: AmqpContext) => Promise<unknown>,
    policy: AckPolicy = noRetry,
  ) {
    const queue = unique('limits');
    const seen: Seen[] = [];
    @Injectable()
    class Orders {
      @Consume({ queue, ...limited, ...options })
      @Ack(policy)
      async onOrder(payload: unknown, @Ctx() context: AmqpContext): Promise<void> {
        const one: Seen = { payload, redelivered: context.delivery.redelivered, after: 0, reason: undefined };
        seen.push(one);
        const begun = performance.now();
        context.signal.addEventListener('abort', () => {
          one.after = performance.now() - begun;
          one.reason = context.signal.reason;
        });
        await handle(payload, context);
      }
    }
    const { app, log } = await startApplication({ url: broker.url, ...module }, { providers: [Orders] });
    return { queue, seen, app, log };
  }

  const never = (): Promise<never> => new Promise(() => undefined);

  test('a handler at half of the broker’s limit is warned of once; shortly before it its message is settled by policy', async () => {
    const { queue, seen, log } = await start({}, { consumerTimeout: 2_000 }, (payload) =>
      payload === 'slow' ? never() : Promise.resolve(),
    );
    await bystander.send(queue, '"slow"');
    const warnings = () => log.texts('warn').filter((line) => line.includes('Orders.onOrder'));
    await eventually(() => expect(warnings()).toHaveLength(1));
    expect(seen[0]?.reason).toBeUndefined();
    expect(warnings()[0]).toContain('half of the 2000 ms');
    const parked = await bystander.take(`${queue}.parked`);
    expect(parked.headers).toMatchObject({ 'x-leveret-reason': 'timeout', 'x-leveret-error': 'HandlerTimeoutError' });
    expect(seen[0]?.reason).toBeInstanceOf(HandlerTimeoutError);
    expect(seen[0]?.reason).toMatchObject({ handler: 'Orders.onOrder', limit: 2_000 });
    expect(seen[0]?.after).toBeGreaterThan(1_500);
    expect(seen[0]?.after).toBeLessThan(2_000);
    await bystander.send(queue, '"next"');
    await eventually(() => expect(seen.map(({ payload }) => payload)).toEqual(['slow', 'next']));
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
    expect(log.texts('warn').filter((line) => line.includes('half of'))).toHaveLength(1);
  });

  test('messages that wait for their turn go back before the limit, and are handled in order', async () => {
    const { queue, seen } = await start({ concurrency: 1, prefetch: 10 }, { consumerTimeout: 1_000 }, () => pause(250));
    for (let number = 1; number <= 8; number++) await bystander.send(queue, String(number));
    await eventually(() => expect(seen).toHaveLength(8), 10_000);
    await pause(300);
    expect(seen.map(({ payload }) => payload)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(seen.filter(({ reason }) => reason !== undefined)).toEqual([]);
    expect(seen.slice(0, 1).some(({ redelivered }) => redelivered)).toBe(false);
    expect(seen.slice(-2).every(({ redelivered }) => redelivered)).toBe(true);
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
    expect(await bystander.count(`${queue}.parked`)).toBe(0);
  }, 20_000);

  test('what waits in a lane goes back too, and no younger one of its key overtakes it', async () => {
    const { queue, seen } = await start(
      { ordered: { by: { header: 'customer' } }, prefetch: 20 },
      { consumerTimeout: 1_000 },
      () => pause(200),
    );
    for (let number = 1; number <= 8; number++) {
      await bystander.send(queue, String(number), { headers: { customer: 'anna' } });
    }
    await eventually(() => expect(seen).toHaveLength(8), 10_000);
    expect(seen.map(({ payload }) => payload)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(seen.at(-1)?.redelivered).toBe(true);
  }, 20_000);

  test('a message that its handler left unsettled is settled by policy', async () => {
    const { queue, log } = await start({}, { consumerTimeout: 1_000 }, () => Promise.resolve(), {
      when: 'manual',
      ...noRetry,
    });
    await bystander.send(queue, '1');
    const parked = await bystander.take(`${queue}.parked`);
    expect(parked.headers['x-leveret-error']).toBe('HandlerTimeoutError');
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
    expect(log.texts('error').filter((line) => line.includes('HandlerTimeoutError'))).toHaveLength(1);
  });

  test('a batch is told, and all its messages are settled', async () => {
    const queue = unique('limits');
    const reasons: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume({ queue, ...limited, batch: { size: 3 } })
      @Ack(noRetry)
      async onOrders(_orders: unknown[], @Ctx() { signal }: BatchContext): Promise<void> {
        signal.addEventListener('abort', () => reasons.push(signal.reason));
        await never();
      }
    }
    await startApplication({ url: broker.url, consumerTimeout: 1_000 }, { providers: [Orders] });
    for (const body of ['1', '2', '3']) await bystander.send(queue, body);
    for (let count = 0; count < 3; count++) {
      expect((await bystander.take(`${queue}.parked`)).headers['x-leveret-reason']).toBe('timeout');
    }
    expect(reasons).toEqual([expect.any(HandlerTimeoutError)]);
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
  });

  test('consumerTimeout: false knows none; the argument of a queue goes first', async () => {
    const unlimited = await start({}, { consumerTimeout: false }, never);
    const own = await start({ arguments: { 'x-consumer-timeout': 1_000 } }, { consumerTimeout: false }, never);
    const shorter = await start({ arguments: { 'x-consumer-timeout': 60_000 } }, { consumerTimeout: 1_000 }, never);
    for (const { queue } of [unlimited, own, shorter]) await bystander.send(queue, '1');
    await eventually(() => expect(own.seen[0]?.reason).toBeInstanceOf(HandlerTimeoutError));
    await pause(200);
    expect(unlimited.seen[0]?.reason).toBeUndefined();
    expect(shorter.seen[0]?.reason).toBeUndefined();
    for (const { app } of [unlimited, own, shorter]) void closeApplication(app);
  });

  test('by default it is half an hour: warned of after 15 to 17 minutes, settled before 27', async () => {
    stopTime();
    const minute = 60_000;
    const again = await start({}, { heartbeat: 0 }, never);
    await bystander.channel.publish('', again.queue, '1');
    await soon(() => expect(again.seen).toHaveLength(1));
    const warnings = (): string[] => again.log.texts('warn').filter((line) => line.includes('half of'));
    await elapse(14.9 * minute);
    await breathe();
    expect(warnings()).toEqual([]);
    await elapse(2.1 * minute);
    expect(warnings()).toHaveLength(1);
    expect(warnings()[0]).toContain('1800000 ms');
    await elapse(8 * minute);
    expect(again.seen[0]?.reason).toBeUndefined();
    await elapse(2 * minute);
    expect(again.seen[0]?.reason).toBeInstanceOf(HandlerTimeoutError);
    await soon(async () => expect(await bystander.count(`${again.queue}.parked`)).toBe(1));
  }, 20_000);

  test('a timeout over the broker’s limit is warned of at start, and options that are wrong end it', async () => {
    const { log } = await start({ timeout: 5_000 }, { consumerTimeout: 4_000 }, () => Promise.resolve());
    expect(log.texts('warn').filter((line) => line.includes('longer than the broker lets'))).toHaveLength(1);
    const ordered = { by: 'routingKey', retries: 'wait' } as const;
    const held = await start({ ordered }, { consumerTimeout: 4_000 }, () => Promise.resolve(), {
      retry: { attempts: 4, delay: 1_000 },
    });
    expect(held.log.texts('warn').filter((line) => line.includes('its retries wait in memory'))).toHaveLength(1);
    for (const consumerTimeout of [0, 999, 1.5, '30m', true, NaN, Infinity, -1]) {
      const error = await rejection(start({}, { consumerTimeout } as never, () => Promise.resolve()));
      expect(error).toBeInstanceOf(ConfigurationError);
      expect(error.message).toContain('option "consumerTimeout" must be milliseconds');
    }
  });

  test('a retry that waits in memory goes back before the limit', async () => {
    const ordered = { by: 'routingKey', retries: 'wait' } as const;
    const { queue, seen } = await start(
      { ordered },
      { consumerTimeout: 1_000 },
      (_payload, { delivery }) => (delivery.redelivered ? Promise.resolve() : Promise.reject(new Error('once'))),
      { retry: { attempts: 1, delay: 60_000 } },
    );
    await bystander.send(queue, '1');
    await eventually(() => expect(seen.map(({ redelivered }) => redelivered)).toEqual([false, true]));
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
  });

  test('AmqpServer: a timeout settles events by policy, and tells who asked', async () => {
    const queue = unique('server');
    const reasons: unknown[] = [];
    const watch = (context: AmqpContext): Promise<never> => {
      context.signal.addEventListener('abort', () => reasons.push(context.signal.reason));
      return never();
    };
    @Controller()
    class Orders {
      @EventPattern('slow')
      onSlow(@Payload() _order: unknown, @Ctx() context: AmqpContext): Promise<void> {
        return watch(context);
      }
      @MessagePattern('ask')
      ask(@Payload() name: string, @Ctx() context: AmqpContext): Promise<string> | string {
        return name === 'slow' ? watch(context) : name;
      }
    }
    await bench.serve([Orders], { queue, timeout: 100, ack: noRetry });
    const client = bench.client({ queue });
    await bystander.send(queue, { pattern: 'slow', data: 1 });
    const parked = await bystander.take(`${queue}.parked`);
    expect(parked.headers).toMatchObject({
      'x-leveret-reason': 'timeout',
      'x-leveret-error-message': expect.stringContaining('"slow": not done within 100 ms') as string,
    });
    expect(await rejection(client.request('ask', 'slow'))).toBeInstanceOf(RemoteError);
    expect(await client.request('ask', 'quick')).toBe('quick');
    expect(reasons).toEqual([expect.any(HandlerTimeoutError), expect.any(HandlerTimeoutError)]);
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
    expect(
      bench.logger.errors.filter((line) => line.includes('not done within 100 ms (who asked was told)')),
    ).toHaveLength(1);
  });

  test('AmqpServer: the broker’s limit too; a timeout over it is warned of', async () => {
    const queue = unique('server');
    @Controller()
    class Orders {
      @EventPattern('slow')
      onSlow(): Promise<void> {
        return never();
      }
    }
    await bench.serve([Orders], {
      queue,
      queueOptions: { arguments: { 'x-queue-type': 'quorum' } },
      consumerTimeout: 1_000,
      timeout: 60_000,
      ack: noRetry,
    });
    expect(bench.logger.warnings.filter((line) => line.includes('longer than the broker lets'))).toHaveLength(1);
    await bystander.send(queue, { pattern: 'slow', data: 1 });
    expect((await bystander.take(`${queue}.parked`)).headers['x-leveret-reason']).toBe('timeout');
    expect(bench.logger.warnings.filter((line) => line.includes('half of the 1000 ms'))).toHaveLength(1);
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
  });
});
