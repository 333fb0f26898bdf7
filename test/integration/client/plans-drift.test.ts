/** `connection.drift`: a watch that tells what changes on the broker, and nothing else. */
import { connect, ManagementError, type Connection, type Drift, type DriftWatch } from 'leveret/amqp';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describeOnBroker, describeOnRabbitmq } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { rejection, until } from '../../support/waiting.js';

/** What a person would want to hear of it. */
function told({ missing, conflicts, healed, extra, extraGone }: Drift): Record<string, string[]> {
  const named = {
    missing: missing.map(({ kind, name }) => `${kind} ${name}`),
    conflicts: conflicts.map(({ kind, name }) => `${kind} ${name}`),
    healed: healed.map(({ kind, name, state }) => `${kind} ${name} is ${state}`),
    extra: extra.map(({ source, routingKey }) => `${source} (${routingKey})`),
    extraGone: extraGone.map(({ source, routingKey }) => `${source} (${routingKey})`),
  };
  return Object.fromEntries(Object.entries(named).filter(([, list]) => list.length > 0));
}

async function next(watch: DriftWatch): Promise<Record<string, string[]>> {
  const { done, value } = await watch.next();
  if (done === true) throw new Error('the loop ended');
  return told(value);
}

describeOnBroker('a watch for drift', (broker) => {
  const cuts = new Cuts();
  let connection: Connection;
  let other: Connection;
  let names: { exchange: string; queue: string };
  const interval = 20;

  beforeEach(async () => {
    connection = await connect(broker.url, {
      transport: cuts.transport,
      recovery: { initialDelay: 5, maxDelay: 20 },
    });
    other = await connect(broker.url);
    names = { exchange: broker.unique('drift-x'), queue: broker.unique('drift-q') };
    const channel = await connection.openChannel();
    await channel.exchangeDeclare(names.exchange, 'topic');
    await channel.queueDeclare(names.queue, { arguments: { 'x-max-length': 5 } });
    await channel.queueBind(names.queue, names.exchange, 'order.*');
    await channel.close();
  });
  afterEach(async () => {
    const channel = await other.openChannel();
    await channel.queueDelete(names.queue);
    await channel.exchangeDelete(names.exchange);
    await Promise.all([connection.close(), other.close()]);
  });

  test('tells what others take away, change and bring back, each once, with the whole plan', async () => {
    const { exchange, queue } = names;
    const watch = connection.drift({ interval });
    const first = watch.next();
    const channel = await other.openChannel();
    await channel.queueDelete(queue);
    const { value } = await first;
    if (!value) throw new Error('the loop ended');
    expect(told(value)).toEqual({ missing: [`queue ${queue}`, `binding ${exchange} -> ${queue} (order.*)`] });
    expect(value.plan.entities.map(({ kind, state }) => `${kind} ${state}`)).toEqual([
      ...['exchange equal', 'queue missing', 'binding missing'],
    ]);

    await channel.queueDeclare(queue, { arguments: { 'x-max-length': 6 } });
    expect(await next(watch)).toEqual({
      conflicts: [`queue ${queue}`],
      // AMQP cannot say more of a binding.
      healed: [`binding ${exchange} -> ${queue} (order.*) is unknown`],
    });
    // In conflict otherwise than before.
    await channel.queueDelete(queue);
    await channel.queueDeclare(queue, { durable: false, exclusive: false, autoDelete: true });
    let change = await next(watch);
    // A look may have come in between.
    while (change['conflicts'] === undefined) change = await next(watch);
    expect(change).toMatchObject({ conflicts: [`queue ${queue}`] });

    await channel.queueDelete(queue);
    await connection.apply(connection.topology);
    while (!(change['healed'] ?? []).includes(`queue ${queue} is equal`)) change = await next(watch);
    await watch.return();
    expect(await watch.next()).toEqual({ done: true, value: undefined });
  });

  test('tells nothing while nothing changes, and looks all the while', async () => {
    let looks = 0;
    const plan = await connection.plan();
    expect(plan.conflicts).toEqual([]);
    const counting = await connect(broker.url, {
      transport: async (endpoint, signal) => {
        const transport = await cuts.transport(endpoint, signal);
        const write = transport.write.bind(transport);
        transport.write = (chunks) => {
          looks += Buffer.concat(chunks).includes(names.queue) ? 1 : 0;
          return write(chunks);
        };
        return transport;
      },
    });
    const watch = counting.drift({ interval: 5, declarations: connection.topology });
    const changes: unknown[] = [];
    const loop = (async () => {
      for await (const change of watch) changes.push(change);
    })();
    await until('ten looks were made', () => looks >= 10);
    await counting.close();
    await loop;
    expect(changes).toEqual([]);
  });

  test('tells at the first look what is off already, also of declarations that were never made here', async () => {
    const absent = broker.unique('drift-absent');
    const watch = connection.drift({
      interval,
      declarations: { queues: [{ name: absent }, { name: names.queue }], exchanges: [] },
    });
    expect(await next(watch)).toEqual({ missing: [`queue ${absent}`], conflicts: [`queue ${names.queue}`] });
    await watch.return();
  });

  test('reads the topology anew: what is declared is watched from then on, what is deleted here is no drift', async () => {
    const watch = connection.drift({ interval });
    const first = watch.next();
    const channel = await connection.openChannel();
    const late = broker.unique('drift-late');
    await channel.queueDeclare(late);
    await channel.queueDelete(names.queue);
    const elsewhere = await other.openChannel();
    await elsewhere.queueDelete(late);
    const { value } = await first;
    expect(value && told(value)).toEqual({ missing: [`queue ${late}`] });
    await channel.queueDelete(late);
    await watch.return();
  });

  test('outlives losses: what was taken away in an outage is told after it', async () => {
    const watch = connection.drift({ interval: 5 });
    const first = watch.next();
    // Recovery declares the topology again, but nothing that was never declared here.
    const absent = broker.unique('drift-absent');
    const second = connection.drift({ interval: 5, declarations: { queues: [{ name: absent }] } });
    expect(await next(second)).toEqual({ missing: [`queue ${absent}`] });
    const pending = second.next();
    for (let cut = 0; cut < 5; cut++) {
      const recovered = new Promise((resolve) => connection.once('recovered', resolve));
      cuts.cutAll();
      await recovered;
    }
    const channel = await other.openChannel();
    await channel.queueDeclare(absent);
    const { value } = await pending;
    expect(value && told(value)).toEqual({ healed: [`queue ${absent} is equal`] });
    await channel.queueDelete(names.queue);
    expect((await first).value).toMatchObject({ missing: [{ name: names.queue }, { kind: 'binding' }] });
    await Promise.all([watch.return(), second.return(), channel.queueDelete(absent)]);
  });

  test('the loop ends when the connection is closed, when the signal aborts, and when it is left from elsewhere', async () => {
    const controller = new AbortController();
    const ofClose = connection.drift({ interval: 60_000 });
    const ofSignal = connection.drift({ interval: 60_000, signal: controller.signal });
    const left = connection.drift({ interval: 60_000 });
    const early = connection.drift({ signal: AbortSignal.abort() });
    const ends = [ofClose, ofSignal, left].map(async (watch) => {
      for await (const change of watch) expect(change).toBe('nothing');
      return 'ended';
    });
    expect(await early.next()).toEqual({ done: true, value: undefined });
    controller.abort();
    expect(await ends[1]).toBe('ended');
    await left.return();
    expect(await ends[2]).toBe('ended');
    await connection.close();
    expect(await Promise.all(ends)).toEqual(['ended', 'ended', 'ended']);
    // And nobody listens for its sake any more.
    expect(connection.listenerCount('closed') + connection.listenerCount('failed')).toBe(0);
  });

  test('leaving the loop ends the looks', async () => {
    const absent = broker.unique('drift-absent');
    for await (const change of connection.drift({ interval: 5, declarations: { queues: [{ name: absent }] } })) {
      expect(told(change)).toEqual({ missing: [`queue ${absent}`] });
      break;
    }
    expect(connection.listenerCount('closed')).toBe(0);
  });

  test('rejects when the connection failed, in the middle of a wait', async () => {
    const fragile = await connect(broker.url, { transport: cuts.transport, recovery: false });
    const watch = fragile.drift({ interval: 60_000 });
    const failed = rejection(watch.next());
    await until('it watches', () => fragile.listenerCount('failed') > 0);
    cuts.cutAll();
    const error = await failed;
    expect(error.name).toBe('ConnectionLostError');
    expect(await watch.next()).toEqual({ done: true, value: undefined });
    expect(() => fragile.drift()).toThrow(error);
  });

  test('a management API that is away is met like an outage; one that refuses the login ends the loop', async () => {
    let status = 500;
    let asked = 0;
    const server = createServer((_request, response) => {
      asked += 1;
      response.writeHead(status).end('[]');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://user:password@127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    const watch = connection.drift({ interval: 5, management: { url } });
    const first = watch.next();
    await until('it asked three times', () => asked > 6);
    status = 200;
    const { exchange, queue } = names;
    // Which has no bindings, it says.
    const { value } = await first;
    expect(value && told(value)).toEqual({ missing: [`binding ${exchange} -> ${queue} (order.*)`] });
    status = 401;
    expect(await rejection(watch.next())).toBeInstanceOf(ManagementError);
    expect(await watch.next()).toEqual({ done: true, value: undefined });
    server.closeAllConnections();
    server.close();
  });

  test('a program whose loop was left ends by itself', async () => {
    const program = fileURLToPath(new URL('../../support/programs/watch-and-leave.ts', import.meta.url));
    const child = fork(program, [broker.url], { execArgv: ['--import', 'tsx'], stdio: 'inherit' });
    const [code] = (await once(child, 'exit')) as [number | null];
    expect(code).toBe(0);
  }, 20_000);
});

describeOnRabbitmq('a watch for drift that asks more than AMQP', (broker) => {
  const managementUrl = process.env['LEVERET_TEST_MANAGEMENT_URL'];
  if (managementUrl === undefined || managementUrl === '') {
    test.skip('needs the management API: LEVERET_TEST_MANAGEMENT_URL is not set', () => undefined);
    return;
  }
  test('tells bindings that come and go', async () => {
    const connection = await connect(broker.url);
    const channel = await connection.openChannel();
    const queue = broker.unique('drift-q');
    await channel.queueDeclare(queue, { exclusive: true });
    await channel.queueBind(queue, 'amq.topic', 'ours');
    const declarations = {
      queues: [{ name: queue, exclusive: true }],
      bindings: [{ source: 'amq.topic', destination: queue, routingKey: 'ours' }],
    };
    const watch = connection.drift({ interval: 20, management: { url: managementUrl }, declarations });
    const first = watch.next();
    await channel.queueUnbind(queue, 'amq.topic', 'ours');
    const { value } = await first;
    expect(value && told(value)).toEqual({ missing: [`binding amq.topic -> ${queue} (ours)`] });
    await channel.queueBind(queue, 'amq.topic', 'theirs');
    expect(await next(watch)).toEqual({ extra: ['amq.topic (theirs)'] });
    await channel.queueBind(queue, 'amq.topic', 'ours');
    expect(await next(watch)).toEqual({ healed: [`binding amq.topic -> ${queue} (ours) is equal`] });
    await channel.queueUnbind(queue, 'amq.topic', 'theirs');
    expect(await next(watch)).toEqual({ extraGone: ['amq.topic (theirs)'] });
    await watch.return();
    await connection.close();
  });
});
