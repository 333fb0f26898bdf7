import 'reflect-metadata';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { ConnectionLostError } from 'leveret/amqp';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { describeOnBroker } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { pause, rejection, until } from '../../support/waiting.js';
import { AmqpClient, AmqpServer, type AmqpStatus } from 'leveret';
import { Bench, EventPattern } from './support.js';

describeOnBroker('the transport when connections are lost', (broker) => {
  const bench = new Bench(() => broker.url);
  let queue = '';
  const seen: unknown[] = [];
  const waiting: (() => void)[] = [];
  const release = (): void => {
    for (const goOn of waiting.splice(0)) goOn();
  };

  @Controller()
  class Service {
    @MessagePattern('echo')
    echo(@Payload() data: unknown): unknown {
      return data;
    }
    @MessagePattern('slow')
    async slow(@Payload() data: unknown): Promise<unknown> {
      seen.push(['started', data]);
      await new Promise<void>((resolve) => waiting.push(resolve));
      return data;
    }
    @EventPattern('happened')
    async happened(@Payload() data: unknown): Promise<void> {
      await pause(1);
      seen.push(data);
    }
  }

  beforeEach(() => {
    bench.begin();
    seen.length = 0;
    queue = broker.unique('recovery');
    void bench.deleteLater(queue, `${queue}.parked`);
  });
  afterEach(async () => {
    release();
    await bench.end();
  });

  test('requests that wait fail at once; later ones find the server again', async () => {
    const cuts = new Cuts();
    await bench.serve([Service], { queue });
    const client = bench.client({ queue, transport: cuts.transport });
    const statuses: AmqpStatus[] = [];
    client.status.subscribe((status) => statuses.push(status));
    await expect(client.request('echo', 1)).resolves.toBe(1);
    const asked = [rejection(client.request('slow', 1)), rejection(firstValueFrom(client.send('slow', 2)))];
    await until('the handlers run', () => seen.length === 2);
    const since = performance.now();
    cuts.cutAll();
    for (const failure of await Promise.all(asked)) expect(failure).toBeInstanceOf(ConnectionLostError);
    expect(performance.now() - since).toBeLessThan(1_000);
    release();
    // Waits for the connection, and goes out after the reply consumer is back.
    await expect(client.request('echo', 2)).resolves.toBe(2);
    await expect(Promise.all([3, 4, 5].map((n) => client.request('echo', n)))).resolves.toEqual([3, 4, 5]);
    expect(statuses).toEqual(['connected', 'disconnected', 'reconnecting', 'connected']);
    expect(bench.logger.warnings.filter((line) => line.includes('lost'))).toHaveLength(1);
    expect(bench.logger.lines.filter((line) => line.includes('again'))).toHaveLength(1);
    expect(bench.logger.errors).toEqual([]);
  });

  test('the server consumes again, no event is lost, and a request is answered after its redelivery', async () => {
    const cuts = new Cuts();
    const { server } = await bench.serve([Service], { queue, transport: cuts.transport });
    const statuses: AmqpStatus[] = [];
    server.status.subscribe((status) => statuses.push(status));
    const lost: unknown[] = [];
    server.on('lost', (event) => lost.push(event.cause));
    const client = bench.client({ queue });
    await client.connect();
    const slow = client.request('slow', 'twice');
    await until('the handler runs', () => seen.length === 1);
    cuts.cutAll();
    await until('the handler runs again', () => seen.length === 2);
    release();
    await expect(slow).resolves.toBe('twice');
    seen.length = 0;
    const sending = Array.from({ length: 200 }, async (_, n) => {
      await lastValueFrom(client.emit('happened', n), { defaultValue: 0 });
      if (n === 50 || n === 120) cuts.cutAll();
    });
    await Promise.all(sending);
    await until('all events are handled', () => new Set(seen).size === 200);
    expect(lost.length).toBeGreaterThan(0);
    expect(statuses.at(0)).toBe('connected');
    expect(statuses.at(-1)).toBe('connected');
    expect(bench.logger.errors).toEqual([]);
  });

  test('a queue that is deleted and comes back is consumed again, and status says so', async () => {
    const { server } = await bench.serve([Service], { queue, recovery: { initialDelay: 20, maxDelay: 100 } });
    const statuses: AmqpStatus[] = [];
    server.status.subscribe((status) => statuses.push(status));
    await (await bench.channel()).queueDelete(queue);
    await until('it is consumed again', () => statuses.at(-1) === 'connected' && statuses.length === 3);
    expect(statuses).toEqual(['connected', 'unconsumed', 'connected']);
    await expect(bench.client({ queue }).request('echo', 1)).resolves.toBe(1);
  });

  test('a wrong password fails the start at once, without telling it', async () => {
    const url = new URL(broker.url);
    url.password = 'not-the-password';
    const since = performance.now();
    const client = bench.client({ queue, url: url.href });
    const failure = await rejection(client.connect());
    expect(failure.name).toBe('AuthenticationError');
    await expect(bench.serve([Service], { queue, url: url.href })).rejects.toThrow(
      /refused|authentication|ACCESS_REFUSED/i,
    );
    expect(performance.now() - since).toBeLessThan(5_000);
    const told = JSON.stringify([bench.logger, failure.message, failure.stack]);
    expect(told).not.toContain('not-the-password');
    await expect(lastValueFrom(client.emit('happened', 1))).rejects.toThrow();
  });

  test('the start waits for the broker up to its limit, then fails with the cause', async () => {
    const server = new AmqpServer({ url: 'amqp://127.0.0.1:1', queue, startTimeout: 300, retryDelay: 50 });
    const since = performance.now();
    const cause = await new Promise((resolve) => {
      server.listen(resolve);
    });
    expect(cause).toMatchObject({ name: 'ConnectionRefusedError' });
    expect(performance.now() - since).toBeGreaterThan(150);
    expect(bench.logger.warnings).toHaveLength(1);
    await server.close();
    const client = new AmqpClient({ url: 'amqp://127.0.0.1:1', queue, startTimeout: 100, retryDelay: 20 });
    await expect(client.request('echo', 1)).rejects.toMatchObject({ name: 'ConnectionRefusedError' });
    await client.close();
  });

  test('closing while it starts ends the start', async () => {
    const server = new AmqpServer({ url: 'amqp://127.0.0.1:1', queue });
    const started = new Promise((resolve) => {
      server.listen(resolve);
    });
    await pause(50);
    await server.close();
    expect(await started).toMatchObject({ name: 'ConnectionClosedError' });
  });
});
