/** What an attack found: answers that come late, calls that are not awaited, losses in the middle of something. */
import {
  ConsumerCancelledError,
  connect,
  DuplicateConsumerTagError,
  NotSentError,
  TransactionLostError,
  UnknownOutcomeError,
  type Channel,
  type Connection,
  type ConnectionParameters,
  type Delivery,
} from 'leveret/amqp';
import { describeOnBroker, describeOnEmbedded } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { pause, rejection, until } from '../../support/waiting.js';

describeOnBroker('calls that nobody awaits', (broker) => {
  let connection: Connection;
  let channel: Channel;
  let queue: string;

  beforeEach(async () => {
    connection = await connect(broker.url);
    channel = await connection.openChannel();
    queue = broker.unique('awkward');
  });

  afterEach(async () => {
    await connection.close();
  });

  const count = async (): Promise<number> => {
    const { messageCount } = await channel.queueDeclare(queue, { exclusive: true });
    return messageCount;
  };

  test('a publish does not overtake the declare before it', async () => {
    const declared = channel.queueDeclare(queue, { exclusive: true });
    channel.basicPublish('', queue, 'one');
    await declared;
    await until('it is there', async () => (await count()) === 1);
  });

  test('nor the purge', async () => {
    await channel.queueDeclare(queue, { exclusive: true });
    const purged = channel.queuePurge(queue);
    channel.basicPublish('', queue, 'after');
    expect(await purged).toBe(0);
    await until('it is there', async () => (await count()) === 1);
  });

  test('nor the rollback and the commit', async () => {
    await channel.queueDeclare(queue, { exclusive: true });
    const selected = channel.txSelect();
    channel.basicPublish('', queue, 'rolled back');
    await selected;
    const rolledBack = channel.txRollback();
    channel.basicPublish('', queue, 'committed');
    await rolledBack;
    const committed = channel.txCommit();
    channel.basicPublish('', queue, 'of the next transaction');
    await committed;
    await channel.txRollback();
    expect((await channel.basicGet(queue))?.text()).toBe('committed');
    expect(await channel.basicGet(queue)).toBeNull();
  });

  test('a cancel does not overtake the answer to its consume: both are answered, and the tag is free again', async () => {
    await channel.queueDeclare(queue, { exclusive: true });
    const losses: unknown[] = [];
    connection.on('lost', ({ cause }) => losses.push(cause));
    channel.on('lost', ({ cause }) => losses.push(cause));
    const consumed = channel.basicConsume(queue, () => undefined, { consumerTag: 'brief' });
    const cancelled = channel.basicCancel('brief');
    const early = rejection(channel.basicConsume(queue, () => undefined, { consumerTag: 'brief' }));
    expect((await consumed).consumerTag).toBe('brief');
    await cancelled;
    // Until then the broker knows the tag, and would close the connection over it (530).
    expect(await early).toBeInstanceOf(DuplicateConsumerTagError);
    await channel.basicConsume(queue, () => undefined, { consumerTag: 'brief' });
    await channel.basicCancel('brief');
    const { consumerCount } = await channel.queueDeclare(queue, { passive: true });
    expect(consumerCount).toBe(0);
    expect(losses).toEqual([]);
  });

  test('the queue with the empty name is the one that was declared last, also after a loss', async () => {
    const cuts = new Cuts();
    const own = await connect(broker.url, { transport: cuts.transport, recovery: { initialDelay: 1 } });
    const mine = await own.openChannel();
    await mine.queueDeclare('', { exclusive: true });
    await mine.queueBind('', 'amq.topic', `${queue}.#`);
    const texts: string[] = [];
    await mine.basicConsume('', (delivery) => texts.push(delivery.text()), { noAck: true });
    const recovered = new Promise((resolve) => own.once('recovered', resolve));
    cuts.cutAll();
    expect(await recovered).toMatchObject({ broken: [] });
    mine.basicPublish('amq.topic', `${queue}.x`, 'found');
    await until('it came', () => texts.length === 1);
    await own.close();
  });
});

