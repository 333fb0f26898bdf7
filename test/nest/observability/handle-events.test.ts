/** `leveret:handle` of node:diagnostics_channel: what handlers were given, and what became of it. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Controller, Injectable } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { Ack, AmqpContext, AmqpServer, Consume, Settlement, type HandleDiagnostics } from 'leveret';
import { describeOnBroker } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { Bystander, closeApplications, eventually, pause, startApplication } from '../../support/nest-app.js';

describeOnBroker('leveret:handle', (broker) => {
  const bystander = new Bystander();
  let events: HandleDiagnostics[] = [];
  const note = (event: unknown): void => {
    events.push(event as HandleDiagnostics);
  };

  beforeAll(() => bystander.open(broker.url));
  afterAll(() => bystander.close());
  beforeEach(() => {
    events = [];
    subscribe('leveret:handle', note);
  });
  afterEach(async () => {
    unsubscribe('leveret:handle', note);
    await closeApplications();
  });

  const told = (): unknown[] => events.map(({ payload, attempts, outcome }) => [payload, attempts, outcome]);

  it('tells each way in which a message is settled, by policy and by hand', async () => {
    const [queue, byHand] = [broker.unique('handle'), broker.unique('handle')];
    class Dropped extends Error {}
    class Dead extends Error {}
    @Injectable()
    class Handlers {
      @Consume(queue)
      @Ack({
        retry: { attempts: 1, delay: 10 },
        then: 'park',
        errors: [
          [Dropped, { retry: 0, then: 'drop' }],
          [Dead, { retry: 0, then: 'dead-letter' }],
        ],
      })
      onMessage(what: string): void {
        if (what === 'drop') throw new Dropped();
        if (what === 'dead') throw new Dead();
        if (what === 'fail') throw new RangeError('of no use');
      }

      @Consume(byHand)
      async onByHand(what: string, @Ack() settlement: Settlement, @Ctx() context: AmqpContext): Promise<void> {
        const { delivery, attempts } = context;
        if (what === 'ack') settlement.ack();
        if (what === 'reject') settlement.reject({ requeue: false });
        if (what === 'nack' && !delivery.redelivered) settlement.nack();
        else if (what === 'nack') settlement.drop();
        if (what === 'delivery') delivery.ack();
        if (what === 'retry' && attempts === 1) await settlement.retry(10);
        else if (what === 'retry') await settlement.park();
        if (what === 'later') setTimeout(() => settlement.ack(), 30);
      }
    }
    await startApplication({ url: broker.url }, { providers: [Handlers] });
    for (const what of ['fine', 'drop', 'dead', 'fail']) {
      const count = events.length;
      await bystander.send(queue, JSON.stringify(what));
      await eventually(() => expect(events.length).toBe(count + (what === 'fail' ? 2 : 1)));
    }
    expect(told()).toEqual([
      ['fine', 1, 'ack'],
      ['drop', 1, 'drop'],
      ['dead', 1, 'dead-letter'],
      ['fail', 1, 'retry'],
      ['fail', 2, 'park'],
    ]);
    expect(events.map(({ error }) => (error as Error | undefined)?.constructor)).toEqual([
      undefined,
      Dropped,
      Dead,
      RangeError,
      RangeError,
    ]);
    expect(events[0]).toMatchObject({ queue, handler: 'Handlers.onMessage' });
    events = [];
    for (const what of ['ack', 'reject', 'nack', 'delivery', 'retry', 'later']) {
      const count = events.length;
      await bystander.send(byHand, JSON.stringify(what));
      await eventually(() => expect(events.length).toBe(count + (what === 'nack' || what === 'retry' ? 2 : 1)));
    }
    expect(told()).toEqual([
      ['ack', 1, 'ack'],
      ['reject', 1, 'dead-letter'],
      ['nack', 1, 'requeue'],
      ['nack', 1, 'drop'],
      ['delivery', 1, 'settled'],
      ['retry', 1, 'retry'],
      ['retry', 2, 'park'],
      ['later', 1, 'unsettled'],
    ]);
  });

  it('tells of what waits in memory, of batches one by one, and of what was lost with its connection', async () => {
    const [ordered, batched, lost] = [broker.unique('handle'), broker.unique('handle'), broker.unique('handle')];
    const cuts = new Cuts();
    let isCut = false;
    @Injectable()
    class Handlers {
      @Consume({ queue: ordered, ordered: { by: () => 'one', retries: 'wait' } })
      @Ack({ retry: { attempts: 1, delay: 10 }, then: 'drop' })
      onOrdered(): void {
        throw new Error('no');
      }

      @Consume({ queue: batched, batch: { size: 2, wait: 1_000 } })
      onBatch(): void {}

      @Consume(lost)
      async onLost(): Promise<void> {
        if (isCut) return;
        isCut = true;
        cuts.cutAll();
        await pause(100);
      }
    }
    await startApplication(
      { url: broker.url, transport: cuts.transport, recovery: { initialDelay: 5, maxDelay: 20 } },
      { providers: [Handlers] },
    );
    await bystander.send(ordered, 1);
    await eventually(() =>
      expect(told()).toEqual([
        [1, 1, 'retry'],
        [1, 2, 'drop'],
      ]),
    );
    events = [];
    for (const id of [1, 2]) await bystander.send(batched, id);
    await eventually(() =>
      expect(told()).toEqual([
        [1, 1, 'ack'],
        [2, 1, 'ack'],
      ]),
    );
    events = [];
    await bystander.send(lost, 1);
    await eventually(() => expect(events).toHaveLength(2));
    expect(told().sort()).toEqual([
      [1, 1, 'ack'],
      [1, 1, 'stale'],
    ]);
  });

  it('tells of the handlers of a server by their patterns, and of what is nobody’s', async () => {
    const queue = broker.unique('handle');
    @Controller()
    class Stock {
      @MessagePattern('stock.get')
      get(@Payload() sku: string): string {
        if (sku === 'oats') throw new Error('eaten');
        return sku;
      }

      @EventPattern('stock.changed')
      onChange(_change: unknown): void {}
    }
    const { app } = await startApplication({ url: broker.url }, { controllers: [Stock] }, (nest) => {
      nest.connectMicroservice({ strategy: new AmqpServer({ url: broker.url, queue }), logger: false });
    });
    await app.startAllMicroservices();
    await bystander.send(queue, { pattern: 'stock.changed', data: 'hay' });
    await eventually(() => expect(events).toHaveLength(1));
    await bystander.send(queue, { pattern: 'unknown', data: 'hay' });
    await eventually(() => expect(events).toHaveLength(2));
    expect(events).toMatchObject([
      { queue, handler: 'stock.changed', payload: 'hay', attempts: 1, outcome: 'ack', error: undefined },
      { queue, handler: 'unknown', payload: 'hay', attempts: 1, outcome: 'park' },
    ]);
    expect(events[0]?.source).toBeInstanceOf(AmqpServer);
  });
});
