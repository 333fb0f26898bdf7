/** A message that failed waits on the broker, comes back, and is parked in the end. */
import { BadRequestException, Controller, Injectable } from '@nestjs/common';
import { Ctx, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import {
  Ack,
  AmqpContext,
  AmqpModule,
  AmqpServer,
  Consume,
  InjectPublisher,
  Publisher,
  RemoteError,
  type AckPolicy,
  type ConsumeOptions,
  type Settlement,
} from 'leveret';
import type { FieldTable } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import {
  Bystander,
  closeApplications,
  eventually,
  pause,
  startApplication,
  startModule,
} from '../../support/nest-app.js';
import { EventPattern } from '../transport/support.js';

class OutOfStock extends Error {}

/** What a run saw of its message. */
interface Run {
  readonly attempts: number;
  readonly exchange: string;
  readonly routingKey: string;
  readonly at: number;
  readonly history: readonly { readonly message?: string | undefined }[];
}

describeOnBroker('retry', (broker) => {
  const bystander = new Bystander();
  const delays = new Set<number>();
  beforeAll(() => bystander.open(broker.url));
  afterAll(async () => {
    for (const delay of delays) await bystander.channel.queueDelete(`leveret.delay.${String(delay)}`);
    for (const delay of delays) await bystander.channel.exchangeDelete(`leveret.delay.${String(delay)}`);
    await bystander.close();
  });
  afterEach(closeApplications);

  /** A delay that no other run of these tests has, so that what is seen of its queue is our own doing. */
  const freshDelay = (about: number): number => {
    const delay = about + Math.floor(Math.random() * 100);
    if (delays.has(delay)) return freshDelay(about);
    delays.add(delay);
    return delay;
  };

  /** A handler that fails so many times, and what its runs saw. */
  async function startFailing(
    failures: number,
    policy: AckPolicy,
    options: Partial<ConsumeOptions> = {},
    fail: (attempt: number) => unknown = (attempt) => new OutOfStock(`failure ${String(attempt)}`),
  ) {
    const queue = options.queue ?? broker.unique('retry');
    const runs: Run[] = [];
    @Injectable()
    class Orders {
      @Consume({ ...options, queue })
      @Ack(policy)
      onOrder(_order: unknown, @Ctx() context: AmqpContext): void {
        runs.push({
          attempts: context.attempts,
          exchange: context.getExchange(),
          routingKey: context.getRoutingKey(),
          at: performance.now(),
          history: context.getHistory(),
        });
        if (runs.length <= failures) throw fail(runs.length);
      }
    }
    const started = await startApplication({ url: broker.url }, { providers: [Orders] });
    return { queue, runs, ...started };
  }

  describe.each(['classic', 'quorum'] as const)('on a %s queue', (queueType) => {
    test('a message that failed comes back after each delay, with the count of its runs, and is done with', async () => {
      const [short, long] = [freshDelay(200), freshDelay(500)];
      const policy: AckPolicy = { retry: { attempts: 3, delay: [short, long] } };
      const { queue, runs, log } = await startFailing(3, policy, { queueType });
      await bystander.send(queue, { id: 1 }, { messageId: 'm1', headers: { tenant: 'a' } });
      await eventually(() => expect(runs).toHaveLength(4));
      expect(runs.map(({ attempts }) => attempts)).toEqual([1, 2, 3, 4]);
      const waited = runs.slice(1).map(({ at }, index) => at - (runs[index]?.at ?? 0));
      for (const [index, delay] of [short, long, long].entries()) {
        expect(waited[index]).toBeGreaterThanOrEqual(delay - 5);
        expect(waited[index]).toBeLessThan(delay + 1_000);
      }
      expect(runs[3]?.history.map(({ message }) => message)).toEqual(['failure 1', 'failure 2', 'failure 3']);
      await closeApplications();
      expect(await bystander.count(queue)).toBe(0);
      expect(await bystander.count(`${queue}.parked`)).toBe(0);
      expect(log.texts('warn')).toEqual([
        expect.stringContaining(`Orders.onOrder: OutOfStock: failure 1 (retry 1 of 3 in ${String(short)} ms)`),
        expect.stringContaining(`(retry 2 of 3 in ${String(long)} ms)`),
        expect.stringContaining(`(retry 3 of 3 in ${String(long)} ms)`),
      ]);
    });

    test('is parked after its retries, with the reason, the error, and the history of its runs', async () => {
      const delay = freshDelay(100);
      const policy: AckPolicy = { retry: { attempts: 2, delay } };
      const { queue, runs } = await startFailing(9, policy, { queueType });
      await bystander.send(queue, { id: 1 }, { messageId: 'm1', correlationId: 'c1', headers: { tenant: 'a' } });
      const copy = await bystander.take(`${queue}.parked`);
      expect(runs).toHaveLength(3);
      expect(copy.body.toString()).toBe('{"id":1}');
      expect(copy.properties).toMatchObject({ messageId: 'm1', correlationId: 'c1', deliveryMode: 2 });
      const run = (message: string) => ({
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
        reason: 'error',
        handler: 'Orders.onOrder',
        error: 'OutOfStock',
        message,
      });
      expect(copy.properties.headers).toMatchObject({
        tenant: 'a',
        'x-leveret-attempts': 3,
        'x-leveret-reason': 'error',
        'x-leveret-error': 'OutOfStock',
        'x-leveret-error-message': 'failure 3',
        'x-leveret-history': [run('failure 1'), run('failure 2'), run('failure 3')],
      });
      expect(copy.properties.headers?.['x-leveret-death']).toBeUndefined();
      expect(await bystander.count(queue)).toBe(0);
    });
  });

  test('a retried message is what it was: exchange, routing key, properties, and not its user or expiration', async () => {
    const exchange = broker.unique('shop');
    await bystander.channel.exchangeDeclare(exchange, 'topic', { autoDelete: true });
    const delay = freshDelay(100);
    const options = { exchange, routingKey: 'order.*' };
    const { queue, runs } = await startFailing(2, { retry: { attempts: 2, delay } }, options);
    const userId = decodeURIComponent(new URL(broker.url).username) || 'guest';
    const properties = { userId, expiration: '60000', messageId: 'm1', type: 't', priority: 3, headers: { n: 5 } };
    await bystander.channel.publish(exchange, 'order.created', '{}', properties, { mandatory: true });
    await eventually(() => expect(runs).toHaveLength(3));
    for (const run of runs) expect(run).toMatchObject({ exchange, routingKey: 'order.created' });
    await closeApplications();
    expect(await bystander.count(queue)).toBe(0);
  });

  test('handlers that share a queue by routing key get their own messages back', async () => {
    const exchange = broker.unique('shop');
    await bystander.channel.exchangeDeclare(exchange, 'topic', { autoDelete: true });
    const queue = broker.unique('shared');
    const seen: string[] = [];
    const delay = freshDelay(100);
    @Injectable()
    class Orders {
      @Consume({ queue, exchange, routingKey: 'order.created' })
      @Ack({ retry: { attempts: 1, delay } })
      created(): void {
        seen.push('created');
        if (seen.length < 2) throw new OutOfStock();
      }
      @Consume({ queue, exchange, routingKey: 'order.paid' })
      paid(): void {
        seen.push('paid');
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.channel.publish(exchange, 'order.created', '{}', {}, { mandatory: true });
    await eventually(() => expect(seen).toEqual(['created', 'created']));
  });

  test('by class: one error is tried again, another is not, a third more often', async () => {
    const delay = freshDelay(50);
    const policy: AckPolicy = {
      retry: { attempts: 1, delay },
      errors: [
        [RangeError, { retry: 0, then: 'drop' }],
        [TypeError, { retry: { attempts: 2, delay } }],
      ],
    };
    const failures: Record<string, () => Error> = {
      plain: () => new OutOfStock(),
      never: () => new RangeError('never'),
      twice: () => new TypeError('twice'),
    };
    const queue = broker.unique('by-class');
    const runs: Record<string, number> = {};
    @Injectable()
    class Orders {
      @Consume(queue)
      @Ack(policy)
      onOrder(kind: string): void {
        runs[kind] = (runs[kind] ?? 0) + 1;
        throw failures[kind]?.() ?? new Error();
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    for (const kind of Object.keys(failures)) await bystander.send(queue, JSON.stringify(kind));
    await eventually(async () => expect(await bystander.count(`${queue}.parked`)).toBe(2));
    expect(runs).toEqual({ plain: 2, never: 1, twice: 3 });
  });

  test('what no retry mends is parked at once: no JSON, a validation error; unless a class says otherwise', async () => {
    const delay = freshDelay(50);
    const invalid = (): BadRequestException => new BadRequestException('no such field');
    const once = await startFailing(9, { retry: { attempts: 3, delay } }, {}, invalid);
    await bystander.send(once.queue, 'not JSON');
    await bystander.send(once.queue, {});
    const reasons = [await bystander.take(`${once.queue}.parked`), await bystander.take(`${once.queue}.parked`)];
    expect(reasons.map(({ properties }) => properties.headers?.['x-leveret-reason'])).toEqual([
      'unreadable',
      'invalid',
    ]);
    expect(once.runs).toHaveLength(1);
    const policy: AckPolicy = { errors: [[BadRequestException, { retry: { attempts: 2, delay } }]] };
    const again = await startFailing(9, policy, {}, invalid);
    await bystander.send(again.queue, {});
    await bystander.take(`${again.queue}.parked`);
    expect(again.runs).toHaveLength(3);
  });

  test('a delay of 0 needs no queue to wait in', async () => {
    const { queue, runs } = await startFailing(2, { retry: { attempts: 2, delay: 0 } });
    await bystander.send(queue, {});
    await eventually(() => expect(runs.map(({ attempts }) => attempts)).toEqual([1, 2, 3]));
    expect(await bystander.channel.queueExists('leveret.delay.0')).toBe(false);
  });

  test('by hand: settle.retry moves the message, and the count goes on', async () => {
    const queue = broker.unique('by-hand');
    const delay = freshDelay(50);
    const seen: unknown[] = [];
    @Injectable()
    class Orders {
      @Consume(queue)
      async onOrder(_order: unknown, @Ack() settle: Settlement, @Ctx() context: AmqpContext): Promise<void> {
        seen.push(context.attempts);
        if (context.attempts < 3) seen.push(await settle.retry(delay, 'not yet'));
        else
          seen.push(
            context.getHistory().map(({ reason }) => reason),
            settle.ack(),
          );
        await settle.retry(-1).catch((error: unknown) => seen.push((error as Error).name));
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    await bystander.send(queue, {});
    const bad = 'ArgumentError';
    await eventually(() =>
      expect(seen).toEqual([1, 'sent', bad, 2, 'sent', bad, 3, ['not yet', 'not yet'], 'sent', bad]),
    );
  });

  describe('a request', () => {
    test('is not tried again, unless its own @Ack says so: then the last error is the reply', async () => {
      const [plain, patient] = [broker.unique('plain'), broker.unique('patient')];
      const delay = freshDelay(100);
      const runs: string[] = [];
      @Injectable()
      class Stock {
        @Consume({ queue: plain, reply: true })
        plain(): never {
          runs.push('plain');
          throw new RpcException('no');
        }
        @Consume({ queue: patient, reply: true })
        @Ack({ retry: { attempts: 2, delay } })
        patient(succeeds: boolean): string {
          runs.push('patient');
          if (runs.length < 3 || !succeeds) throw new RpcException(`failure ${String(runs.length)}`);
          return 'done';
        }
      }
      @Injectable()
      class Asking {
        constructor(@InjectPublisher() readonly publisher: Publisher) {}
      }
      const { app } = await startApplication(
        { url: broker.url, defaults: { ack: { retry: { attempts: 3, delay } } } },
        { providers: [Stock, Asking] },
      );
      const { publisher } = app.get(Asking);
      await expect(publisher.request(plain, {})).rejects.toThrow(RemoteError);
      expect(runs.splice(0)).toEqual(['plain']);
      await expect(publisher.request(patient, true)).resolves.toBe('done');
      expect(runs.splice(0)).toHaveLength(3);
      await expect(publisher.request(patient, false)).rejects.toThrow('failure 3');
      await eventually(async () => expect(await bystander.count(patient)).toBe(0));
    });
  });

  describe('forged headers', () => {
    test.each<[string, FieldTable]>([
      ['a number that is none', { 'x-leveret-attempts': 'many' }],
      ['a negative number', { 'x-leveret-attempts': -1_000 }],
      ['a fraction', { 'x-leveret-attempts': 0.5 }],
      ['a huge number', { 'x-leveret-attempts': 1e15 }],
      ['a list', { 'x-leveret-attempts': [1, 2], 'x-leveret-history': 'x' }],
      ['a history of something else', { 'x-leveret-history': [1, null, { time: 5 }, { a: { b: 'c' } }] }],
      ['no text where there should be', { 'x-leveret-exchange': 5, 'x-leveret-routing-key': { a: 1 } }],
    ])('%s counts as nothing', async (_name, headers) => {
      const delay = freshDelay(30);
      const { queue, runs } = await startFailing(9, { retry: { attempts: 1, delay } });
      await bystander.send(queue, {}, { headers });
      const copy = await bystander.take(`${queue}.parked`);
      expect(runs.map(({ attempts, routingKey }) => [attempts, routingKey])).toEqual([
        [1, queue],
        [2, queue],
      ]);
      expect(copy.properties.headers?.['x-leveret-attempts']).toBe(2);
      expect(copy.properties.headers?.['x-leveret-history']).toHaveLength(2);
    });

    test('of a message that came by an exchange, as a copy of ours never does, count as nothing', async () => {
      const exchange = broker.unique('open');
      await bystander.channel.exchangeDeclare(exchange, 'fanout', { autoDelete: true });
      const delay = freshDelay(30);
      const { runs } = await startFailing(1, { retry: { attempts: 1, delay } }, { exchange });
      const headers = { 'x-leveret-attempts': 9, 'x-leveret-exchange': 'bank', 'x-leveret-routing-key': 'pay' };
      await bystander.channel.publish(exchange, 'k', '{}', { headers }, { mandatory: true });
      await eventually(() => expect(runs).toHaveLength(2));
      expect(runs.map(({ attempts, exchange: from, routingKey }) => [attempts, from, routingKey])).toEqual([
        [1, exchange, 'k'],
        [2, exchange, 'k'],
      ]);
    });

    test('a history of ten thousand entries is cut to the last ten', async () => {
      const entry = { time: 'x'.repeat(1_000), reason: 'r', handler: 'h' };
      const delay = freshDelay(30);
      const { queue } = await startFailing(9, { retry: { attempts: 1, delay } });
      const history = Array.from({ length: 100 }, () => entry);
      await bystander.send(queue, {}, { headers: { 'x-leveret-history': history } });
      const kept = (await bystander.take(`${queue}.parked`)).properties.headers?.['x-leveret-history'] as unknown[];
      expect(kept).toHaveLength(10);
      expect(JSON.stringify(kept).length).toBeLessThan(10_000);
    });
  });

  describe('the delay queues', () => {
    test('are there when the application has started: one exchange and one durable queue for each delay', async () => {
      const delay = freshDelay(5_000);
      await startFailing(0, { retry: { attempts: 3, delay } });
      const name = `leveret.delay.${String(delay)}`;
      const table = {
        'x-queue-type': 'quorum',
        'x-message-ttl': delay,
        'x-dead-letter-exchange': 'leveret.delay',
        'x-dead-letter-strategy': 'at-least-once',
        'x-overflow': 'reject-publish',
      };
      // A declare that differs would be refused.
      await bystander.channel.queueDeclare(name, { durable: true, arguments: table });
      await bystander.channel.exchangeDeclare(name, 'fanout', { durable: true });
    });

    test('that somebody deletes while the application runs are declared anew, and nothing is lost', async () => {
      const delay = freshDelay(100);
      const { queue, runs } = await startFailing(3, { retry: { attempts: 3, delay } });
      const name = `leveret.delay.${String(delay)}`;
      await bystander.channel.queueDelete(name);
      await bystander.send(queue, {});
      await eventually(() => expect(runs.length).toBeGreaterThanOrEqual(2));
      await bystander.channel.exchangeDelete(name);
      await eventually(() => expect(runs.map(({ attempts }) => attempts).at(-1)).toBe(4), 10_000);
      await closeApplications();
      expect(await bystander.count(queue)).toBe(0);
    });

    test('find their way back to a queue that was unbound from them', async () => {
      const delay = freshDelay(50);
      const { queue, runs } = await startFailing(3, { retry: { attempts: 1, delay } });
      await bystander.send(queue, {});
      await eventually(() => expect(runs).toHaveLength(2));
      await bystander.channel.queueUnbind(queue, 'leveret.delay.queues', queue);
      await pause(1_100);
      await bystander.send(queue, {});
      await eventually(() => expect(runs.map(({ attempts }) => attempts)).toEqual([1, 2, 1, 2]));
    });

    test('that others declared otherwise are used as they are, with a warning', async () => {
      const delay = freshDelay(100);
      const name = `leveret.delay.${String(delay)}`;
      await bystander.channel.exchangeDeclare(name, 'fanout');
      const table = { 'x-message-ttl': 50, 'x-dead-letter-exchange': '' };
      await bystander.channel.queueDeclare(name, { arguments: table });
      await bystander.channel.queueBind(name, name);
      const { queue, runs, log } = await startFailing(1, { retry: { attempts: 1, delay } });
      expect(log.texts('warn')).toEqual([expect.stringContaining(`the delay queue "${name}" was refused`)]);
      await bystander.send(queue, {});
      await eventually(() => expect(runs.map(({ attempts }) => attempts)).toEqual([1, 2]));
    });

    test('that are full make the message wait in memory, and nothing is lost', async () => {
      const delay = freshDelay(100);
      const name = `leveret.delay.${String(delay)}`;
      await bystander.channel.exchangeDeclare(name, 'fanout');
      const table = {
        'x-message-ttl': delay,
        'x-dead-letter-exchange': '',
        'x-max-length': 0,
        'x-overflow': 'reject-publish',
      };
      await bystander.channel.queueDeclare(name, { arguments: table });
      await bystander.channel.queueBind(name, name);
      const { queue, runs, log } = await startFailing(2, { retry: { attempts: 2, delay } });
      await bystander.send(queue, {});
      await eventually(() => expect(runs.map(({ attempts }) => attempts)).toEqual([1, 2, 3]));
      expect(log.texts('warn').filter((line) => line.includes('in memory: NackError'))).toHaveLength(1);
      await closeApplications();
      expect(await bystander.count(queue)).toBe(0);
    });
  });

  describe('of the transport', () => {
    const failing: string[] = [];
    const seen: string[] = [];
    @Controller()
    class Events {
      @EventPattern('created')
      @Ack({ retry: { attempts: 2, delay: 70 } })
      created(@Payload() id: number, @Ctx() context: AmqpContext): void {
        seen.push(`created ${String(id)} ${String(context.attempts)}`);
        if (failing.pop() !== undefined) throw new OutOfStock('not yet');
      }
      @EventPattern('created')
      alsoCreated(): void {
        seen.push('also');
      }
      @EventPattern('plain')
      plain(): void {
        seen.push('plain');
        throw new OutOfStock('no');
      }
      @MessagePattern('asked')
      @Ack({ retry: { attempts: 1, delay: 70 } })
      asked(): string {
        seen.push('asked');
        if (failing.pop() !== undefined) throw new RpcException('not yet');
        return 'answer';
      }
    }
    beforeAll(() => delays.add(70));
    beforeEach(() => {
      failing.splice(0);
      seen.splice(0);
    });

    async function serve(options = {}): Promise<{ queue: string; warnings: () => string[]; asking: Publisher }> {
      const queue = broker.unique('served');
      const server = new AmqpServer({ url: broker.url, queue, ...options });
      @Injectable()
      class Asking {
        constructor(@InjectPublisher() readonly publisher: Publisher) {}
      }
      const { app, log } = await startModule(
        { imports: [AmqpModule.forRoot({ url: broker.url })], controllers: [Events], providers: [Asking] },
        (application) => application.connectMicroservice({ strategy: server }),
      );
      await app.startAllMicroservices();
      return { queue, warnings: () => log.texts('warn'), asking: app.get(Asking).publisher };
    }

    test('an event that failed goes to all its handlers again', async () => {
      const { queue } = await serve();
      failing.push('once', 'twice');
      await bystander.send(queue, { pattern: 'created', data: 7 });
      await eventually(() =>
        expect([...seen].sort()).toEqual(['also', 'also', 'also', 'created 7 1', 'created 7 2', 'created 7 3']),
      );
      await closeApplications();
      expect(await bystander.count(queue)).toBe(0);
    });

    test('is parked after its retries; the option `ack` stands for handlers without one', async () => {
      const { queue } = await serve({ ack: { retry: { attempts: 1, delay: 70 } } });
      await bystander.send(queue, { pattern: 'plain', data: 7 });
      const { properties } = await bystander.take(`${queue}.parked`);
      expect(properties.headers).toMatchObject({ 'x-leveret-attempts': 2, 'x-leveret-error-message': 'no' });
      expect(seen).toEqual(['plain', 'plain']);
    });

    test('a request with retries of its own is answered when they are over', async () => {
      const { queue, asking } = await serve();
      failing.push('once');
      const ask = (): Promise<unknown> => asking.request(queue, { pattern: 'asked', data: 1, id: 'a' });
      await expect(ask()).resolves.toMatchObject({ response: 'answer' });
      failing.push('once', 'twice');
      await expect(ask()).resolves.toMatchObject({ err: { message: 'not yet' } });
      expect(seen).toHaveLength(4);
    });

    test('where nothing may be declared, messages wait in memory, with one warning', async () => {
      delays.delete(70);
      const queue = broker.unique('taken');
      await bystander.channel.queueDeclare(queue);
      await bystander.channel.queueDelete('leveret.delay.70');
      await bystander.channel.exchangeDelete('leveret.delay.70');
      const { warnings } = await serve({ queue, noAssert: true });
      failing.push('once', 'twice');
      await bystander.send(queue, { pattern: 'created', data: 7 });
      await eventually(() => expect(seen.filter((line) => line !== 'also')).toHaveLength(3));
      expect(seen).toContain('created 7 3');
      expect(warnings().filter((line) => line.includes('in memory: DelayUnavailableError'))).toHaveLength(1);
      await pause(50);
      await closeApplications();
      expect(await bystander.count(queue)).toBe(0);
    });
  });
});
