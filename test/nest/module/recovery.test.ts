import { Injectable } from '@nestjs/common';
import { Consume, InjectPublisher, Publisher, RecoveryService } from 'leveret';
import { describeOnEmbedded } from '../../support/brokers.js';
import { closeApplications, eventually, pause, startApplication } from '../../support/nest-app.js';

describeOnEmbedded('recovery', (broker) => {
  afterEach(closeApplications);

  function startCounting(queue: string) {
    const seen = new Set<number>();
    @Injectable()
    class Orders {
      constructor(@InjectPublisher() readonly direct: Publisher<Record<string, number>>) {}
      @Consume({ queue, concurrency: 5 })
      async onOrder(order: number): Promise<void> {
        await pause(1);
        seen.add(order);
      }
    }
    const recovery = { initialDelay: 20, maxDelay: 50 };
    return startApplication({ url: broker.url, recovery }, { providers: [Orders] }).then((started) => ({
      ...started,
      seen,
      orders: started.app.get(Orders),
      service: started.app.get(RecoveryService),
    }));
  }

  test('connections dropped under load lose no message that was confirmed', async () => {
    const queue = broker.unique('load');
    const { seen, orders } = await startCounting(queue);
    const confirmed: number[] = [];
    const publishing: Promise<unknown>[] = [];
    for (let order = 0; order < 600; order++) {
      publishing.push(
        orders.direct.publish(queue, order).then(
          () => confirmed.push(order),
          () => undefined,
        ),
      );
      if (order % 200 === 100) broker.embedded().faults.dropAll();
      if (order % 10 === 0) await pause(2);
    }
    await Promise.all(publishing);
    expect(confirmed.length).toBeGreaterThan(300);
    await eventually(() => expect(confirmed.filter((order) => !seen.has(order))).toEqual([]));
  });

  test('RecoveryService tells of an outage once, in order, with the name of the connection', async () => {
    const { service, log } = await startCounting(broker.unique('events'));
    const events: string[] = [];
    let once = 0;
    service
      .on('lost', ({ connection, cause }) => events.push(`lost ${connection} ${cause.name}`))
      .on('reconnecting', ({ connection, attempt }) => events.push(`reconnecting ${connection} ${String(attempt)}`))
      .on('recovered', ({ connection, epoch }) => events.push(`recovered ${connection} ${String(epoch)}`))
      .once('lost', () => (once += 1))
      .on('lost', () => {
        throw new Error('a listener that fails');
      })
      .on('lost', async () => Promise.reject(new Error('a listener that rejects')));
    const removed = (): unknown => events.push('removed');
    service.on('lost', removed).off('lost', removed);
    expect(service.connections()).toMatchObject([{ name: 'default', state: 'open', epoch: 1 }]);
    for (const epoch of [2, 3]) {
      broker.embedded().faults.dropAll();
      await eventually(() => expect(service.connections()).toMatchObject([{ state: 'open', epoch }]));
      await eventually(() =>
        expect(events.splice(0)).toEqual([
          'lost default ConnectionLostError',
          'reconnecting default 1',
          `recovered default ${String(epoch)}`,
        ]),
      );
    }
    expect(once).toBe(1);
    const warnings = log.texts('warn').filter((line) => line.includes('was lost'));
    expect(warnings).toHaveLength(2);
    expect(log.texts('log').filter((line) => line.includes('is back after'))).toHaveLength(2);
    const failures = log.texts('error');
    expect(failures).toHaveLength(4);
    expect(failures[0]).toContain('a listener of "lost" failed: Error: a listener that fails');
  });

  test('failed is told when no attempt is left', async () => {
    const { app, log } = await startApplication({ url: broker.url, recovery: false }, {});
    const failed = new Promise((resolve) => app.get(RecoveryService).on('failed', resolve));
    broker.embedded().faults.dropAll();
    expect(await failed).toMatchObject({ connection: 'default' });
    expect(app.get(RecoveryService).connections()).toMatchObject([{ state: 'failed' }]);
    expect(log.texts('error').join()).toContain('connection "default" is given up');
  });

  test('a settlement that comes after its connection was lost is no error, and the message comes again', async () => {
    const queue = broker.unique('stale');
    const releases: (() => void)[] = [];
    @Injectable()
    class Orders {
      constructor(@InjectPublisher() readonly direct: Publisher) {}
      @Consume(queue)
      onOrder(): Promise<void> {
        return new Promise((resolve) => releases.push(resolve));
      }
    }
    const recovery = { initialDelay: 20, maxDelay: 50 };
    const { app, log } = await startApplication({ url: broker.url, recovery }, { providers: [Orders] });
    await app.get(Orders).direct.publish(queue, 1);
    await eventually(() => expect(releases).toHaveLength(1));
    broker.embedded().faults.dropAll();
    await eventually(() => expect(releases).toHaveLength(2));
    releases.forEach((release) => release());
    await eventually(() => expect(log.texts('debug').join()).toContain('its connection was lost; it comes again'));
    expect(log.texts('error')).toEqual([]);
    await closeApplications();
    expect(broker.embedded().inspect.queue(queue)).toMatchObject({ messageCount: 0, unackedCount: 0 });
  });

  test('a queue deleted under its consumer is told of, and consumed again when it is back', async () => {
    const queue = broker.unique('deleted');
    const { log } = await startCounting(queue);
    broker.embedded().faults.cancelConsumers(queue);
    await eventually(() => expect(log.texts('warn').join()).toContain('the broker cancelled the consumer'));
    await eventually(() => expect(log.texts('log').join()).toContain(`consuming "${queue}" again`));
  });
});