describeOnBroker('losses in the middle', (broker) => {
  const cuts = new Cuts();
  const connections: Connection[] = [];
  let queue: string;

  async function open(parameters: ConnectionParameters = {}): Promise<Connection> {
    const connection = await connect(broker.url, {
      transport: cuts.transport,
      recovery: { initialDelay: 10, maxDelay: 100 },
      ...parameters,
    });
    connections.push(connection);
    return connection;
  }

  beforeEach(() => {
    queue = broker.unique('middle');
  });

  afterEach(async () => {
    const cleaner = await connect(broker.url);
    const channel = await cleaner.openChannel();
    await channel.queueDelete(queue);
    await cleaner.close();
    await Promise.all(connections.splice(0).map((connection) => connection.close()));
  });

  test('publishes that waited for the confirm window are sent after it, those in flight are unknown', async () => {
    const connection = await open({ maxUnconfirmed: 5 });
    const channel = await connection.openChannel({ confirm: true });
    await channel.queueDeclare(queue);
    const outcomes = Array.from({ length: 10 }, async () => {
      try {
        await channel.publish('', queue, 'm');
        return 'confirmed';
      } catch (error) {
        return (error as Error).name;
      }
    });
    cuts.cutAll();
    const names = await Promise.all(outcomes);
    expect(names.slice(0, 5)).toEqual(Array.from({ length: 5 }, () => UnknownOutcomeError.name));
    expect(names.slice(5)).toEqual(Array.from({ length: 5 }, () => 'confirmed'));
  });

  test('a message published again from within notConfirmed waits, and is sent', async () => {
    const connection = await open();
    const channel = await connection.openChannel({ confirm: true });
    await channel.queueDeclare(queue);
    let again = 0;
    channel.on('notConfirmed', () => {
      again += 1;
      channel.basicPublish('', queue, 'again');
    });
    for (let index = 0; index < 5; index++) channel.basicPublish('', queue, 'first');
    cuts.cutAll();
    await until('all five are published again', () => again === 5);
    await channel.waitForConfirms().catch(() => undefined);
    expect((await channel.queueDeclare(queue)).messageCount).toBeGreaterThanOrEqual(5);
  });

  test('calls and publishes made during the outage keep their order', async () => {
    const connection = await open({ recovery: { initialDelay: 50, maxDelay: 100 } });
    const channel = await connection.openChannel({ confirm: true });
    const lost = new Promise((resolve) => connection.once('lost', resolve));
    cuts.cutAll();
    await lost;
    const declared = channel.queueDeclare(queue);
    const published = channel.publish('', queue, 'one', {}, { mandatory: true });
    const purged = channel.queuePurge(queue);
    const published2 = channel.publish('', queue, 'two', {}, { mandatory: true });
    await Promise.all([declared, published, published2]);
    expect(await purged).toBe(1);
    expect((await channel.basicGet(queue, { noAck: true }))?.text()).toBe('two');
  });

  test('what a rollback gives back may be settled again', async () => {
    const connection = await open();
    const channel = await connection.openChannel();
    await channel.queueDeclare(queue);
    for (const body of ['1', '2', '3']) channel.basicPublish('', queue, body);
    await until('three', async () => (await channel.queueDeclare(queue)).messageCount === 3);
    await channel.txSelect();
    const taken: Delivery[] = [];
    for (let index = 0; index < 3; index++) {
      const delivery = await channel.basicGet(queue);
      if (delivery) taken.push(delivery);
    }
    taken[1]?.ack({ multiple: true });
    taken[2]?.nack();
    await channel.txRollback();
    expect(channel.unsettledDeliveries).toBe(3);
    expect(taken.map(({ isSettled }) => isSettled)).toEqual([false, false, false]);
    expect(taken[2]?.ack({ multiple: true })).toBe('sent');
    await channel.txCommit();
    expect(channel.unsettledDeliveries).toBe(0);
    await channel.close();
    const looker = await connection.openChannel();
    expect((await looker.queueDeclare(queue)).messageCount).toBe(0);
  });

  test('a settlement of an earlier life makes the transaction lost: it is not in it', async () => {
    const connection = await open();
    const channel = await connection.openChannel();
    await channel.queueDeclare(queue);
    channel.basicPublish('', queue, 'in');
    await until('one', async () => (await channel.queueDeclare(queue)).messageCount === 1);
    await channel.txSelect();
    const delivery = await channel.basicGet(queue);
    const recovered = new Promise((resolve) => connection.once('recovered', resolve));
    cuts.cutAll();
    await recovered;
    channel.basicPublish('', queue, 'out');
    expect(delivery?.ack()).toBe('stale');
    expect(await rejection(channel.txCommit())).toBeInstanceOf(TransactionLostError);
    expect((await channel.basicGet(queue))?.text()).toBe('in');
    expect(await channel.basicGet(queue)).toBeNull();
  });

  test('taken back three times, deliveries are counted once', async () => {
    const connection = await open();
    const channel = await connection.openChannel();
    await channel.queueDeclare(queue);
    for (let index = 0; index < 5; index++) channel.basicPublish('', queue, 'x');
    const deliveries: Delivery[] = [];
    await channel.basicConsume(queue, (delivery) => deliveries.push(delivery));
    for (let round = 1; round <= 3; round++) {
      await until('five more', () => deliveries.length === 5 * round);
      await channel.basicRecover();
    }
    await until('five more', () => deliveries.length === 20);
    expect(channel.unsettledDeliveries).toBe(5);
    for (const delivery of deliveries.slice(15)) delivery.ack();
    expect(channel.unsettledDeliveries).toBe(0);
  });

  test('a loop over a queue that is deleted rejects, with recovery off and where we delete it ourselves', async () => {
    const other = await open();
    const deleter = await other.openChannel();
    await deleter.queueDeclare(queue);
    const connection = await open({ recovery: false });
    const channel = await connection.openChannel();
    const next = channel.consume(queue).next();
    await until('it consumes', async () => (await deleter.queueDeclare(queue)).consumerCount === 1);
    await deleter.queueDelete(queue);
    expect(await rejection(next)).toBeInstanceOf(ConsumerCancelledError);

    await deleter.queueDeclare(queue);
    const own = deleter.consume(queue).next();
    await until('it consumes', async () => (await deleter.queueDeclare(queue)).consumerCount === 1);
    await deleter.queueDelete(queue);
    expect(await rejection(own)).toBeInstanceOf(ConsumerCancelledError);
    expect(deleter.consumers).toEqual([]);
  });

  test('a closed channel takes its auto-delete queue with it, also out of the record', async () => {
    const connection = await open();
    const channel = await connection.openChannel();
    await channel.queueDeclare(queue, { autoDelete: true });
    await channel.basicConsume(queue, () => undefined);
    await Promise.all([channel.close(), channel.close()]);
    expect(connection.topology.queues).toEqual([]);
  });
});

