/** Handlers that are given many messages at a time, and a result for each of them. */
import {
  Injectable,
  ParseArrayPipe,
  UseFilters,
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { IsInt } from 'class-validator';
import {
  Ack,
  AmqpContext,
  BatchContext,
  Consume,
  ConsumerRegistry,
  Headers,
  HandlerTimeoutError,
  InjectPublisher,
  Publisher,
  ShutdownError,
  type ConsumeOptions,
} from 'leveret';
import { ArgumentError, WrongStateError } from 'leveret/amqp';
import type { Observable } from 'rxjs';
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

class OrderDto {
  @IsInt()
  id!: number;
}

type Handle = (orders: unknown[], batch: BatchContext) => unknown;

describeOnBroker('batches', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  async function start(options: Partial<ConsumeOptions>, handle: Handle = () => undefined, defaults: object = {}) {
    const queue = broker.unique('batch');
    const batches: unknown[][] = [];
    @Injectable()
    class Orders {
      @Consume({ queue, batch: { size: 5, wait: 150 }, ...options })
      @Ack({ retry: 0, errors: [[RangeError, { then: 'drop' }]] })
      async onOrders(orders: unknown[], @Ctx() batch: BatchContext): Promise<void> {
        batches.push(orders);
        await handle(orders, batch);
      }
    }
    const cuts = new Cuts();
    const { app, log } = await startApplication(
      { url: broker.url, transport: cuts.transport, recovery: { initialDelay: 5, maxDelay: 20 }, defaults },
      { providers: [Orders] },
    );
    const send = async (from: number, to: number): Promise<void> => {
      const ids = Array.from({ length: to - from + 1 }, (_none, index) => from + index);
      await Promise.all(ids.map((id) => bystander.send(queue, { id })));
    };
    const parked = async (count: number) => {
      const messages = [];
      for (let index = 0; index < count; index++) messages.push(await bystander.take(`${queue}.parked`));
      return messages;
    };
    const isEmpty = (): Promise<void> =>
      eventually(async () =>
        expect(await bystander.channel.queueDeclare(queue, { passive: true })).toMatchObject({ messageCount: 0 }),
      );
    return { queue, batches, log, app, cuts, send, parked, isEmpty, registry: app.get(ConsumerRegistry) };
  }

  const idsOf = (batch: unknown[]): number[] => batch.map((order) => (order as { id: number }).id);

  test('a full one at once, the rest after its wait, in the order of the queue; all are acknowledged', async () => {
    const { app, batches, send, isEmpty, registry } = await start({ concurrency: 1, autoStart: false });
    await send(1, 12);
    const begun = performance.now();
    await registry.start('Orders.onOrders');
    await eventually(() => expect(batches).toHaveLength(2));
    expect(performance.now() - begun).toBeLessThan(5_000);
    await eventually(() =>
      expect(batches.map(idsOf)).toEqual([
        [1, 2, 3, 4, 5],
        [6, 7, 8, 9, 10],
        [11, 12],
      ]),
    );
    await closeApplication(app);
    await isEmpty();
  });

  test('prefetch is raised to its size, times concurrency where that is limited', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const wide = await start({ batch: { size: 30, wait: 5_000 }, prefetch: 3 }, () => released);
    const narrow = await start({ batch: { size: 12, wait: 5_000 }, concurrency: 2, prefetch: 1 }, () => released);
    await wide.send(1, 31);
    await narrow.send(1, 30);
    await eventually(() => expect(wide.batches.map((batch) => batch.length)).toEqual([30]));
    await eventually(() => expect(narrow.batches.map((batch) => batch.length)).toEqual([12, 12]));
    expect(await bystander.count(wide.queue)).toBe(1);
    expect(await bystander.count(narrow.queue)).toBe(6);
    expect(narrow.registry.status()).toMatchObject([{ running: 2 }]);
    release();
  });

  test('each that was marked as failed is settled by the policy for its error, all others are acknowledged', async () => {
    const { batches, send, parked, isEmpty, log } = await start({}, (_orders, batch) => {
      batch.fail(1, new RangeError('dropped'));
      batch.fail(3, new TypeError('parked'));
      batch.fail(3, new RangeError('the first counts'));
      batch.fail(4);
    });
    await send(1, 5);
    const messages = await parked(2);
    expect(messages.map((message) => [message.json(), message.headers['x-leveret-error']])).toEqual(
      expect.arrayContaining([
        [{ id: 4 }, 'TypeError'],
        [{ id: 5 }, 'Error'],
      ]),
    );
    await isEmpty();
    expect(batches).toHaveLength(1);
    expect(log.texts('error').filter((line) => line.includes('dropped'))).toHaveLength(1);
  });

  test('a throw fails all that were not marked; what was marked keeps its own error', async () => {
    const { send, parked, isEmpty, log } = await start({}, (_orders, batch) => {
      batch.fail(0, new RangeError('dropped'));
      throw new TypeError('all others');
    });
    await send(1, 5);
    const messages = await parked(4);
    expect(messages.map((message) => message.json())).toEqual(
      expect.arrayContaining([2, 3, 4, 5].map((id) => ({ id }))),
    );
    expect(messages.map(({ headers }) => headers['x-leveret-error'])).toEqual(Array(4).fill('TypeError'));
    // A line for each message, and the stack once.
    const lines = log.texts('error').filter((line) => line.includes('all others'));
    expect(lines).toHaveLength(4);
    expect(lines.filter((line) => line.includes('batch.test.ts'))).toHaveLength(1);
    await isEmpty();
    expect(await bystander.count(`${messages[0]?.headers['x-leveret-queue'] as string}.parked`)).toBe(0);
  });

  test('one bad message never fails its neighbours: it is settled by itself, and not in the batch', async () => {
    const { queue, batches, send, parked, isEmpty } = await start({});
    await send(1, 2);
    await bystander.send(queue, 'no JSON');
    await send(3, 4);
    const [bad] = await parked(1);
    expect(bad?.headers).toMatchObject({ 'x-leveret-reason': 'unreadable' });
    await eventually(() => expect(batches.map(idsOf)).toEqual([[1, 2, 3, 4]]));
    await isEmpty();
    for (let count = 0; count < 5; count++) await bystander.send(queue, 'a batch of nothing else');
    await parked(5);
    expect(batches).toHaveLength(1);
    await send(5, 9);
    await eventually(() => expect(batches).toHaveLength(2));
  });

  test('its context has the context of each message, its signal, and limits on what it is asked', async () => {
    const seen: unknown[] = [];
    const contexts: BatchContext[] = [];
    const { queue, send, isEmpty } = await start({}, (_orders, batch) => {
      contexts.push(batch);
      seen.push(
        batch.size,
        batch.getQueue(),
        batch.getHandler(),
        batch.getConnection(),
        batch.getPattern(),
        batch.contexts.map((context) => context.getRoutingKey()),
        batch.deliveries.map((delivery) => delivery.text()),
        batch.channel === batch.contexts[0]?.channel,
        batch.signal.aborted,
        AmqpContext.current(),
        batch.runFor(1, (context) => AmqpContext.current() === context),
      );
      for (const index of [-1, 2, 0.5, NaN]) expect(() => batch.fail(index)).toThrow(ArgumentError);
      expect(() => batch.runFor(2, () => undefined)).toThrow(ArgumentError);
    });
    await send(1, 2);
    await eventually(() => expect(seen.length).toBeGreaterThan(0));
    expect(seen).toEqual([
      2,
      queue,
      'Orders.onOrders',
      'default',
      queue,
      [queue, queue],
      ['{"id":1}', '{"id":2}'],
      true,
      false,
      undefined,
      true,
    ]);
    await isEmpty();
    expect(() => contexts[0]?.fail(0)).toThrow(WrongStateError);
  });

  test('what is published for one of its messages carries on that one’s correlation, and none in the handler itself', async () => {
    const queue = broker.unique('batch');
    const target = broker.unique('target');
    @Injectable()
    class Orders {
      constructor(@InjectPublisher() readonly publisher: Publisher) {}
      @Consume({ queue, batch: { size: 2 } })
      async onOrders(orders: unknown[], @Ctx() batch: BatchContext): Promise<void> {
        await this.publisher.publish(target, 'all');
        for (const [index] of orders.entries()) {
          await batch.runFor(index, () => this.publisher.publish(target, `one ${String(index)}`));
        }
      }
    }
    await startApplication({ url: broker.url, queues: [{ name: target }] }, { providers: [Orders] });
    for (const correlationId of ['first', 'second']) await bystander.send(queue, {}, { correlationId });
    const taken = [await bystander.take(target), await bystander.take(target), await bystander.take(target)];
    expect(taken.map((message) => [message.json(), message.properties.correlationId])).toEqual([
      ['all', undefined],
      ['one 0', 'first'],
      ['one 1', 'second'],
    ]);
  });

  test('@Ack manual: each is settled by its own Settlement; what fails before is settled by policy', async () => {
    const queue = broker.unique('batch');
    const dead = broker.unique('dead');
    @Injectable()
    class Orders {
      @Consume({ queue, batch: { size: 4 }, deadLetter: { exchange: '', routingKey: dead } })
      @Ack({ when: 'manual', retry: 0 })
      onOrders(_orders: unknown[], @Ctx() batch: BatchContext): void {
        batch.contexts[0]?.settlement?.ack();
        batch.contexts[1]?.settlement?.deadLetter();
        batch.fail(2, new Error('by policy'));
        setTimeout(() => batch.contexts[3]?.settlement?.ack(), 100);
      }
    }
    const { app } = await startApplication({ url: broker.url, queues: [{ name: dead }] }, { providers: [Orders] });
    for (let id = 0; id < 4; id++) await bystander.send(queue, { id });
    expect((await bystander.take(dead)).json()).toEqual({ id: 1 });
    expect((await bystander.take(`${queue}.parked`)).json()).toEqual({ id: 2 });
    await pause(150);
    await closeApplication(app);
    expect(await bystander.count(queue)).toBe(0);
  });

  test('pipes get the array; guards, interceptors and filters run once for a batch, and what they refuse is tried one by one', async () => {
    const queue = broker.unique('batch');
    const calls: string[] = [];
    const kinds: unknown[] = [];
    @Injectable()
    class Guard implements CanActivate {
      canActivate(host: ExecutionContext): boolean {
        calls.push('guard');
        const batch: unknown = host.switchToRpc().getContext();
        return (
          batch instanceof BatchContext && !batch.deliveries.some(({ headers }) => headers['tenant'] === 'stranger')
        );
      }
    }
    @Injectable()
    class Interceptor implements NestInterceptor {
      intercept(_host: ExecutionContext, next: CallHandler): Observable<unknown> {
        calls.push('interceptor');
        return next.handle();
      }
    }
    class Filter implements ExceptionFilter {
      catch(error: unknown): never {
        calls.push('filter');
        throw error;
      }
    }
    @Injectable()
    class Orders {
      @Consume({ queue, batch: { size: 3, wait: 30 } })
      @Ack({ refused: 'drop' })
      @UseGuards(Guard)
      @UseInterceptors(Interceptor)
      @UseFilters(Filter)
      onOrders(@Payload(new ParseArrayPipe({ items: OrderDto })) orders: OrderDto[]): void {
        calls.push('handler');
        kinds.push(...orders.map((order) => order instanceof OrderDto));
      }
    }
    const { log } = await startApplication({ url: broker.url }, { providers: [Orders] });
    for (const id of [1, 2, 3]) await bystander.send(queue, { id });
    await eventually(() => expect(kinds).toEqual([true, true, true]));
    expect(calls).toEqual(['guard', 'interceptor', 'handler']);
    calls.length = 0;
    // The pipe refuses all of them over the one; tried one by one, only that fails.
    for (const id of [4, 'five', 6]) await bystander.send(queue, { id });
    const refused = await bystander.take(`${queue}.parked`);
    expect([refused.json(), refused.headers['x-leveret-reason']]).toEqual([{ id: 'five' }, 'invalid']);
    await eventually(() => expect(kinds).toHaveLength(5));
    expect(calls).toEqual([
      ...['guard', 'interceptor', 'filter'],
      ...['guard', 'interceptor', 'handler'],
      ...['guard', 'interceptor', 'filter'],
      ...['guard', 'interceptor', 'handler'],
    ]);
    expect(await bystander.count(`${queue}.parked`)).toBe(0);
    calls.length = 0;
    for (const tenant of ['ours', 'stranger', 'ours']) await bystander.send(queue, { id: 7 }, { headers: { tenant } });
    await eventually(() => expect(log.texts('error').some((line) => line.includes('dropped'))).toBe(true));
    await eventually(() => expect(kinds).toHaveLength(7));
    expect(calls.filter((call) => call === 'handler')).toHaveLength(2);
  });

  test('one that failed is tried again in a later batch, after its delay; its attempts are counted', async () => {
    const queue = broker.unique('batch');
    const batches: (readonly [number, number])[][] = [];
    @Injectable()
    class Orders {
      @Consume({ queue, batch: { size: 3, wait: 30 } })
      @Ack({ retry: { attempts: 2, delay: 50 } })
      onOrders(orders: { id: number }[], @Ctx() batch: BatchContext): void {
        batches.push(batch.contexts.map(({ attempts }, index) => [orders[index]?.id ?? 0, attempts] as const));
        orders.forEach(({ id }, index) => {
          if (id === 2) batch.fail(index, new Error('always'));
        });
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    for (const id of [1, 2, 3]) await bystander.send(queue, { id });
    expect((await bystander.take(`${queue}.parked`)).json()).toEqual({ id: 2 });
    expect(batches).toEqual([
      [
        [1, 1],
        [2, 1],
        [3, 1],
      ],
      [[2, 2]],
      [[2, 3]],
    ]);
    await eventually(async () => expect(await bystander.count(queue)).toBe(0));
  });

  test('a handler over its timeout fails with all its messages, and learns of it by its signal', async () => {
    const reasons: unknown[] = [];
    const { send, parked, isEmpty } = await start(
      { timeout: 50, batch: { size: 5, wait: 60_000 } },
      async (_orders, { signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        reasons.push(signal.reason);
      },
    );
    await send(1, 5);
    const messages = await parked(5);
    expect(messages.map(({ headers }) => headers['x-leveret-reason'])).toEqual(Array(5).fill('timeout'));
    expect(reasons).toEqual([expect.any(HandlerTimeoutError)]);
    await isEmpty();
  });

  test('one that is not full goes back at once at a pause and at the end', async () => {
    const { app, batches, queue, send, registry } = await start({ batch: { size: 5, wait: 60_000 } });
    await send(1, 3);
    await pause(50);
    expect(await bystander.count(queue)).toBe(0);
    await registry.pause('Orders.onOrders');
    await eventually(async () => expect(await bystander.count(queue)).toBe(3));
    await registry.resume('Orders.onOrders');
    await send(4, 5);
    await eventually(() => expect(batches.map(idsOf)).toEqual([[1, 2, 3, 4, 5]]));
    await send(6, 7);
    await pause(50);
    const begun = performance.now();
    await closeApplication(app);
    expect(performance.now() - begun).toBeLessThan(2_000);
    expect(await bystander.count(queue)).toBe(2);
    expect(batches).toHaveLength(1);
  });

  test('the end waits for one that runs, tells it after drainTimeout, and gives its messages back', async () => {
    const reasons: unknown[] = [];
    const { app, batches, queue, send, log } = await start(
      {},
      async (_orders, { signal }) => {
        signal.addEventListener('abort', () => reasons.push(signal.reason));
        await new Promise(() => undefined);
      },
      { drainTimeout: 100 },
    );
    await send(1, 5);
    await eventually(() => expect(batches).toHaveLength(1));
    await closeApplication(app);
    expect(await bystander.count(queue)).toBe(5);
    expect(reasons).toEqual([expect.any(ShutdownError)]);
    expect(log.texts('warn').join('\n')).toContain('5 deliveries were not settled within 100 ms');
  });

  test('a connection lost under load: nothing is lost', async () => {
    const handled = new Set<number>();
    const { send, isEmpty, cuts, registry } = await start({ batch: { size: 10, wait: 20 } }, async (orders) => {
      await pause(5);
      for (const id of idsOf(orders)) handled.add(id);
    });
    const sending = send(1, 200);
    await eventually(() => expect(handled.size).toBeGreaterThan(30));
    cuts.cutAll();
    await sending;
    await eventually(() => expect(handled.size).toBe(200));
    await eventually(() => expect(registry.status()).toMatchObject([{ isConsuming: true, running: 0 }]));
    await isEmpty();
  });

  test('parameters of one message are refused by name, and its messages are settled', async () => {
    const queue = broker.unique('batch');
    @Injectable()
    class Orders {
      @Consume({ queue, batch: { size: 1 } })
      @Ack({ retry: 0 })
      onOrders(_orders: unknown[], @Headers('tenant') _tenant: unknown): void {}
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(queue, {});
    expect((await bystander.take(`${queue}.parked`)).headers).toMatchObject({
      'x-leveret-error': 'ConfigurationError',
      'x-leveret-error-message': expect.stringContaining('Orders.onOrders') as string,
    });
  });

  test.each([
    [
      'a second handler on its queue',
      () => {
        const queue = broker.unique('batch');
        @Injectable()
        class Orders {
          @Consume({ queue, exchange: 'amq.topic', routingKey: 'a', batch: { size: 2 } })
          onFirst(): void {}
          @Consume({ queue, exchange: 'amq.topic', routingKey: 'b' })
          onSecond(): void {}
        }
        return { Orders, problem: 'a batch is for one' };
      },
    ],
    [
      '@Ack() on a parameter',
      () => {
        @Injectable()
        class Orders {
          @Consume({ queue: broker.unique('batch'), batch: { size: 2 } })
          onOrders(_orders: unknown[], @Ack() _settle: unknown): void {}
        }
        return { Orders, problem: '@Ack() on a parameter settles one message' };
      },
    ],
  ])('%s ends the start', async (_title, make) => {
    const { Orders, problem } = make();
    const { message } = await rejection(startApplication({ url: broker.url }, { providers: [Orders] }));
    expect(message).toContain(problem);
    expect(message).toContain('Orders.');
  });

  test('the concurrency of the module counts too: more than can be prefetched ends the start', async () => {
    const { message } = await rejection(start({ batch: { size: 10_000 } }, () => undefined, { concurrency: 7 }));
    expect(message).toContain('Orders.onOrders');
    expect(message).toContain('65535');
  });
});
