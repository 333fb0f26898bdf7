/** `connection.share()` and `connectShared()`: several threads, one connection. */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import {
  ArgumentError,
  AuthenticationError,
  ChannelClosedByBrokerError,
  connect,
  ConnectionClosedError,
  connectShared,
  NackError,
  ParametersError,
  UnroutableError,
  type Channel,
  type Connection,
  type SharedConnectionParameters,
} from 'leveret/amqp';
import { describeOnBroker, describeOnEmbedded } from '../../support/brokers.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { pause, rejection, until } from '../../support/waiting.js';
import { ioThread, WorkerProgram } from './support.js';

const fast = { initialDelay: 5, maxDelay: 50 };

describeOnBroker('a shared connection', (broker) => {
  let proxy: TcpProxy;
  let main: Connection;
  let channel: Channel;
  let programs: WorkerProgram[];

  beforeEach(async () => {
    proxy = await TcpProxy.start(broker.url);
    programs = [];
    main = await connect(proxy.url, { recovery: fast, heartbeat: 1 });
    channel = await main.openChannel({ confirm: true, prefetch: 10 });
  });
  afterEach(async () => {
    await main.close();
    await Promise.all(programs.map((program) => program.terminate()));
    await proxy.stop();
  });

  function startWorker(task: Record<string, unknown>): WorkerProgram {
    const program = new WorkerProgram('share-worker.ts', main.share(), task);
    programs.push(program);
    return program;
  }

  async function declareQueue(name: string): Promise<string> {
    const queue = broker.unique(name);
    await channel.queueDeclare(queue, { autoDelete: true });
    return queue;
  }

  /** The embedded broker shares the owner's thread and its memory: nothing to learn from 40 MiB there. */
  const describeWhere = broker.kind === 'rabbitmq' ? describe : (): void => undefined;

  async function messagesIn(queue: string): Promise<number> {
    return (await channel.queueDeclare(queue, { passive: true })).messageCount;
  }

  describe('in a worker thread', () => {
    test('publishes a thousand messages with confirms while its owner does too', async () => {
      const queue = await declareQueue('both');
      const worker = startWorker({ work: 'publish', queue, count: 1_000 });
      let own = 0;
      while (!worker.hasSaid('published')) {
        await Promise.all(Array.from({ length: 100 }, () => channel.publish('', queue, 'owner')));
        own += 100;
      }
      expect(worker.said).toEqual([{ kind: 'published', confirmed: 1_000 }]);
      expect(await messagesIn(queue)).toBe(own + 1_000);
    }, 20_000);

    test('consumes and settles; two workers share a queue', async () => {
      const queue = await declareQueue('serve');
      const workers = [startWorker({ work: 'serve', queue }), startWorker({ work: 'serve', queue })];
      await until('both are ready', () => workers.every((worker) => worker.hasSaid('ready')));
      await Promise.all(Array.from({ length: 200 }, (_none, index) => channel.publish('', queue, String(index))));
      const took = (): Record<string, unknown>[] =>
        workers.flatMap(({ said }) => said.filter(({ kind }) => kind === 'took'));
      await until('they took all', () => took().length === 200);
      expect(new Set(took().map(({ body }) => body)).size).toBe(200);
      expect(took().every(({ settled, redelivered }) => settled === 'sent' && redelivered === false)).toBe(true);
      expect(workers.every(({ said }) => said.some(({ kind }) => kind === 'took'))).toBe(true);
      for (const worker of workers) worker.tell('close');
      await Promise.all(workers.map(({ ended }) => ended));
      // The queue was auto-delete: it went with the last of its consumers.
      expect(await channel.queueExists(queue)).toBe(false);
    }, 20_000);

    test('that is terminated gives back what it held', async () => {
      const queue = await declareQueue('terminated');
      const keeper = await channel.basicConsume(queue, () => undefined, { prefetch: 1 });
      const worker = startWorker({ work: 'hold', queue });
      await until('it is ready', () => worker.hasSaid('ready'));
      await Promise.all(Array.from({ length: 6 }, (_none, index) => channel.publish('', queue, String(index))));
      await until('it holds five', () => worker.said.filter(({ kind }) => kind === 'held').length === 5);
      await worker.terminate();
      await until('five are back', async () => (await messagesIn(queue)) === 5);
      expect((await channel.basicGet(queue))?.redelivered).toBe(true);
      await keeper.cancel();
    }, 20_000);

    test('recovers with its consumers when the connection is cut under load', async () => {
      const queue = await declareQueue('cut');
      const worker = startWorker({ work: 'serve', queue });
      await until('it is ready', () => worker.hasSaid('ready'));
      const outcomes = Promise.allSettled(
        Array.from({ length: 500 }, (_none, index) => channel.publish('', queue, String(index))),
      );
      await until('it took some', () => worker.hasSaid('took'));
      proxy.cut();
      await outcomes;
      await until('it recovered', () => worker.hasSaid('recovered'));
      await until('we did too', () => main.isOpen);
      await channel.publish('', queue, 'afterwards');
      await until('it consumes', () => worker.said.some(({ body }) => body === 'afterwards'));
      expect(worker.said.filter(({ kind }) => kind === 'lost')).toHaveLength(1);
    }, 20_000);

    test('ends when the connection is closed, and lets its thread end', async () => {
      const queue = await declareQueue('closed');
      const worker = startWorker({ work: 'serve', queue });
      await until('it is ready', () => worker.hasSaid('ready'));
      await main.close();
      await worker.ended;
      expect(worker.said).toContainEqual(
        expect.objectContaining({ kind: 'failed', name: 'ConnectionClosedError' }) as object,
      );
    }, 20_000);
  });

  describeWhere('in a worker thread that reads nothing', () => {
    test('costs itself its connection after 10 s, and not its owner’s', async () => {
      const queue = broker.unique('stall');
      await channel.queueDeclare(queue);
      const losses: string[] = [];
      main.on('lost', ({ cause }) => losses.push(cause.message));
      const block = Buffer.alloc(1024 * 1024);
      await Promise.all(Array.from({ length: 40 }, () => channel.publish('', queue, block)));
      const worker = startWorker({ work: 'stall', queue });
      await until('it is cut off', () => worker.hasSaid('lost'), 30_000);
      expect(worker.said.find(({ kind }) => kind === 'lost')?.['message']).toContain('did not read for 10000 ms');
      await until('it is back', () => worker.hasSaid('recovered'), 10_000);
      await channel.queueDelete(queue);
      expect(losses).toEqual([]);
    }, 60_000);
  });

  describe('used in any thread', () => {
    const shared: Connection[] = [];

    async function openShared(parameters: SharedConnectionParameters = {}): Promise<Connection> {
      const connection = await connectShared(main.share(), { recovery: fast, ...parameters });
      shared.push(connection);
      return connection;
    }

    afterEach(async () => {
      await Promise.all(shared.splice(0).map((connection) => connection.close()));
    });

    test('says of the broker and of what was agreed on what the connection says', async () => {
      const connection = await openShared();
      expect(connection.serverProperties).toEqual(main.serverProperties);
      expect(connection.negotiated).toEqual({ ...main.negotiated, heartbeat: 0 });
    });

    test('declares topology, and gets each outcome of a publish', async () => {
      const own = await (await openShared()).openChannel({ confirm: true });
      const [exchange, queue] = [broker.unique('shared'), broker.unique('shared')];
      await own.exchangeDeclare(exchange, 'direct', { autoDelete: true });
      await own.queueDeclare(queue, { arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } });
      await own.queueBind(queue, exchange, 'key');
      await own.publish(exchange, 'key', 'fits', {}, { mandatory: true });
      const [unroutable, nack] = await Promise.all([
        rejection(own.publish(exchange, 'nowhere', 'lost', {}, { mandatory: true })),
        rejection(own.publish(exchange, 'key', 'too many')),
      ]);
      expect(unroutable).toBeInstanceOf(UnroutableError);
      expect(nack).toBeInstanceOf(NackError);
      expect((await channel.basicGet(queue, { noAck: true }))?.body.toString()).toBe('fits');
      expect(await own.queueDelete(queue)).toBe(0);
    });

    test('carries bodies of all sizes, there and back', async () => {
      const own = await (await openShared()).openChannel({ confirm: true, prefetch: 2 });
      const { queue } = await own.queueDeclare('', { exclusive: true });
      const bodies = [0, 1, 8_192, 8_193, 131_064, 131_065, 5_000_000].map((size) =>
        Buffer.alloc(size, `${String(size)};`),
      );
      const seen: Buffer[] = [];
      await own.basicConsume(queue, (delivery) => {
        seen.push(delivery.body);
        delivery.ack();
      });
      await Promise.all(bodies.map((body) => own.publish('', queue, body)));
      await until('all came', () => seen.length === bodies.length);
      expect(seen.every((body, index) => bodies[index]?.equals(body))).toBe(true);
    });

    test('has a channel closed by the broker, which reopens with its consumer; the others go on', async () => {
      const connection = await openShared();
      const [own, other] = [
        await connection.openChannel({ confirm: true }),
        await connection.openChannel({ confirm: true }),
      ];
      const queue = broker.unique('reopened');
      await own.queueDeclare(queue);
      const seen: string[] = [];
      await own.basicConsume(queue, (delivery) => {
        seen.push(delivery.body.toString());
        delivery.ack();
      });
      const failure = await rejection(own.queueDeclare(broker.unique('missing'), { passive: true }));
      expect(failure).toBeInstanceOf(ChannelClosedByBrokerError);
      expect(failure).toMatchObject({ replyCode: 404 });
      await other.publish('', queue, 'by the other');
      await own.publish('', queue, 'by itself');
      await until('both came', () => seen.length === 2);
      await other.queueDelete(queue);
      expect(main.isOpen && channel.isOpen && connection.epoch === 1).toBe(true);
    });

    test('opens many channels at once, and gives their numbers back', async () => {
      const limited = await connect(broker.url, { channelMax: 20 });
      const connection = await connectShared(limited.share());
      for (let round = 0; round < 3; round++) {
        const channels = await Promise.all(Array.from({ length: 20 }, () => connection.openChannel()));
        const tooMany = await rejection(connection.openChannel());
        expect(tooMany.message).toContain('20 channels');
        await Promise.all(channels.map((one) => one.close()));
      }
      const own = await limited.openChannel();
      const most = await Promise.all(Array.from({ length: 19 }, () => connection.openChannel()));
      const refused = await rejection(connection.openChannel());
      expect(refused).toMatchObject({ replyCode: 506 });
      await most[0]?.close();
      await (await limited.openChannel()).close();
      expect(own.isOpen).toBe(true);
      await connection.close();
      await limited.close();
    });

    test('closing it closes its channels on the broker, and nothing of its owner', async () => {
      const connection = await openShared();
      const own = await connection.openChannel({ prefetch: 5 });
      const queue = await declareQueue('given-back');
      const keeper = await channel.basicConsume(queue, () => undefined, { prefetch: 1 });
      let held = 0;
      await own.basicConsume(queue, () => (held += 1));
      await Promise.all(Array.from({ length: 6 }, () => channel.publish('', queue, 'x')));
      await until('it holds five', () => held === 5);
      await connection.close();
      expect(await messagesIn(queue)).toBe(5);
      expect(channel.isOpen).toBe(true);
      await keeper.cancel();
    });

    test('is lost and recovered with its owner, three times, and fails when that is closed', async () => {
      const connection = await openShared();
      const events: string[] = [];
      connection.on('lost', () => events.push('lost'));
      connection.on('recovered', () => events.push('recovered'));
      const failed = new Promise<Error>((resolve) => connection.once('failed', ({ cause }) => resolve(cause)));
      const own = await connection.openChannel({ confirm: true });
      const { queue } = await own.queueDeclare('', { exclusive: true });
      expect(queue).not.toBe('');
      for (let epoch = 2; epoch <= 4; epoch++) {
        proxy.cut();
        await until('it is back', () => connection.epoch === epoch && connection.isOpen);
        await own.publish('', connection.topology.queues[0]?.name ?? '', 'there', {}, { mandatory: true });
      }
      expect(events).toEqual(['lost', 'recovered', 'lost', 'recovered', 'lost', 'recovered']);
      await main.close();
      expect(await failed).toBeInstanceOf(ConnectionClosedError);
      expect(connection.state).toBe('failed');
    }, 20_000);

    test('hands over what a mandatory publish brought back, and gives back what was nacked', async () => {
      const own = await (await openShared()).openChannel({ confirm: true, prefetch: 1 });
      const returned = await rejection(own.publish('', broker.unique('nowhere'), 'back', {}, { mandatory: true }));
      expect(returned).toBeInstanceOf(UnroutableError);
      expect(returned).toMatchObject({ replyCode: 312, replyText: 'NO_ROUTE' });
      const { queue } = await own.queueDeclare('', { exclusive: true });
      await own.publish('', queue, 'twice');
      const seen: boolean[] = [];
      const consumer = await own.basicConsume(queue, (delivery) => {
        seen.push(delivery.redelivered);
        delivery.nack({ requeue: seen.length === 1 });
      });
      await until('it came twice', () => seen.length === 2);
      await consumer.cancel();
      expect(seen).toEqual([false, true]);
      expect((await own.queueDeclare(queue, { passive: true })).messageCount).toBe(0);
    });

    test('renews the secret of the connection that carries it, which goes on with it', async () => {
      const connection = await openShared();
      await connection.updateSecret('guest', 'rotation');
      await connection.updateSecret(Buffer.from('guest'));
      proxy.cut();
      await until('both are back', () => main.epoch === 2 && connection.epoch === 2 && connection.isOpen);
      await (await connection.openChannel()).close();
      // The connection's own login from now on, which fails: so it was the worker's word that counted.
      await connection.updateSecret('another', 'wrong');
      const refused = new Promise<Error>((resolve) => {
        main.on('reconnecting', ({ attempt, cause }) => {
          if (attempt > 1) resolve(cause);
        });
      });
      proxy.cut();
      expect(await refused).toBeInstanceOf(AuthenticationError);
      await main.updateSecret('guest');
      await until('both are back again', () => main.isOpen && connection.isOpen);
    }, 20_000);

    test('can be shared further', async () => {
      const middle = await openShared();
      const last = await connectShared(middle.share());
      const own = await last.openChannel({ confirm: true });
      const { queue } = await own.queueDeclare('', { exclusive: true });
      await own.publish('', queue, 'far', {}, { mandatory: true });
      expect((await own.basicGet(queue))?.body.toString()).toBe('far');
      const failed = new Promise((resolve) => last.once('failed', resolve));
      await middle.close();
      await failed;
      expect(main.isOpen).toBe(true);
    });

    test('works over an I/O thread', async () => {
      const threaded = await connect(broker.url, { ioThread });
      const connection = await connectShared(threaded.share());
      const own = await connection.openChannel({ confirm: true });
      const { queue } = await own.queueDeclare('', { exclusive: true });
      await Promise.all(Array.from({ length: 500 }, () => own.publish('', queue, Buffer.alloc(1_000))));
      expect(await own.queueDelete(queue)).toBe(500);
      await connection.close();
      await threaded.close();
    });

    test('cannot be had from a closed connection, from no port, or twice from one', async () => {
      const port = main.share();
      shared.push(await connectShared(port));
      expect(await rejection(connectShared(port))).toBeInstanceOf(ArgumentError);
      expect(await rejection(connectShared({} as MessagePort))).toBeInstanceOf(ArgumentError);
      const wrong = await rejection(connectShared(main.share(), { heartbeat: 5 } as SharedConnectionParameters));
      expect(wrong).toBeInstanceOf(ParametersError);
      const stranger = new MessageChannel();
      const nobody = await rejection(connectShared(stranger.port1, { connectTimeout: 100 }));
      expect(nobody.message).toContain('connecting to shared-connection');
      stranger.port1.close();
      const late = main.share();
      await main.close();
      expect(() => main.share()).toThrow(ConnectionClosedError);
      expect(await rejection(connectShared(late))).toBeInstanceOf(ConnectionClosedError);
    });
  });
});

