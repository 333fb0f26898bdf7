/** `status` of server and client, as Nest's own transport has it and beyond: what a health check or a dashboard sees. */
import 'reflect-metadata';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { connectTcp, type TransportFactory } from 'leveret/amqp';
import { lastValueFrom } from 'rxjs';
import { describeOnBroker, describeOnEmbedded } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { rejection, until } from '../../support/waiting.js';
import { AmqpClient, AmqpServer, type AmqpStatus } from 'leveret';
import { Bench, EventPattern } from './support.js';

@Controller()
class Service {
  @MessagePattern('echo')
  echo(@Payload() data: unknown): unknown {
    return data;
  }
  @EventPattern('happened')
  happened(): void {}
}

const fast = { initialDelay: 20, maxDelay: 100 };

/** All that `status` says from now on, beginning with what it said last. */
function follow(of: AmqpServer | AmqpClient): AmqpStatus[] {
  const statuses: AmqpStatus[] = [];
  of.status.subscribe((status) => statuses.push(status));
  return statuses;
}

describeOnBroker('the status of the transport', (broker) => {
  const bench = new Bench(() => broker.url);
  let queue = '';

  beforeEach(() => {
    bench.begin();
    queue = broker.unique('status');
    void bench.deleteLater(queue, `${queue}.parked`);
  });
  afterEach(() => bench.end());

  test('server and client: connected, lost, connected again, closed', async () => {
    const cuts = new Cuts();
    const options = { queue, transport: cuts.transport, recovery: fast };
    const { app, server } = await bench.serve([Service], options);
    const client = bench.client(options);
    const [ofServer, ofClient] = [follow(server), follow(client)];
    expect(ofServer).toEqual(['connected']);
    expect(ofClient).toEqual([]);
    await expect(client.request('echo', 1)).resolves.toBe(1);
    expect(ofClient).toEqual(['connected']);
    cuts.cutAll();
    await until('both are back', () => ofServer.length === 4 && ofClient.length === 4);
    await expect(client.request('echo', 2)).resolves.toBe(2);
    await client.close();
    await app.close();
    const story = ['connected', 'disconnected', 'reconnecting', 'connected', 'disconnected'];
    expect(ofServer).toEqual(story);
    expect(ofClient).toEqual(story);
    // Who comes late hears the last one.
    expect([follow(server), follow(client)]).toEqual([['disconnected'], ['disconnected']]);
  });

  test('a client that is used again after it was closed is connected again', async () => {
    await bench.serve([Service], { queue });
    const client = bench.client({ queue });
    const statuses = follow(client);
    await client.connect();
    await client.close();
    await expect(client.request('echo', 1)).resolves.toBe(1);
    expect(statuses).toEqual(['connected', 'disconnected', 'connected']);
  });

  test('disconnected, while the broker cannot be reached at the start, and connected when it can', async () => {
    let isReachable = false;
    const transport: TransportFactory = (endpoint, signal) =>
      connectTcp(isReachable ? endpoint : { ...endpoint, host: '127.0.0.1', port: 1 }, signal);
    const options = { queue, transport, retryDelay: 20 };
    const server = new AmqpServer({ url: broker.url, ...options });
    const client = bench.client(options);
    const [ofServer, ofClient] = [follow(server), follow(client)];
    bench.closeLater(() => server.close());
    const listening = new Promise((resolve) => {
      server.listen(resolve);
    });
    const connecting = client.connect();
    await until('both tried', () => ofServer.length === 1 && ofClient.length === 1);
    isReachable = true;
    await Promise.all([listening, connecting]);
    expect(ofServer).toEqual(['disconnected', 'connected']);
    expect(ofClient).toEqual(['disconnected', 'connected']);
  });

  test('disconnected, when the start is refused', async () => {
    const url = new URL(broker.url);
    url.password = 'not-the-password';
    const server = new AmqpServer({ url: url.href, queue });
    const client = bench.client({ url: url.href, queue });
    const [ofServer, ofClient] = [follow(server), follow(client)];
    await new Promise((resolve) => {
      server.listen(resolve);
    });
    await rejection(client.connect());
    expect([ofServer, ofClient]).toEqual([['disconnected'], ['disconnected']]);
  });

  test('unconsumed: the server while its queue is gone, also over a loss', async () => {
    const cuts = new Cuts();
    const options = { queue, noAssert: true, transport: cuts.transport, recovery: fast };
    const channel = await bench.channel();
    await channel.queueDeclare(queue);
    await channel.queueDeclare(`${queue}.parked`);
    const { server } = await bench.serve([Service], options);
    const statuses = follow(server);
    await channel.queueDelete(queue);
    await until('it is told', () => statuses.at(-1) === 'unconsumed');
    cuts.cutAll();
    await until('it is told again', () => statuses.length > 2 && statuses.at(-1) === 'unconsumed');
    await channel.queueDeclare(queue);
    await until('it consumes again', () => statuses.at(-1) === 'connected');
    await expect(bench.client({ queue }).request('echo', 1)).resolves.toBe(1);
    expect(statuses.slice(0, 2)).toEqual(['connected', 'unconsumed']);
    expect(statuses.slice(-2)).toEqual(['unconsumed', 'connected']);
  });
});

describeOnEmbedded('the status of the transport, on a broker short of memory', (broker) => {
  const bench = new Bench(() => broker.url);
  let queue = '';

  beforeEach(() => {
    bench.begin();
    queue = broker.unique('status');
  });
  afterEach(async () => {
    broker.embedded().faults.unblockAll();
    await bench.end();
  });

  test('server and client: blocked, unblocked; what waited is sent then', async () => {
    const { server } = await bench.serve([Service], { queue });
    const client = bench.client({ queue });
    const events: string[] = [];
    client.on('blocked', ({ reason }) => events.push(`blocked: ${reason}`));
    client.on('unblocked', () => events.push('unblocked'));
    server.on('blocked', ({ reason }) => events.push(`server blocked: ${reason}`));
    // Brokers block only those who publish, replies included.
    await expect(client.request('echo', 1)).resolves.toBe(1);
    await lastValueFrom(client.emit('happened', {}), { defaultValue: undefined });
    const [ofServer, ofClient] = [follow(server), follow(client)];
    broker.embedded().faults.blockAll('low on memory');
    await until('both are told', () => ofServer.length === 2 && ofClient.length === 2);
    const waiting = client.request('echo', 2);
    broker.embedded().faults.unblockAll();
    await expect(waiting).resolves.toBe(2);
    const story = ['connected', 'blocked', 'unblocked'];
    expect([ofServer, ofClient]).toEqual([story, story]);
    expect(events.sort()).toEqual(['blocked: low on memory', 'server blocked: low on memory', 'unblocked']);
    expect(bench.logger.warnings.filter((line) => line.includes('low on memory'))).toHaveLength(2);
  });

  test('a loss while blocked: disconnected, and connected to a broker that takes messages', async () => {
    const client = bench.client({ queue, recovery: fast });
    await (await bench.channel()).queueDeclare(queue);
    await lastValueFrom(client.emit('happened', 1), { defaultValue: undefined });
    const statuses = follow(client);
    const { faults } = broker.embedded();
    faults.blockAll();
    await until('it is told', () => statuses.at(-1) === 'blocked');
    const waiting = lastValueFrom(client.emit('happened', 2), { defaultValue: undefined });
    faults.dropAll();
    faults.unblockAll();
    await waiting;
    expect(statuses).toEqual(['connected', 'blocked', 'disconnected', 'reconnecting', 'connected']);
  });
});
