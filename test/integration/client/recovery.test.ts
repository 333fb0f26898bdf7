/** A lost connection, and what comes back. */
import { connect, type Channel, type Connection, type ConnectionParameters, type Delivery } from 'leveret/amqp';
import { describeOnBroker, describeOnEmbedded } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { pause, until } from '../../support/waiting.js';

const fast = { initialDelay: 5, maxDelay: 50 };

async function isDeclaredAs(channel: Channel, queue: string): Promise<boolean> {
  return channel.queueDeclare(queue, { autoDelete: false }).then(
    () => true,
    () => false,
  );
}

describeOnBroker('recovery', (broker) => {
  const cuts = new Cuts();
  let connection: Connection;
  let events: string[];

  async function open(parameters: ConnectionParameters = {}): Promise<Channel> {
    connection = await connect(broker.url, { transport: cuts.transport, recovery: fast, ...parameters });
    events = [];
    for (const name of ['lost', 'recovered', 'failed', 'closed'] as const) connection.on(name, () => events.push(name));
    return connection.openChannel({ confirm: true, prefetch: 10 });
  }

  async function cutAndRecover(): Promise<void> {
    const { epoch } = connection;
    cuts.cutAll();
    await until('the next epoch', () => connection.epoch > epoch && connection.isOpen);
  }

  afterEach(async () => {
    await connection.close();
  });

  test('brings back exchanges, queues, bindings, prefetch, confirms and consumers, with true events', async () => {
    const channel = await open();
    const [exchange, queue] = [broker.unique('recovery'), broker.unique('recovery')];
    await channel.exchangeDeclare(exchange, 'direct', { autoDelete: true });
    await channel.queueDeclare(queue, { exclusive: true });
    await channel.queueBind(queue, exchange, 'key');
    const seen: Delivery[] = [];
    const consumer = await channel.basicConsume(queue, (delivery) => seen.push(delivery), { prefetch: 3 });
    const recovered = new Promise((resolve) => connection.on('recovered', resolve));
    await cutAndRecover();
    expect(await recovered).toMatchObject({
      epoch: 2,
      restored: { channels: 1, exchanges: 1, queues: 1, bindings: 1, consumers: 1 },
      broken: [],
    });
    await Promise.all([1, 2, 3, 4, 5].map((index) => channel.publish(exchange, 'key', String(index))));
    await until('the prefetch is used', () => seen.length === 3);
    await pause(50);
    expect(seen.length).toBe(3);
    expect(seen[0]?.consumerTag).toBe(consumer.consumerTag);
    for (const delivery of seen) expect(delivery.ack()).toBe('sent');
    await until('the rest', () => seen.length === 5);
    expect(events).toEqual(['lost', 'recovered']);
  });

  test('three times in a row, exactly one lost and one recovered each', async () => {
    const channel = await open();
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    for (let round = 0; round < 3; round++) await cutAndRecover();
    expect(events).toEqual(['lost', 'recovered', 'lost', 'recovered', 'lost', 'recovered']);
    expect(connection.epoch).toBe(4);
    expect(await channel.queueExists(queue)).toBe(false);
  });

  test('a server-named queue gets a new name; bindings and consumers follow', async () => {
    const channel = await open();
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    const exchange = broker.unique('server-named');
    await channel.exchangeDeclare(exchange, 'fanout');
    await channel.queueBind(queue, exchange);
    const seen: string[] = [];
    const consumer = await channel.basicConsume(queue, (delivery) => {
      seen.push(delivery.body.toString());
      delivery.ack();
    });
    for (let round = 0; round < 3; round++) {
      await cutAndRecover();
      expect(consumer.queue).not.toBe(queue);
      await channel.publish(exchange, '', String(round));
      await until('it arrives', () => seen.includes(String(round)));
    }
    expect(connection.topology.queues.length).toBe(1);
    expect(connection.topology.bindings.length).toBe(1);
    await channel.exchangeDelete(exchange);
  });

  test('a delivery of an earlier life is stale: settling it sends nothing, and it comes again', async () => {
    const channel = await open();
    const queue = broker.unique('stale');
    await channel.queueDeclare(queue);
    await Promise.all(['a', 'b', 'c'].map((body) => channel.publish('', queue, body)));
    const seen: Delivery[] = [];
    await channel.basicConsume(queue, (delivery) => seen.push(delivery));
    await until('three', () => seen.length === 3);
    const early = seen.splice(0);
    const got = await channel.basicGet(queue);
    expect(got).toBeNull();
    await cutAndRecover();
    await until('three again', () => seen.length === 3);
    expect(seen.every(({ redelivered }) => redelivered)).toBe(true);
    expect(early.every(({ isStale }) => isStale)).toBe(true);
    expect(early[0]?.ack()).toBe('stale');
    expect(early[1]?.nack({ multiple: true })).toBe('stale');
    expect(early[2]?.reject()).toBe('stale');
    await pause(50);
    expect(channel.isOpen).toBe(true);
    for (const delivery of seen) expect(delivery.ack()).toBe('sent');
    await channel.queueDelete(queue);
    expect(events).toEqual(['lost', 'recovered']);
  });

  test('what was deleted or unbound stays so', async () => {
    const channel = await open();
    const [exchange, kept, gone] = [broker.unique('kept'), broker.unique('kept'), broker.unique('gone')];
    await channel.exchangeDeclare(exchange, 'direct');
    await channel.queueDeclare(kept);
    await channel.queueDeclare(gone);
    await channel.queueBind(kept, exchange, 'one');
    await channel.queueBind(kept, exchange, 'two');
    await channel.queueBind(gone, exchange, 'one');
    await channel.queueUnbind(kept, exchange, 'two');
    await channel.queueDelete(gone);
    await cutAndRecover();
    expect(await channel.queueExists(gone)).toBe(false);
    await channel.publish(exchange, 'two', 'nowhere');
    await channel.publish(exchange, 'one', 'kept');
    expect(await channel.queueDelete(kept)).toBe(1);
    await channel.exchangeDelete(exchange);
  });

  test('one entity that the broker refuses is reported once; all others are restored', async () => {
    const channel = await open();
    const [bad, good] = [broker.unique('bad'), broker.unique('good')];
    await channel.queueDeclare(bad, { autoDelete: false });
    await channel.queueDeclare(good, { exclusive: true });
    const seen: string[] = [];
    await channel.basicConsume(good, (delivery) => {
      seen.push(delivery.body.toString());
      delivery.ack();
    });
    const other = await connect(broker.url);
    const foreign = await other.openChannel();
    await foreign.queueDelete(bad);
    await foreign.queueDeclare(bad, { arguments: { 'x-max-length': 7 } });
    const recovered = new Promise((resolve) => connection.on('recovered', resolve));
    await cutAndRecover();
    expect(await recovered).toMatchObject({
      restored: { queues: 1, consumers: 1 },
      broken: [{ kind: 'queue', name: bad, error: { replyCode: 406 } }],
    });
    await channel.publish('', good, 'alive');
    await until('the good one works', () => seen.includes('alive'));
    await foreign.queueDelete(bad);
    await until('it is there again, as we declared it', async () => {
      return (await foreign.queueExists(bad)) && (await isDeclaredAs(foreign, bad));
    });
    await channel.queueDelete(bad);
    await other.close();
  });

  test('a request that waited wants its reply at the present name of a server-named queue', async () => {
    const channel = await open();
    const { queue: requests } = await channel.queueDeclare('', { exclusive: true, autoDelete: false });
    const { queue: replies } = await channel.queueDeclare('', { exclusive: true });
    const consumer = await channel.basicConsume(replies, () => undefined);
    const asked: (string | undefined)[] = [];
    await channel.basicConsume(requests, ({ properties }) => asked.push(properties.replyTo), { noAck: true });
    const exchange = broker.unique('requests');
    await channel.exchangeDeclare(exchange, 'fanout', { autoDelete: true });
    await channel.queueBind(requests, exchange);
    for (let round = 0; round < 3; round++) {
      const lost = new Promise((resolve) => connection.once('lost', resolve));
      cuts.cutAll();
      await lost;
      await channel.publish(exchange, '', 'ask', { replyTo: round === 2 ? replies : consumer.queue });
      await until('it arrives', () => asked.length === round + 1);
      expect(asked.at(-1)).toBe(consumer.queue);
    }
    expect(new Set(asked).size).toBe(3);
  });

  test('a server-named queue may be addressed by its first name in later lives', async () => {
    const channel = await open();
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    const exchange = broker.unique('former-name');
    await channel.exchangeDeclare(exchange, 'fanout');
    for (let round = 0; round < 3; round++) await cutAndRecover();
    await channel.queueBind(queue, exchange);
    await cutAndRecover();
    await channel.publish(exchange, '', 'bound');
    expect((await channel.basicGet(queue))?.body.toString()).toBe('bound');
    await channel.queueUnbind(queue, exchange);
    expect(connection.topology.bindings).toEqual([]);
    await channel.queueDelete(queue);
    expect(connection.topology.queues).toEqual([]);
    await channel.exchangeDelete(exchange);
  });

  test('a server-named queue that outlives the connection keeps its name and its messages', async () => {
    const channel = await open();
    const { queue } = await channel.queueDeclare('');
    await channel.publish('', queue, 'kept', { persistent: true });
    await cutAndRecover();
    expect(connection.topology.queues.map(({ name }) => name)).toEqual([queue]);
    expect(await channel.queueDelete(queue)).toBe(1);
  });

  test('an auto-delete queue that went with its last consumer is not declared again', async () => {
    const channel = await open();
    const queue = broker.unique('gone');
    await channel.queueDeclare(queue, { autoDelete: true });
    const [one, two] = [
      await channel.basicConsume(queue, () => undefined),
      await channel.basicConsume(queue, () => undefined),
    ];
    await one.cancel();
    expect(connection.topology.queues).toHaveLength(1);
    await two.cancel();
    expect(connection.topology.queues).toEqual([]);
    await cutAndRecover();
    expect(await channel.queueExists(queue)).toBe(false);
  });

  test('a channel closed in the middle of a recovery stays closed', async () => {
    const channel = await open();
    const queue = broker.unique('closed-in-between');
    await channel.queueDeclare(queue);
    let deliveries = 0;
    await channel.basicConsume(queue, () => (deliveries += 1));
    const other = await connection.openChannel({ confirm: true });
    const recovered = new Promise((resolve) => connection.once('recovered', resolve));
    connection.once('reconnecting', ({ delay }) => {
      // Somewhere in the handshake or the restoration, whichever the machine's speed makes of it.
      setTimeout(() => void channel.close(), delay + 3);
    });
    cuts.cutAll();
    await recovered;
    await until('the channel is closed', () => connection.channels.length === 1);
    expect(channel.isOpen).toBe(false);
    await until('it consumes no more', async () => {
      return (await other.queueDeclare(queue, { passive: true })).consumerCount === 0;
    });
    await other.publish('', queue, 'for nobody');
    await pause(50);
    expect(deliveries).toBe(0);
    await other.queueDelete(queue);
  });

  test('a consumer cancelled by its first message after a recovery gets no more than its prefetch', async () => {
    const channel = await open();
    const queue = broker.unique('cancelled-in-between');
    await channel.queueDeclare(queue);
    await Promise.all(Array.from({ length: 100 }, () => channel.publish('', queue, 'x')));
    let deliveries = 0;
    let cancelled: Promise<void> | undefined;
    const consumer = await channel.basicConsume(
      queue,
      (delivery) => {
        if (connection.epoch === 1 && cancelled === undefined && !delivery.redelivered) return;
        deliveries += 1;
        delivery.ack();
        cancelled ??= consumer.cancel();
      },
      { prefetch: 5 },
    );
    await pause(30);
    await cutAndRecover();
    await until('the first message came', () => cancelled !== undefined);
    await cancelled;
    const soFar = deliveries;
    await pause(100);
    expect(deliveries).toBe(soFar);
    expect((await channel.queueDeclare(queue, { passive: true })).consumerCount).toBe(0);
    await channel.queueDelete(queue);
  });

  test('a consumer whose queue is deleted hears of it, and comes back with the queue', async () => {
    const channel = await open();
    const queue = broker.unique('deleted');
    await channel.queueDeclare(queue);
    const seen: string[] = [];
    const heard: string[] = [];
    channel.on('consumerCancelled', ({ cause }) => heard.push(cause.message));
    channel.on('consumerRecovered', ({ consumer }) => heard.push(`back on ${consumer.queue}`));
    await channel.basicConsume(queue, (delivery) => {
      seen.push(delivery.body.toString());
      delivery.ack();
    });
    const other = await connect(broker.url);
    await (await other.openChannel()).queueDelete(queue);
    await until('it is back', () => heard.length === 2);
    expect(heard[0]).toContain(queue);
    expect(heard[1]).toBe(`back on ${queue}`);
    await channel.publish('', queue, 'again');
    await until('it consumes', () => seen.includes('again'));
    await channel.queueDelete(queue);
    await other.close();
  });

  test('declares, consumes and channels asked for during an outage are served after it', async () => {
    const channel = await open();
    const lost = new Promise((resolve) => connection.once('lost', resolve));
    cuts.cutAll();
    await lost;
    const [declared, second] = await Promise.all([
      channel.queueDeclare('', { exclusive: true }),
      connection.openChannel({ confirm: true }),
    ]);
    const next = channel.consume(declared.queue).next();
    await second.publish('', declared.queue, 'hello');
    expect((await next).value?.body.toString()).toBe('hello');
  });

  test('a loop goes on over a loss', async () => {
    const channel = await open();
    const queue = broker.unique('loop');
    await channel.queueDeclare(queue);
    const seen: string[] = [];
    await channel.publish('', queue, 'before');
    for await (const delivery of channel.consume(queue)) {
      seen.push(delivery.body.toString());
      delivery.ack();
      await pause(50);
      if (seen.length === 2) break;
      await cutAndRecover();
      await channel.publish('', queue, 'after');
    }
    expect(seen).toEqual(['before', 'after']);
    await channel.queueDelete(queue);
  });

  test('handlers of events may declare, publish and throw', async () => {
    const channel = await open();
    const { queue } = await channel.queueDeclare(broker.unique('handlers'), { exclusive: true });
    const done: string[] = [];
    connection.on('lost', () => {
      throw new Error('a listener of lost failed, as the test wants');
    });
    connection.on('recovered', async () => {
      await channel.queueDeclare('', { exclusive: true });
      await channel.publish('', queue, 'from the handler');
      done.push('published');
    });
    await cutAndRecover();
    await until('the handler is through', () => done.length === 1);
    expect((await channel.basicGet(queue))?.body.toString()).toBe('from the handler');
  });

  test('with recovery off, a loss is the end, and says so', async () => {
    const channel = await open({ recovery: false });
    cuts.cutAll();
    await until('failed', () => events.includes('failed'));
    expect(events).toEqual(['lost', 'failed']);
    await expect(channel.queueDeclare('')).rejects.toThrow('lost');
    await expect(connection.openChannel()).rejects.toThrow('lost');
  });

  test('close at any moment of an outage ends it', async () => {
    await open({ recovery: { initialDelay: 60_000, maxDelay: 60_000 } });
    cuts.cutAll();
    await until('lost', () => events.includes('lost'));
    const since = performance.now();
    await connection.close();
    expect(performance.now() - since).toBeLessThan(1_000);
    expect(connection.state).toBe('closed');
    expect(events).toEqual(['lost', 'closed']);
  });
});