describeOnEmbedded('a shared connection that the broker blocks', (broker) => {
  test('hears of it, before and after it began, holds its publishes and sends them afterwards', async () => {
    const main = await connect(broker.url);
    const early = await connectShared(main.share());
    const events: string[] = [];
    early.on('blocked', ({ reason }) => events.push(reason));
    early.on('unblocked', () => events.push('unblocked'));
    const channel = await early.openChannel({ confirm: true });
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    await channel.publish('', queue, 'makes it a publisher');

    broker.embedded().faults.blockAll('low on disk');
    await until('it heard', () => early.blockedReason === 'low on disk');
    const late = await connectShared(main.share());
    await until('so did who came later', () => late.blockedReason === 'low on disk');
    let isConfirmed = false;
    const publish = channel.publish('', queue, 'waits').then(() => (isConfirmed = true));
    // Where publishes were not held this one would be confirmed by now: a round trip's time and more.
    await pause(100);
    expect(isConfirmed).toBe(false);

    broker.embedded().faults.unblockAll();
    await publish;
    await until('both heard', () => early.blockedReason === undefined && late.blockedReason === undefined);
    expect(events).toEqual(['low on disk', 'unblocked']);
    expect(await channel.queueDelete(queue)).toBe(2);
    await Promise.all([early.close(), late.close()]);
    await main.close();
  });
});
