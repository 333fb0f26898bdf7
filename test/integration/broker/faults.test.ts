/** Faults on demand: each through our own client, over TCP and in memory, and what comes after it. */
import { readFile } from 'node:fs/promises';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { jest } from '@jest/globals';
import { connect, type Channel, type ConnectionParameters, type Delivery } from 'leveret/amqp';
import { EmbeddedBroker } from 'leveret/broker';
import { pause, rejection, until } from '../../support/waiting.js';
import { fast, Witness } from '../faults/support.js';

describe.each(['tcp', 'memory'] as const)('faults over %s', (way) => {
  let broker: EmbeddedBroker;
  const witnesses: Witness[] = [];

  async function connected(parameters: ConnectionParameters = {}): Promise<Witness> {
    const target = way === 'tcp' ? { url: broker.url } : { transport: broker.memory() };
    const witness = new Witness(await connect({ ...target, recovery: fast, closeTimeout: 500, ...parameters }));
    witnesses.push(witness);
    return witness;
  }

  async function consuming(
    witness: Witness,
    queue: string,
    onDelivery: (delivery: Delivery) => void,
  ): Promise<Channel> {
    const channel = await witness.connection.openChannel({ confirm: true });
    await channel.queueDeclare(queue);
    await channel.basicConsume(queue, onDelivery);
    return channel;
  }

  beforeEach(async () => {
    broker = await EmbeddedBroker.start(way === 'tcp' ? { port: 0 } : {});
  });

  afterEach(async () => {
    broker.faults.clear();
    await Promise.all(witnesses.splice(0).map(({ connection }) => connection.close()));
    await broker.stop();
  });

  it.each(['drop', 'reset', 'halfClose', 'close'] as const)('%s: all is back after it, once', async (how) => {
    const witness = await connected();
    const seen: string[] = [];
    const channel = await consuming(witness, 'q', (delivery) => {
      seen.push(delivery.text());
      delivery.ack();
    });
    await witness.recoveredAfter(() => {
      const fault = broker.faults.on()[how]();
      expect({ strikes: fault.strikes, isOver: fault.isOver }).toEqual({ strikes: 1, isOver: true });
    });
    await channel.publish('', 'q', 'after');
    await until('it is delivered', () => seen.length === 1);
    witness.expectOutages(1);
    expect(broker.inspect.connections()).toHaveLength(1);
  });

  it('close: says any code and text', async () => {
    const witness = await connected();
    await witness.recoveredAfter(() => broker.faults.on().close({ code: 541, text: 'INTERNAL_ERROR - of all things' }));
    expect(witness.losses[0]?.cause.message).toContain('INTERNAL_ERROR - of all things');
  });

  it('closeChannels: one code for all, and the channels are opened anew', async () => {
    const witness = await connected();
    const channel = await witness.connection.openChannel();
    const errors: unknown[] = [];
    channel.on('lost', ({ cause }) => errors.push(cause));
    expect(broker.faults.closeChannels(undefined, { code: 406, text: 'PRECONDITION_FAILED - of all things' })).toBe(1);
    await until('it is told', () => errors.length === 1);
    expect(errors[0]).toMatchObject({ replyCode: 406, replyText: 'PRECONDITION_FAILED - of all things' });
    await channel.queueDeclare('q');
    witness.expectOutages(0);
  });

  it('cancelConsumers: of one queue alone; the consumer comes back', async () => {
    const witness = await connected();
    const seen: string[] = [];
    const channel = await consuming(witness, 'q', (delivery) => {
      seen.push(delivery.text());
      delivery.ack();
    });
    await consuming(witness, 'other', () => undefined);
    expect(broker.faults.cancelConsumers('q')).toBe(1);
    expect(broker.inspect.queue('other')?.consumerCount).toBe(1);
    await channel.publish('', 'q', 'after');
    await until('the consumer is back', () => seen.length === 1);
  });

  it('silence: what the broker does not write is found by the heartbeat, and recovered from', async () => {
    const witness = await connected({ heartbeat: 1 });
    const channel = await witness.connection.openChannel();
    await witness.recoveredAfter(() => {
      // Only this connection: the next one is served.
      const fault = broker.faults.on({ where: ({ name }) => name !== 'none' }).silence('writes');
      setTimeout(() => {
        fault.end();
      }, 2_500);
    }, 8_000);
    await channel.queueDeclare('q');
    witness.expectOutages(1);
  }, 15_000);

  it('silence: what waits in either direction goes on its way when the fault ends', async () => {
    const witness = await connected();
    const channel = await witness.connection.openChannel();
    for (const direction of ['reads', 'writes', 'both'] as const) {
      const fault = broker.faults.on().silence(direction);
      let isAnswered = false;
      const answer = channel.queueDeclare(direction).then(() => (isAnswered = true));
      await pause(40);
      expect(isAnswered).toBe(false);
      expect(broker.inspect.queue(direction) !== undefined).toBe(direction === 'writes');
      fault.end();
      await answer;
      expect(fault).toMatchObject({ strikes: 1, isOver: true });
    }
    witness.expectOutages(0);
  });

  it('silence at a method: it and what comes behind it is not heard, until the fault ends', async () => {
    const witness = await connected();
    const channel = await witness.connection.openChannel({ confirm: true });
    await channel.queueDeclare('q');
    const fault = broker.faults.at('basic.publish', { count: 3 }).silence('reads');
    const publishes = Promise.all(['1', '2', '3', '4', '5'].map((body) => channel.publish('', 'q', body)));
    await fault.struck();
    await pause(20);
    expect(broker.inspect.queue('q')?.messageCount).toBe(2);
    fault.end();
    await publishes;
    expect(broker.inspect.messages('q').map(({ body }) => body.toString())).toEqual(['1', '2', '3', '4', '5']);
  });

  it('slow: late by so many milliseconds, each way', async () => {
    const witness = await connected();
    const channel = await witness.connection.openChannel();
    const fault = broker.faults.on().slow({ delay: 60 });
    const start = performance.now();
    await channel.queueDeclare('q');
    expect(performance.now() - start).toBeGreaterThan(110);
    fault.end();
    await channel.queueDeclare('q');
    expect(performance.now() - start).toBeLessThan(2_000);
  });

  it('slow: so many bytes in a second, each way, and nothing is lost', async () => {
    const witness = await connected();
    const channel = await witness.connection.openChannel({ confirm: true });
    await channel.queueDeclare('q');
    for (const direction of ['reads', 'writes'] as const) {
      const fault = broker.faults.on().slow({ bytesPerSecond: 200_000, direction });
      const start = performance.now();
      await channel.publish('', 'q', Buffer.alloc(40_000, direction));
      const got = await channel.basicGet('q', { noAck: true });
      expect(performance.now() - start).toBeGreaterThan(100);
      expect(got?.body).toEqual(Buffer.alloc(40_000, direction));
      fault.end();
    }
  });

  it('split and merge: frames in pieces of one byte, and many in one piece, are read as ever', async () => {
    const witness = await connected();
    const seen: string[] = [];
    const channel = await consuming(witness, 'q', (delivery) => {
      seen.push(delivery.text());
      delivery.ack();
    });
    const split = broker.faults.on().split(1);
    await Promise.all(['a', 'b', 'c'].map((body) => channel.publish('', 'q', body)));
    await until('they are delivered', () => seen.length === 3);
    split.end();
    const merge = broker.faults.on().merge(30);
    await Promise.all(['d', 'e', 'f'].map((body) => channel.publish('', 'q', body)));
    await until('they are delivered', () => seen.length === 6);
    merge.end();
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    witness.expectOutages(0);
  });

  it('block: with a reason, only those that match, also those that come later', async () => {
    const one = await connected({ connectionName: 'one' });
    const fault = broker.faults.on('two').block('low on patience');
    const two = await connected({ connectionName: 'two' });
    const blocked: string[] = [];
    for (const { connection } of [one, two]) connection.on('blocked', ({ reason }) => blocked.push(reason));
    for (const { connection } of [one, two]) {
      const channel = await connection.openChannel();
      channel.basicPublish('', 'nobody', 'x');
    }
    await until('one is blocked', () => blocked.length === 1);
    expect(broker.inspect.connections().map(({ name, isBlocked }) => [name, isBlocked])).toEqual([
      ['one', false],
      ['two', true],
    ]);
    let isUnblocked = false;
    two.connection.on('unblocked', () => (isUnblocked = true));
    fault.end();
    await until('it is unblocked', () => isUnblocked);
    expect(blocked).toEqual(['low on patience']);
  });

  it('confirms: late, lost or refused; a later one does not confirm those that are lost', async () => {
    const witness = await connected();
    const channel = await witness.connection.openChannel({ confirm: true });
    await channel.queueDeclare('q');
    const late = broker.faults.on().delayConfirms(40);
    const start = performance.now();
    await channel.publish('', 'q', 'late');
    expect(performance.now() - start).toBeGreaterThan(35);
    late.end();
    const lost = broker.faults.on().loseConfirms();
    let outcome = 'none';
    const unconfirmed = channel.publish('', 'q', 'lost').catch((error: unknown) => (outcome = (error as Error).name));
    await until('the broker has it', () => broker.inspect.queue('q')?.messageCount === 2);
    lost.end();
    await Promise.all([channel.publish('', 'q', 'a'), channel.publish('', 'q', 'b')]);
    expect(outcome).toBe('none');
    const refused = broker.faults.on().nackPublishes();
    expect(await rejection(channel.publish('', 'q', 'refused'))).toMatchObject({ name: 'NackError' });
    refused.end();
    await witness.recoveredAfter(() => broker.faults.dropAll());
    await unconfirmed;
    expect(outcome).toBe('UnknownOutcomeError');
    expect(broker.inspect.queue('q')?.messageCount).toBe(4);
  });

  it('returnPublishes: as though nothing were bound', async () => {
    const witness = await connected();
    const channel = await witness.connection.openChannel({ confirm: true });
    await channel.queueDeclare('q');
    const fault = broker.faults.on().returnPublishes();
    expect(await rejection(channel.publish('', 'q', 'x', {}, { mandatory: true }))).toMatchObject({
      name: 'UnroutableError',
      replyCode: 312,
    });
    await channel.publish('', 'q', 'x', {}, { mandatory: false });
    expect(broker.inspect.queue('q')?.messageCount).toBe(0);
    expect(fault.isOver).toBe(false);
    fault[Symbol.dispose]();
    expect(fault.isOver).toBe(true);
  });

  it('refuseLogins: of all, of one user, of the next one', async () => {
    broker.faults.refuseLogins();
    expect(await rejection(connected())).toMatchObject({ name: 'AuthenticationError' });
    broker.faults.refuseLogins(false);
    await connected();
    const fault = broker.faults.next({ user: 'guest' }).refuseLogins();
    expect(await rejection(connected())).toMatchObject({ name: 'AuthenticationError' });
    expect(fault.strikes).toBe(1);
    broker.faults.on({ user: 'somebody' }).refuseLogins();
    await connected();
  });

  it('next: the connection that comes next is dropped, before it says anything or when it says its name', async () => {
    const dropped = broker.faults.next().drop();
    await connected({ attempts: 3, connectionName: 'one' });
    expect(dropped).toMatchObject({ strikes: 1, isOver: true });
    const named = broker.faults.next({ name: /^tw/ }).reset();
    await connected({ connectionName: 'three' });
    expect(named.strikes).toBe(0);
    await connected({ attempts: 3, connectionName: 'two' });
    expect(named).toMatchObject({ strikes: 1, isOver: true });
    expect(broker.inspect.connections().map(({ name }) => name)).toEqual(['one', 'three', 'two']);
  });

  it('at the third ack, before it is handled: that message comes again, and those before it do not', async () => {
    const witness = await connected();
    const seen: string[] = [];
    const channel = await consuming(witness, 'q', (delivery) => {
      seen.push(`${delivery.text()}${delivery.redelivered ? ' again' : ''}`);
      delivery.ack();
    });
    const fault = broker.faults.at('basic.ack', { count: 3 }).drop();
    const count = witness.recoveries.length;
    for (const body of ['1', '2', '3']) {
      await channel.publish('', 'q', body);
      await until('it is there', () => seen.some((text) => text === body));
    }
    await until('it recovers', () => witness.recoveries.length > count);
    await until('the third comes again', () => seen.includes('3 again'));
    expect(seen).toEqual(['1', '2', '3', '3 again']);
    expect(fault).toMatchObject({ strikes: 1, isOver: true });
    witness.expectOutages(1);
  });

  it('at a delivery: after it went out it is seen twice, before it went out once', async () => {
    const witness = await connected();
    const seen: string[] = [];
    const channel = await consuming(witness, 'q', (delivery) => {
      seen.push(`${delivery.text()}${delivery.redelivered ? ' again' : ''}`);
    });
    await witness.recoveredAfter(() => {
      broker.faults.at('basic.deliver', { count: 2, when: 'after' }).drop();
      channel.basicPublish('', 'q', '1');
      channel.basicPublish('', 'q', '2');
    });
    await until('both come again', () => seen.length === 4);
    await witness.recoveredAfter(() => {
      broker.faults.at('basic.deliver').drop();
      channel.basicPublish('', 'q', '3');
    });
    await until('all three come', () => seen.length === 7);
    expect(seen).toEqual(['1', '2', '1 again', '2 again', '1 again', '2 again', '3 again']);
    witness.expectOutages(2);
  });

  it('at a declare of one queue, each time: it is rejected with code and text, and others are not', async () => {
    const witness = await connected();
    const channel = await witness.connection.openChannel();
    const fault = broker.faults
      .at('queue.declare', { fields: { queue: 'orders' }, times: Infinity })
      .closeChannels({ code: 405, text: 'RESOURCE_LOCKED - by whoever' });
    for (let time = 1; time <= 2; time++) {
      expect(await rejection(channel.queueDeclare('orders'))).toMatchObject({
        name: 'ChannelClosedByBrokerError',
        replyCode: 405,
        replyText: 'RESOURCE_LOCKED - by whoever (queue.declare)',
      });
      await channel.queueDeclare('others');
    }
    expect(broker.inspect.queue('orders')).toBeUndefined();
    fault.end();
    await channel.queueDeclare('orders');
    expect(fault.strikes).toBe(2);
  });

  it('at a publish, after its content: it is taken, and its confirm is not heard any more', async () => {
    const witness = await connected();
    const channel = await witness.connection.openChannel({ confirm: true });
    await channel.queueDeclare('q');
    broker.faults.at('basic.publish', { when: 'after' }).drop();
    expect(await rejection(channel.publish('', 'q', 'x'))).toMatchObject({ name: 'UnknownOutcomeError' });
    expect(broker.inspect.queue('q')?.messageCount).toBe(1);
  });

  it('clear ends everything, also what waits for its moment', async () => {
    const witness = await connected();
    const channel = await witness.connection.openChannel({ confirm: true });
    const faults = [
      broker.faults.on().silence(),
      broker.faults.on().slow({ delay: 1_000 }),
      broker.faults.next().drop(),
      broker.faults.at('queue.declare').drop(),
      broker.faults.on().refuseLogins(),
    ];
    const declared = channel.queueDeclare('q');
    broker.faults.clear();
    await declared;
    await connected();
    expect(faults.map(({ isOver }) => isOver)).toEqual([true, true, true, true, true]);
    witness.expectOutages(0);
  });

  it('a predicate that throws is told, and harms no connection', async () => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const witness = await connected();
    const channel = await witness.connection.openChannel();
    broker.faults
      .at('queue.declare', {
        fields: () => {
          throw new Error('of the test');
        },
      })
      .drop();
    await channel.queueDeclare('q');
    expect(warned).toHaveBeenCalledWith('of the test', expect.objectContaining({ type: 'LeveretBrokerFault' }));
    warned.mockRestore();
    witness.expectOutages(0);
  });
});