describeOnEmbedded('recovery under faults on demand', (broker) => {
  test('cuts at random moments under load: what was confirmed is handled', async () => {
    const connection = await connect(broker.url, { recovery: fast });
    const publisher = await connection.openChannel({ confirm: true });
    const consumer = await connection.openChannel({ prefetch: 50 });
    const queue = broker.unique('load');
    await publisher.queueDeclare(queue);
    const seen = new Set<string>();
    await consumer.basicConsume(queue, async (delivery) => {
      await pause(Math.random() * 3);
      seen.add(delivery.body.toString());
      delivery.ack();
    });
    const confirmed: string[] = [];
    const send = async (sender: number) => {
      for (let index = 0; index < 100; index++) {
        const body = `${sender}-${index}`;
        await publisher.publish('', queue, body).then(
          () => confirmed.push(body),
          () => undefined,
        );
      }
    };
    const sending = Promise.all(Array.from({ length: 30 }, async (_none, sender) => await send(sender)));
    // By what has been reached, not by the clock: a machine under load cuts at the same places.
    for (const reached of [200, 700, 1_200, 1_700]) {
      await until(`${reached} confirmed`, () => confirmed.length >= reached + Math.random() * 400);
      broker.embedded().faults.dropAll();
    }
    await sending;
    expect(confirmed.length).toBeGreaterThan(2_000);
    await until('all that was confirmed is handled', () => confirmed.every((body) => seen.has(body)));
    await connection.close();
  });
});
