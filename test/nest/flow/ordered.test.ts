/** Messages of one key one after the other, those of different keys at the same time. */
import { Controller, Injectable } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { Ack, AmqpContext, Consume, ConsumerRegistry, RemoteError, type ConsumeOptions } from 'leveret';
import type { FieldValue } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { Bystander, closeApplications, eventually, pause, startApplication } from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';
import { Bench, EventPattern } from '../transport/support.js';

interface Step {
  key: string;
  number: number;
}

/** Handlers that take a while, and what they overlapped with. */
class Course {
  readonly begun: Step[] = [];
  readonly done: Step[] = [];
  most = 0;
  /** Handlers of one key that ran at the same time. */
  overlaps = 0;
  readonly #running: Step[] = [];

  async run(step: Step, milliseconds = 2): Promise<void> {
    this.begun.push(step);
    if (this.#running.some(({ key }) => key === step.key)) this.overlaps += 1;
    this.#running.push(step);
    this.most = Math.max(this.most, this.#running.length);
    await pause(milliseconds);
    this.#running.splice(this.#running.indexOf(step), 1);
    this.done.push(step);
  }

  numbersOf(key: string): number[] {
    return this.done.filter((step) => step.key === key).map(({ number }) => number);
  }
}

const keys = ['anna', 'ben', 'cleo', 'dan'];

function steps(count: number): Step[] {
  return Array.from({ length: count }, (_, index) => ({ key: keys[index % keys.length] ?? '', number: index }));
}

describeOnBroker('order by key', (broker) => {
  const bystander = new Bystander();
  const bench = new Bench(() => broker.url);
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  beforeEach(() => bench.begin());
  afterEach(async () => {
    await bench.end();
    await closeApplications();
  });

  async function start(options: Partial<ConsumeOptions>, course = new Course(), milliseconds = 2) {
    const queue = broker.unique('ordered');
    @Injectable()
    class Orders {
      @Consume({ queue, ...options })
      async onStep(step: Step): Promise<void> {
        await course.run(step, milliseconds);
      }
    }
    const cuts = new Cuts();
    const { app, log } = await startApplication(
      { url: broker.url, transport: cuts.transport, recovery: { initialDelay: 5, maxDelay: 20 } },
      { providers: [Orders] },
    );
    return { queue, course, log, cuts, registry: app.get(ConsumerRegistry) };
  }

  test.each([
    ['a header', { by: { header: 'customer' } }],
    ['the correlation id', { by: 'correlationId' }],
    ['a function', { by: ({ body }: { body: Buffer }) => (JSON.parse(body.toString()) as Step).key }],
  ] as [string, NonNullable<ConsumeOptions['ordered']>][])(
    'by %s: one key after the other, different keys at the same time up to concurrency',
    async (_title, ordered) => {
      const { queue, course } = await start({ concurrency: 3, prefetch: 100, ordered });
      const all = steps(80);
      for (const step of all) {
        await bystander.send(queue, step, { headers: { customer: step.key }, correlationId: step.key });
      }
      await eventually(() => expect(course.done).toHaveLength(80));
      expect(course.overlaps).toBe(0);
      expect(course.most).toBeGreaterThan(1);
      expect(course.most).toBeLessThanOrEqual(3);
      for (const key of keys) {
        expect(course.numbersOf(key)).toEqual(all.filter((step) => step.key === key).map(({ number }) => number));
      }
    },
  );

  test('by the routing key, with handlers that share a queue', async () => {
    const queue = broker.unique('ordered');
    const exchange = broker.unique('steps');
    const course = new Course();
    const shared = { queue, exchange, ordered: { by: 'routingKey' } } as const;
    @Injectable()
    class Orders {
      @Consume({ ...shared, routingKey: ['anna', 'ben'] })
      onFirst(step: Step): Promise<void> {
        return course.run(step);
      }
      @Consume({ ...shared, routingKey: ['cleo', 'dan'] })
      onSecond(step: Step): Promise<void> {
        return course.run(step);
      }
    }
    await startApplication(
      { url: broker.url, exchanges: [{ name: exchange, type: 'direct' }] },
      { providers: [Orders] },
    );
    for (const step of steps(40)) await bystander.channel.publish(exchange, step.key, JSON.stringify(step));
    await eventually(() => expect(course.done).toHaveLength(40));
    expect(course.overlaps).toBe(0);
    expect(course.most).toBeGreaterThan(1);
    for (const key of keys) expect(course.numbersOf(key)).toEqual([...course.numbersOf(key)].sort((a, b) => a - b));
  });

  test('a slow key holds up nobody else; messages without a key are in no order', async () => {
    const queue = broker.unique('ordered');
    const seen: string[] = [];
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    @Injectable()
    class Orders {
      @Consume({ queue, ordered: { by: { header: 'customer' } } })
      async onOrder(order: string): Promise<void> {
        seen.push(order);
        if (order.startsWith('slow')) await released;
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    const send = (order: string, customer?: string | number): Promise<void> =>
      bystander.send(queue, JSON.stringify(order), { headers: customer === undefined ? {} : { customer } });
    await send('slow 1', 'anna');
    await send('slow 2', 'anna');
    await send('slow 3');
    await send('slow 4');
    await send('quick', 'ben');
    // A number counts by its text.
    await send('slow 5', 7);
    await send('slow 6', '7');
    await eventually(() => expect(seen).toEqual(['slow 1', 'slow 3', 'slow 4', 'quick', 'slow 5']));
    await pause(50);
    expect(seen).toHaveLength(5);
    release();
    await eventually(() => expect(seen.slice(5).sort()).toEqual(['slow 2', 'slow 6']));
  });

  test('keys that cannot be read are settled by policy, and hold up nobody', async () => {
    const { queue, course } = await start({
      ordered: {
        by: ({ headers, body }) => {
          if (body.toString().includes('"key":"throws"')) throw new RangeError('no such customer');
          return headers['customer'] as string | undefined;
        },
      },
    });
    const byHeader = await start({ ordered: { by: { header: 'customer' } } }, course);
    await bystander.send(queue, { key: 'throws', number: 1 });
    await bystander.send(queue, { key: 'anna', number: 2 }, { headers: { customer: 'anna' } });
    expect((await bystander.take(`${queue}.parked`)).properties.headers).toMatchObject({
      'x-leveret-reason': 'unreadable',
      'x-leveret-error': 'OrderKeyError',
      'x-leveret-error-message': expect.stringContaining('no such customer') as string,
    });
    const forged: FieldValue[] = [{ nested: 'table' }, ['a', 'list'], Buffer.from('bytes'), null, new Date(0)];
    for (const customer of forged) {
      await bystander.send(byHeader.queue, { key: 'forged', number: 1 }, { headers: { customer } });
    }
    await bystander.send(byHeader.queue, { key: 'ben', number: 3 }, { headers: { customer: 'x'.repeat(60_000) } });
    const parked = await Promise.all(forged.map(() => bystander.take(`${byHeader.queue}.parked`)));
    for (const { headers } of parked) {
      expect(headers['x-leveret-error']).toBe('OrderKeyError');
      expect(headers['x-leveret-error-message']).toContain('the header "customer"');
    }
    await eventually(() =>
      expect(course.done).toEqual([
        { key: 'anna', number: 2 },
        { key: 'ben', number: 3 },
      ]),
    );
    expect(byHeader.log.texts('error').join('\n')).toContain('the header "customer"');
    await eventually(async () => expect(await bystander.count(byHeader.queue)).toBe(0));
  });

  test('a pause gives back what waits in its lanes; resumed, each key goes on in order, behind what still ran', async () => {
    const { queue, course, registry } = await start(
      { prefetch: 50, ordered: { by: { header: 'customer' } } },
      new Course(),
      20,
    );
    for (const step of steps(40)) await bystander.send(queue, step, { headers: { customer: step.key } });
    await eventually(() => expect(course.done.length).toBeGreaterThan(4));
    await registry.pause('Orders.onStep');
    await registry.resume('Orders.onStep');
    await eventually(() => expect(course.done).toHaveLength(40));
    expect(course.overlaps).toBe(0);
    for (const key of keys) expect(course.numbersOf(key)).toEqual([...course.numbersOf(key)].sort((a, b) => a - b));
  });

  test('a lost connection: what comes again waits for the handler of its key that still runs, and keeps the order', async () => {
    const { queue, course, cuts, registry } = await start(
      { prefetch: 50, ordered: { by: { header: 'customer' } } },
      new Course(),
      20,
    );
    for (const step of steps(40)) await bystander.send(queue, step, { headers: { customer: step.key } });
    await eventually(() => expect(course.done.length).toBeGreaterThan(8));
    cuts.cutAll();
    await eventually(() => expect(registry.status()).toMatchObject([{ isConsuming: true }]));
    await eventually(async () => {
      expect(new Set(course.done.map(({ number }) => number)).size).toBe(40);
      expect(await bystander.count(queue)).toBe(0);
    });
    expect(course.overlaps).toBe(0);
    for (const key of keys) {
      // Some came twice; without these repetitions the order is that of the queue.
      const numbers = course.numbersOf(key);
      expect([...new Set(numbers)]).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    }
  });

  test('retries: overtake (default): those behind a message that waits for its retry are handled meanwhile', async () => {
    const { handled } = await startFailing({ ordered: { by: { header: 'customer' } } });
    await eventually(() => expect(handled).toHaveLength(6));
    expect(handled.filter((entry) => entry.startsWith('anna'))).toEqual([
      ...['anna 1 failed', 'anna 2', 'anna 1 failed', 'anna 1', 'anna 4'],
    ]);
  });

  test('retries: wait: those of its key wait too, those of others do not; by the routing key it is the first one', async () => {
    for (const by of [{ header: 'customer' }, 'routingKey'] as const) {
      const { handled, queue } = await startFailing({ ordered: { by, retries: 'wait' } });
      await eventually(() => expect(handled).toHaveLength(6));
      expect(handled.filter((entry) => entry.startsWith('anna'))).toEqual([
        ...['anna 1 failed', 'anna 1 failed', 'anna 1', 'anna 2', 'anna 4'],
      ]);
      expect(handled.indexOf('ben 3')).toBeLessThan(handled.indexOf('anna 1'));
      await eventually(async () => expect(await bystander.count(queue)).toBe(0));
    }
  });

  /** `anna 1` fails twice; `anna 4` is sent once it did not. */
  async function startFailing(options: Partial<ConsumeOptions>) {
    const queue = broker.unique('ordered');
    const exchange = broker.unique('steps');
    const handled: string[] = [];
    @Injectable()
    class Orders {
      @Consume({ queue, exchange, routingKey: ['anna', 'ben'], ...options })
      @Ack({ retry: { attempts: 5, delay: 150 } })
      async onStep({ key, number }: Step): Promise<void> {
        const title = `${key} ${String(number)}`;
        const isFailing = number === 1 && handled.filter((entry) => entry.startsWith(title)).length < 2;
        handled.push(isFailing ? `${title} failed` : title);
        if (isFailing) throw new Error('not yet');
        await pause(1);
      }
    }
    await startApplication(
      { url: broker.url, exchanges: [{ name: exchange, type: 'direct' }] },
      { providers: [Orders] },
    );
    const send = (step: Step): Promise<void> =>
      bystander.channel.publish(exchange, step.key, JSON.stringify(step), { headers: { customer: step.key } });
    await send({ key: 'anna', number: 1 });
    await send({ key: 'anna', number: 2 });
    await send({ key: 'ben', number: 3 });
    await eventually(() => expect(handled).toContain('anna 1'));
    await send({ key: 'anna', number: 4 });
    return { handled, queue };
  }

  test('AmqpServer has it too; a request whose key cannot be read is answered', async () => {
    const queue = broker.unique('server');
    const course = new Course();
    @Controller()
    class Orders {
      @EventPattern('step')
      async onStep(@Payload() step: Step): Promise<void> {
        await course.run(step);
      }
      @MessagePattern('who')
      who(@Payload() name: string, @Ctx() context: AmqpContext): string {
        return `${name} of ${context.getPattern()}`;
      }
    }
    await bench.serve([Orders], {
      queue,
      prefetch: 100,
      concurrency: 3,
      ordered: {
        by: ({ body }) => {
          const { data } = JSON.parse(body.toString()) as { data: Step | string };
          if (data === 'nobody') throw new Error('nobody is no key');
          return typeof data === 'string' ? data : data.key;
        },
      },
    });
    const client = bench.client({ queue });
    expect(await client.request('who', 'anna')).toBe('anna of who');
    expect(await rejection(client.request('who', 'nobody'))).toBeInstanceOf(RemoteError);
    for (const step of steps(40)) await bystander.send(queue, { pattern: 'step', data: step });
    await eventually(() => expect(course.done).toHaveLength(40));
    expect(course.overlaps).toBe(0);
    expect(course.most).toBeGreaterThan(1);
    expect(course.most).toBeLessThanOrEqual(3);
    for (const key of keys) expect(course.numbersOf(key)).toEqual([...course.numbersOf(key)].sort((a, b) => a - b));
  });
});
