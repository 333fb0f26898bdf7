import 'reflect-metadata';
import { Controller, type OnModuleDestroy } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { ConnectionLostError, WrongStateError } from 'leveret/amqp';
import { lastValueFrom } from 'rxjs';
import { describeOnBroker } from '../../support/brokers.js';
import { pause, rejection, until } from '../../support/waiting.js';
import { Bench, EventPattern } from './support.js';

describeOnBroker('closing the transport', (broker) => {
  const bench = new Bench(() => broker.url);
  let queue = '';
  const story: unknown[] = [];
  let release: () => void = () => undefined;

  @Controller()
  class Service implements OnModuleDestroy {
    onModuleDestroy(): void {
      story.push('destroyed');
    }
    @EventPattern('work')
    async work(@Payload() data: unknown): Promise<void> {
      story.push(['began', data]);
      await pause(200);
      story.push(['ended', data]);
    }
    @EventPattern('endless')
    endless(): Promise<void> {
      story.push('endless');
      return new Promise((resolve) => (release = resolve));
    }
    @MessagePattern('ask')
    async ask(): Promise<string> {
      story.push('asked');
      await pause(200);
      return 'answer';
    }
  }

  beforeEach(() => {
    bench.begin();
    story.length = 0;
    queue = broker.unique('closing');
    void bench.deleteLater(queue, `${queue}.parked`);
  });
  afterEach(async () => {
    release();
    await bench.end();
  });
  const messageCount = async (): Promise<number> =>
    (await (await bench.channel()).queueDeclare(queue, { passive: true })).messageCount;

  test('handlers that run are waited for, before any destroy hook; the rest stays in the queue', async () => {
    const { app } = await bench.serve([Service], { queue, prefetch: 2 });
    const client = bench.client({ queue });
    for (const n of [1, 2, 3, 4]) await lastValueFrom(client.emit('work', n), { defaultValue: 0 });
    await until('two run', () => story.length === 2);
    await app.close();
    expect(story).toEqual([['began', 1], ['began', 2], ['ended', 1], ['ended', 2], 'destroyed']);
    expect(await messageCount()).toBe(2);
  });

  test('a request that runs is still answered', async () => {
    const { app } = await bench.serve([Service], { queue });
    const client = bench.client({ queue });
    const answer = client.request('ask', {});
    await until('it is asked', () => story.length === 1);
    await app.close();
    await expect(answer).resolves.toBe('answer');
    expect(await messageCount()).toBe(0);
  });

  test('what outlives drainTimeout goes back to the queue', async () => {
    const { app } = await bench.serve([Service], { queue, drainTimeout: 100 });
    await lastValueFrom(bench.client({ queue }).emit('endless', {}), { defaultValue: 0 });
    await until('it runs', () => story.length === 1);
    const since = performance.now();
    await app.close();
    expect(performance.now() - since).toBeLessThan(2_000);
    expect(await messageCount()).toBe(1);
    expect(bench.logger.warnings).toHaveLength(1);
    release();
    await pause(50);
    expect(bench.logger.errors).toEqual([]);
  });

  test('20 messages at a time unless said', async () => {
    await bench.serve([Service], { queue, drainTimeout: 0 });
    const client = bench.client({ queue });
    for (let n = 0; n < 25; n++) client.emit('endless', n);
    await until('20 run', () => story.length === 20);
    await pause(100);
    expect(story).toHaveLength(20);
  });

  test('closing the client fails what waits, and it can connect again', async () => {
    await bench.serve([Service], { queue });
    const client = bench.client({ queue });
    const waiting = rejection(client.request('ask', {}));
    await until('it is asked', () => story.length === 1);
    await client.close();
    expect(await waiting).toBeInstanceOf(ConnectionLostError);
    await client.close();
    await expect(client.request('ask', {})).resolves.toBe('answer');
  });

  test('what was emitted right before the client is closed is sent, and no connection is left', async () => {
    await bench.serve([Service], { queue });
    const client = bench.client({ queue });
    await lastValueFrom(client.emit('work', 1), { defaultValue: 0 });
    client.emit('work', 2);
    const asked = rejection(client.request('ask', {}));
    await client.close();
    expect(await asked).toBeInstanceOf(ConnectionLostError);
    await until(
      'both are done',
      () => story.filter((entry) => Array.isArray(entry) && entry[0] === 'ended').length === 2,
    );
    expect(() => client.unwrap()).toThrow(WrongStateError);
    expect(bench.logger.errors).toEqual([]);
  });
});
