import { BadRequestException, Injectable } from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';
import { Ack, Consume, type AckPolicy, type Settlement } from 'leveret';
import { AlreadySettledError } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import {
  Bystander,
  closeApplication,
  closeApplications,
  eventually,
  pause,
  startApplication,
} from '../../support/nest-app.js';

class BadOrder extends Error {}
class WorseOrder extends BadOrder {
  readonly isWorse = true;
}

describeOnBroker('@Ack', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  /** An application whose one handler does as it is told, by a policy and queue options. */
  async function startHandler(handle: (order: unknown) => unknown, policy?: AckPolicy, options = {}) {
    const queue = broker.unique('ack');
    @Injectable()
    class Orders {
      @Consume({ queue, ...options })
      @Ack(policy)
      onOrder(order: unknown): unknown {
        return handle(order);
      }
    }
    return { queue, ...(await startApplication({ url: broker.url }, { providers: [Orders] })) };
  }

  test('acknowledges after the promise of the handler, not before', async () => {
    let finish: () => void = () => undefined;
    const { queue, app } = await startHandler(() => new Promise<void>((resolve) => (finish = resolve)));
    await bystander.send(queue, {});
    await pause(100);
    // A delivery that is not acknowledged is what keeps the application from closing.
    let isClosed = false;
    const closing = closeApplication(app).then(() => (isClosed = true));
    await pause(100);
    expect(isClosed).toBe(false);
    finish();
    await closing;
    expect(await bystander.count(queue)).toBe(0);
  });

  test('parks what failed: a copy with the reason, where it came from, and its own properties', async () => {
    const { queue, log } = await startHandler(() => {
      throw new BadOrder('x'.repeat(5_000));
    });
    const userId = decodeURIComponent(new URL(broker.url).username) || 'guest';
    await bystander.send(
      queue,
      { id: 1 },
      { userId, expiration: '60000', messageId: 'm1', correlationId: 'c1', headers: { tenant: 'a', n: 5 } },
    );
    const copy = await bystander.take(`${queue}.parked`);
    expect(JSON.parse(copy.body.toString())).toEqual({ id: 1 });
    expect(copy.properties).toMatchObject({ messageId: 'm1', correlationId: 'c1', deliveryMode: 2 });
    expect(copy.properties.userId).toBeUndefined();
    expect(copy.properties.expiration).toBeUndefined();
    expect(copy.properties.headers).toMatchObject({
      tenant: 'a',
      n: 5,
      'x-leveret-reason': 'error',
      'x-leveret-error': 'BadOrder',
      'x-leveret-error-message': 'x'.repeat(1_000),
      'x-leveret-handler': 'Orders.onOrder',
      'x-leveret-queue': queue,
      'x-leveret-exchange': '',
      'x-leveret-routing-key': queue,
      'x-leveret-time': expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      'x-leveret-user-id': userId,
      'x-leveret-expiration': '60000',
    });
    expect(await bystander.count(queue)).toBe(0);
    expect(log.texts('error').filter((line) => line.includes('Orders.onOrder'))).toHaveLength(1);
  });

  test('holds what cannot be parked, tries again, and gives it back when it stops', async () => {
    let runs = 0;
    const handle = (): never => {
      runs += 1;
      throw new BadOrder('no');
    };
    const { queue, log } = await startHandler(handle, {}, { parking: false });
    expect(log.texts('warn')).toEqual([expect.stringContaining('parking: false')]);
    await bystander.send(queue, { id: 1 });
    await bystander.send(queue, { id: 2 });
    await eventually(() => expect(runs).toBe(2));
    const complaint = 'could not be parked: UnroutableError';
    const complaints = (): string[] => log.texts('error').filter((line) => line.includes(complaint));
    await eventually(() => expect(complaints()).toHaveLength(1));
    await bystander.channel.queueDeclare(`${queue}.parked`, {
      arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' },
    });
    // There is room for one of the two.
    await eventually(async () => expect(await bystander.count(`${queue}.parked`)).toBe(1), 5_000);
    expect(runs).toBe(2);
    expect(complaints()).toHaveLength(1);
    await closeApplications();
    expect(await bystander.count(queue)).toBe(1);
  });

  test('dead-letters to the exchange of the queue', async () => {
    const dead = broker.unique('dead');
    await bystander.channel.queueDeclare(dead);
    const { queue, log } = await startHandler(
      () => {
        throw new BadOrder('no');
      },
      { then: 'dead-letter' },
      { deadLetter: { exchange: '', routingKey: dead } },
    );
    await bystander.send(queue, { id: 2 });
    const message = await bystander.take(dead);
    expect(message.properties.headers?.['x-death']).toBeDefined();
    expect(log.texts('warn')).toEqual([]);
  });

  test('warns at start of a dead-letter policy without a dead-letter exchange, unless told to assume one', async () => {
    const first = await startHandler(() => undefined, { errors: [[BadOrder, { then: 'dead-letter' }]] });
    expect(first.log.texts('warn')).toEqual([expect.stringContaining('Orders.onOrder: @Ack dead-letters')]);
    const second = await startHandler(() => undefined, { then: 'dead-letter' }, { assumeDeadLetter: true });
    expect(second.log.texts('warn')).toEqual([]);
    const third = await startHandler(() => undefined, { then: 'dead-letter' }, { queueType: 'quorum' });
    expect(third.log.texts('warn')).toEqual([]);
  });

  test('requeue gives the message back at once; drop acknowledges and logs it', async () => {
    let runs = 0;
    const requeued = await startHandler(
      () => {
        runs += 1;
        if (runs < 3) throw new BadOrder('again');
      },
      { then: 'requeue' },
    );
    await bystander.send(requeued.queue, {});
    await eventually(() => expect(runs).toBe(3));
    const dropped = await startHandler(
      () => {
        throw new BadOrder('not wanted');
      },
      { then: 'drop' },
    );
    await bystander.send(dropped.queue, {});
    await eventually(() => expect(dropped.log.texts('error').join()).toContain('not wanted (dropped)'));
    await closeApplications();
    expect(await bystander.count(dropped.queue)).toBe(0);
    expect(await bystander.count(`${dropped.queue}.parked`)).toBe(0);
  });

  test('errors choose by class, also of a cause and of what an RpcException holds', async () => {
    const failures = [
      () => new WorseOrder('sub'),
      () => new Error('outer', { cause: new BadOrder('inner') }),
      () => new RpcException(new BadOrder('wrapped')),
    ];
    const { queue, log } = await startHandler(
      (index) => {
        throw failures[Number(index)]?.() ?? new BadRequestException('other');
      },
      { then: 'park', errors: [[BadOrder, { then: 'drop' }]] },
    );
    for (const index of [0, 1, 2, 3]) await bystander.send(queue, String(index));
    expect((await bystander.take(`${queue}.parked`)).body.toString()).toBe('3');
    expect(log.texts('error').filter((line) => line.includes('(dropped)'))).toHaveLength(3);
  });

  test('when: before acknowledges first; a failure is only logged', async () => {
    const { queue, log } = await startHandler(
      () => {
        throw new BadOrder('too late');
      },
      { when: 'before' },
    );
    await bystander.send(queue, {});
    await eventually(() => expect(log.texts('error').join()).toContain('it was acknowledged before'));
    await closeApplications();
    expect(await bystander.count(queue)).toBe(0);
    expect(await bystander.count(`${queue}.parked`)).toBe(0);
  });

  test('@Ack() on a parameter settles by hand, once: a second settlement throws AlreadySettledError', async () => {
    const queue = broker.unique('manual');
    const seen: unknown[] = [];
    let later: (() => unknown) | undefined;
    @Injectable()
    class Orders {
      @Consume(queue)
      async onOrder(kind: string, @Ack() settle: Settlement): Promise<void> {
        if (kind === 'park') seen.push(await settle.park('by hand'));
        else if (kind === 'ack') seen.push(settle.ack());
        else if (kind === 'reject') seen.push(settle.reject({ requeue: false }));
        else if (kind === 'later') {
          later = () => settle.ack();
          return;
        } else if (kind === 'throw') throw new BadOrder('before it settled');
        expect(settle.isSettled).toBe(true);
        for (const again of [() => settle.ack(), () => settle.nack(), () => settle.drop(), () => settle.deadLetter()]) {
          try {
            again();
          } catch (error) {
            seen.push(error instanceof AlreadySettledError);
          }
        }
        await settle.park().catch((error: unknown) => seen.push(error instanceof AlreadySettledError));
      }
    }
    await startApplication({ url: broker.url }, { providers: [Orders] });
    for (const kind of ['ack', 'reject', 'park']) {
      await bystander.send(queue, JSON.stringify(kind));
      await eventually(() => expect(seen.splice(0)).toEqual(['sent', true, true, true, true, true]));
    }
    expect((await bystander.take(`${queue}.parked`)).properties.headers?.['x-leveret-reason']).toBe('by hand');
    await bystander.send(queue, '"throw"');
    expect((await bystander.take(`${queue}.parked`)).properties.headers?.['x-leveret-error']).toBe('BadOrder');
    await bystander.send(queue, '"later"');
    await eventually(() => expect(later).toBeDefined());
    expect(later?.()).toBe('sent');
    await closeApplications();
    expect(await bystander.count(queue)).toBe(0);
  });

  test("the module's default policy holds where a handler does not say otherwise", async () => {
    const queue = broker.unique('defaults');
    @Injectable()
    class Orders {
      @Consume(`${queue}.a`)
      @Ack({ then: 'park' })
      first(): void {
        throw new BadOrder('parked');
      }
      @Consume(`${queue}.b`)
      second(): void {
        throw new BadOrder('dropped');
      }
    }
    const { log } = await startApplication(
      { url: broker.url, defaults: { ack: { then: 'drop' } } },
      { providers: [Orders] },
    );
    await bystander.send(`${queue}.a`, {});
    await bystander.send(`${queue}.b`, {});
    await bystander.take(`${queue}.a.parked`);
    await eventually(() => expect(log.texts('error').join()).toContain('dropped (dropped)'));
  });
});
