/** What is parked is looked at, put back, or thrown away, while the application runs. */
import { jest } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import {
  Ack,
  AmqpContext,
  Consume,
  ParkedMessages,
  ReplayError,
  type ConsumeOptions,
  type ParkedMessage,
} from 'leveret';
import { ArgumentError, ChannelClosedByBrokerError, connect } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { Bystander, closeApplications, eventually, startApplication } from '../../support/nest-app.js';
import { rejection } from '../../support/waiting.js';

interface Order {
  readonly id: number;
}

jest.setTimeout(60_000);

describeOnBroker('parked messages', (broker) => {
  const bystander = new Bystander();
  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  afterEach(closeApplications);

  /** A handler that fails until it is mended, and what it did then. */
  async function startShop(options: Partial<ConsumeOptions> = {}) {
    const queue = broker.unique('replay');
    const handled: { id: number; attempts: number; routingKey: string; failures: number }[] = [];
    let isMended = false;
    @Injectable()
    class Orders {
      @Consume({ queue, ...options })
      @Ack({ retry: 0 })
      onOrder({ id }: Order, @Ctx() context: AmqpContext): void {
        if (!isMended) throw new Error(`order ${String(id)} failed`);
        const { attempts } = context;
        handled.push({ id, attempts, routingKey: context.getRoutingKey(), failures: context.getHistory().length });
      }
    }
    const { app } = await startApplication({ url: broker.url }, { providers: [Orders] });
    return { queue, handled, parked: app.get(ParkedMessages), mend: (now = true) => (isMended = now) };
  }

  /** The count of a quorum queue lags some seconds behind. */
  async function park(queue: string, count: number): Promise<void> {
    for (let id = 1; id <= count; id++) await bystander.send(queue, { id }, { messageId: `m${String(id)}` });
    await eventually(async () => expect(await bystander.count(`${queue}.parked`)).toBe(count), 20_000);
  }

  describe.each(['classic', 'quorum'] as const)('of a %s queue', (queueType) => {
    test('are listed with reason, error and history, and stay', async () => {
      const { queue, parked } = await startShop({ queueType });
      await park(queue, 3);
      await eventually(async () => expect(await parked.count(queue)).toBe(3));
      // More often than a quorum queue of RabbitMQ 4 delivers a message without being told to.
      for (let looks = 0; looks < 22; looks++) {
        // What a quorum queue was given back is there a moment later.
        await eventually(async () => expect(await parked.list(queue)).toHaveLength(3));
      }
      let first: ParkedMessage | undefined;
      await eventually(async () => {
        [first] = await parked.list(queue, { limit: 1 });
        expect(first?.messageId).toBe('m1');
      });
      expect(first).toMatchObject({
        messageId: 'm1',
        reason: 'error',
        error: 'Error',
        errorMessage: 'order 1 failed',
        handler: 'Orders.onOrder',
        attempts: 1,
        history: [{ reason: 'error', message: 'order 1 failed' }],
        exchange: '',
        routingKey: queue,
      });
      expect(first?.time?.getTime()).toBeGreaterThan(Date.now() - 60_000);
      expect(first?.body.toString()).toBe('{"id":1}');
      await eventually(async () => expect(await parked.count(queue)).toBe(3), 20_000);
    });

    test('are replayed: all of them, in their order, as new', async () => {
      const { queue, parked, handled, mend } = await startShop({ queueType });
      await park(queue, 250);
      mend();
      expect(await parked.replay(queue)).toEqual({ moved: 250, kept: 0, isComplete: true });
      await eventually(() => expect(handled).toHaveLength(250));
      expect(handled.map(({ id }) => id)).toEqual(Array.from({ length: 250 }, (_, index) => index + 1));
      expect(handled[0]).toEqual({ id: 1, attempts: 1, routingKey: queue, failures: 1 });
      expect(await parked.list(queue)).toEqual([]);
    });
  });

  test('are replayed one by its id, or some', async () => {
    const { queue, parked, handled, mend } = await startShop();
    await park(queue, 6);
    mend();
    expect(await parked.replay(queue, { messageId: 'm4' })).toEqual({ moved: 1, kept: 5, isComplete: true });
    await eventually(() => expect(handled.map(({ id }) => id)).toEqual([4]));
    expect(await parked.replay(queue, { limit: 2 })).toMatchObject({ moved: 2, isComplete: false });
    await eventually(() => expect(handled.map(({ id }) => id)).toEqual([4, 1, 2]));
    const isSixth = ({ errorMessage }: { errorMessage: string | undefined }) => errorMessage === 'order 6 failed';
    expect(await parked.replay(queue, { where: isSixth })).toEqual({ moved: 1, kept: 2, isComplete: true });
    await eventually(() => expect(handled.map(({ id }) => id)).toEqual([4, 1, 2, 6]));
    expect(await parked.drop(queue, { messageId: 'm5' })).toEqual({ moved: 1, kept: 1, isComplete: true });
    expect((await parked.list(queue)).map(({ messageId }) => messageId)).toEqual(['m3']);
    expect(await parked.replay(queue, { messageId: 'of nobody', scan: 1 })).toMatchObject({ isComplete: false });
    expect(await parked.replay(queue, { messageId: 'of nobody' })).toEqual({ moved: 0, kept: 1, isComplete: true });
  });

  test('that fail again are parked again, once, with their whole history', async () => {
    const { queue, parked, handled, mend } = await startShop();
    await park(queue, 2);
    expect(await parked.replay(queue)).toEqual({ moved: 2, kept: 0, isComplete: true });
    await eventually(async () => expect(await parked.count(queue)).toBe(2));
    const messages = await parked.list(queue);
    expect(messages.map(({ attempts, history }) => [attempts, history.length])).toEqual([
      [1, 2],
      [1, 2],
    ]);
    mend();
    await parked.replay(queue);
    await eventually(() => expect(handled.map(({ failures }) => failures)).toEqual([2, 2]));
  });

  test('know where they were published first, over parking and replay', async () => {
    const exchange = broker.unique('shop');
    await bystander.channel.exchangeDeclare(exchange, 'topic', { autoDelete: true });
    const { queue, parked, handled, mend } = await startShop({ exchange, routingKey: 'order.*' });
    const properties = { messageId: 'm1', expiration: '100000', headers: { CC: ['order.copied'], tenant: 'a' } };
    await bystander.channel.publish(exchange, 'order.created', '{"id":1}', properties, { mandatory: true });
    await eventually(async () => expect(await parked.count(queue)).toBe(1));
    const [message] = await parked.list(queue);
    expect(message).toMatchObject({ exchange, routingKey: 'order.created' });
    expect(message?.properties.headers).toMatchObject({ tenant: 'a', 'x-leveret-expiration': '100000' });
    mend();
    await parked.replay(queue);
    await eventually(() => expect(handled).toMatchObject([{ id: 1, routingKey: 'order.created' }]));
  });

  test('stay parked where their queue is gone, with a ReplayError that says how far it came', async () => {
    const { queue, parked } = await startShop();
    await park(queue, 3);
    await closeApplications();
    await bystander.channel.queueDelete(queue);
    const connection = await connect(broker.url);
    const error = await rejection(ParkedMessages.of(connection).replay(queue));
    expect(error).toBeInstanceOf(ReplayError);
    expect(error).toMatchObject({ moved: 0, message: expect.stringContaining('UnroutableError') as string });
    expect(await ParkedMessages.of(connection).count(queue)).toBe(3);
    await connection.close();
    expect(await parked.count(queue).catch((reason: unknown) => (reason as Error).name)).toBe('WrongStateError');
  });

  test('a queue that does not exist, options that are wrong, and a connection that is not there are typed errors', async () => {
    const { queue, parked } = await startShop();
    const none = broker.unique('none');
    expect(await rejection(parked.replay(none))).toBeInstanceOf(ChannelClosedByBrokerError);
    expect(await rejection(parked.replay(queue, { limit: -1 }))).toBeInstanceOf(ArgumentError);
    expect(await rejection(parked.replay(queue, { ids: ['m1'] } as never))).toBeInstanceOf(ArgumentError);
    expect(await rejection(parked.replay(''))).toBeInstanceOf(ArgumentError);
    expect(await rejection(parked.drop(queue, {}))).toBeInstanceOf(ArgumentError);
    expect((await rejection(parked.count(queue, { connection: 'no such' }))).message).toContain('no such');
  });

  test('a filter that throws gives everything back', async () => {
    const { queue, parked } = await startShop();
    await park(queue, 2);
    const where = (): never => {
      throw new RangeError('in the filter');
    };
    expect(await rejection(parked.replay(queue, { where }))).toBeInstanceOf(RangeError);
    await eventually(async () => expect(await parked.count(queue)).toBe(2));
  });
});