describeOnEmbedded('faults on demand', (broker) => {
  test('a transaction that lost a message to the buffer is lost', async () => {
    const connection = await connect(broker.url, { publishBuffer: { timeout: 50 } });
    const channel = await connection.openChannel();
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    await channel.txSelect();
    channel.basicPublish('', queue, '1');
    broker.embedded().faults.blockAll();
    await until('blocked', () => connection.blockedReason !== undefined);
    channel.basicPublish('', queue, '2');
    const notSent = await new Promise<{ cause: Error }>((resolve) => channel.once('notSent', resolve));
    expect(notSent.cause).toBeInstanceOf(NotSentError);
    broker.embedded().faults.unblockAll();
    await until('unblocked', () => connection.blockedReason === undefined);
    channel.basicPublish('', queue, '3');
    expect(await rejection(channel.txCommit())).toBeInstanceOf(TransactionLostError);
    expect(await channel.basicGet(queue)).toBeNull();
    await connection.close();
  });

  test('a publish given up while blocked holds up nobody', async () => {
    const connection = await connect(broker.url, { closeTimeout: 500 });
    const channel = await connection.openChannel({ confirm: true });
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    await channel.publish('', queue, 'first');
    broker.embedded().faults.blockAll();
    await until('blocked', () => connection.blockedReason !== undefined);
    const error = await rejection(channel.publish('', queue, 'x', {}, { timeout: 20 }));
    expect(error).toBeInstanceOf(NotSentError);
    expect(channel.outstandingPublishes).toBe(0);
    await channel.waitForConfirms();
    // Blocked, the broker does not read our goodbye either.
    const since = performance.now();
    await connection.close();
    expect(performance.now() - since).toBeLessThan(2_000);
    broker.embedded().faults.unblockAll();
  });

  test('one signal for many publishes is one listener', async () => {
    const connection = await connect(broker.url);
    const channel = await connection.openChannel({ confirm: true });
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    const { signal } = new AbortController();
    await Promise.all(Array.from({ length: 50 }, () => channel.publish('', 'nowhere', 'x', {}, { signal })));
    await pause(10);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
    await connection.close();
  });
});