it.each(['TCP', 'TLS'] as const)('a reset is one on %s: the client is told ECONNRESET', async (way) => {
  const directory = process.env['LEVERET_TEST_TLS_DIRECTORY'];
  if (directory === undefined) throw new Error('needs openssl: LEVERET_TEST_TLS_DIRECTORY is not set');
  const read = (name: string): Promise<Buffer> => readFile(join(directory, name));
  const tls = way === 'TLS' ? { cert: await read('server.pem'), key: await read('server.key') } : undefined;
  const broker = await EmbeddedBroker.start({ port: 0, tls });
  const to = { host: '127.0.0.1', port: broker.port };
  const socket = way === 'TLS' ? connectTls({ ...to, rejectUnauthorized: false }) : connectSocket(to);
  const errors: unknown[] = [];
  socket.on('error', (error) => errors.push(error));
  await new Promise((resolve) => socket.once(way === 'TLS' ? 'secureConnect' : 'connect', resolve));
  socket.write('AMQP');
  const reset = broker.faults.on();
  await until('it is reset', () => reset.reset().strikes === 1);
  await until('the client is told', () => errors.length === 1);
  expect(errors[0]).toMatchObject({ code: 'ECONNRESET' });
  await broker.stop();
});

describe('what is no fault', () => {
  it('is refused before anything is done', async () => {
    const broker = await EmbeddedBroker.start();
    const { faults } = broker;
    type Loose = Record<string, (...given: unknown[]) => unknown>;
    const loose = faults as unknown as Record<'on' | 'next' | 'at', (...given: unknown[]) => Loose>;
    const on = (verb: string, ...given: unknown[]): unknown => loose.on()[verb]?.(...given);
    for (const [act, argument] of [
      [() => loose.at('basic.bogus'), 'method'],
      [() => loose.at('basic.ack', { count: 0 }), 'count'],
      [() => loose.at('basic.ack', { times: 1.5 }), 'times'],
      [() => loose.at('basic.ack', { when: 'never' }), 'when'],
      [() => loose.at('basic.ack', { from: 'nobody' }), 'from'],
      [() => loose.at('basic.ack', { fields: 1 }), 'fields'],
      [() => loose.on(1), 'connections'],
      [() => loose.on({ bogus: 1 }), 'connections.bogus'],
      [() => loose.next({ name: 1 }), 'connections.name'],
      [() => loose.on({ user: 1 }), 'connections.user'],
      [() => loose.on({ where: 1 }), 'connections.where'],
      [() => on('silence', 'up'), 'direction'],
      [() => on('slow', {}), 'pace'],
      [() => on('slow', { delay: -1 }), 'delay'],
      [() => on('slow', { bytesPerSecond: 0 }), 'bytesPerSecond'],
      [() => on('split', 0), 'bytes'],
      [() => on('merge', Number.NaN), 'milliseconds'],
      [() => on('block', 'x'.repeat(256)), 'reason'],
      [() => on('delayConfirms', -1), 'milliseconds'],
      [() => on('close', { code: 1 }), 'code'],
      [() => on('close', { text: 1 }), 'text'],
      [() => on('cancelConsumers', 1), 'queue'],
    ] as [() => unknown, string][]) {
      expect(await rejection(Promise.resolve().then(act))).toMatchObject({ name: 'ArgumentError', argument });
    }
    await broker.stop();
  });
});
