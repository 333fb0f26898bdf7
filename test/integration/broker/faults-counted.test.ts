/** How often a fault strikes, exactly at which publishes and connections, and what comes of those who wait for it. */
import { connect, type Channel, type Connection } from 'leveret/amqp';
import { EmbeddedBroker } from 'leveret/broker';
import { rejection, until } from '../../support/waiting.js';

let broker: EmbeddedBroker;
let connection: Connection;
let channel: Channel;

beforeEach(async () => {
  broker = await EmbeddedBroker.start();
  connection = await connect({ transport: broker.memory() });
  channel = await connection.openChannel({ confirm: true });
  await channel.queueDeclare('q');
});

afterEach(async () => {
  await connection.close();
  await broker.stop();
});

/** What becomes of so many publishes, one after the other. */
async function outcomes(count: number): Promise<string[]> {
  const seen: string[] = [];
  for (let index = 0; index < count; index++) {
    const outcome = channel.publish('', 'q', 'x', {}, { mandatory: true }).then(
      () => 'ack',
      (error: unknown) => (error as Error).name,
    );
    seen.push(await outcome);
  }
  return seen;
}

describe('a fault at basic.publish', () => {
  it('nacks exactly the publishes named, and is over then', async () => {
    const fault = broker.faults.at('basic.publish', { count: 2, times: 2 }).nackPublishes();
    expect(await outcomes(5)).toEqual(['ack', 'NackError', 'NackError', 'ack', 'ack']);
    expect(fault).toMatchObject({ strikes: 2, isOver: true });
    await fault.struck(2);
  });

  it('returns exactly the publish named', async () => {
    broker.faults.at('basic.publish', { count: 2 }).returnPublishes();
    expect(await outcomes(3)).toEqual(['ack', 'UnroutableError', 'ack']);
  });

  it('names a publish, also while another one comes on another channel', async () => {
    const other = await connection.openChannel({ confirm: true });
    broker.faults.at('basic.publish', { fields: { routingKey: 'q' } }).nackPublishes();
    const both = await Promise.allSettled([
      channel.publish('', 'q', Buffer.alloc(300_000)),
      other.publish('', 'elsewhere', 'x', {}, { mandatory: false }),
    ]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  });

  it('loses the confirm of the publish named alone', async () => {
    const fault = broker.faults.at('basic.publish').loseConfirms();
    let outcome = 'none';
    const lost = channel.publish('', 'q', 'lost').catch((error: unknown) => (outcome = (error as Error).name));
    expect(await outcomes(2)).toEqual(['ack', 'ack']);
    expect([outcome, fault.isOver]).toEqual(['none', true]);
    broker.faults.dropAll();
    await lost;
  });

  it('delays the confirm of the publish named alone, and is over when it went out', async () => {
    const fault = broker.faults.at('basic.publish').delayConfirms(60_000);
    const late = channel.publish('', 'q', 'late');
    expect(await outcomes(2)).toEqual(['ack', 'ack']);
    expect([broker.untilNextDue === undefined, fault.isOver]).toEqual([false, false]);
    broker.advance(60_000);
    await late;
    expect(fault.isOver).toBe(true);
  });

  it('is a state at other methods, and says that after a publish is too late', async () => {
    broker.faults.at('queue.declare').nackPublishes();
    expect(await outcomes(1)).toEqual(['ack']);
    await channel.queueDeclare('q');
    expect(await outcomes(2)).toEqual(['NackError', 'NackError']);
    const late = (): unknown => broker.faults.at('basic.publish', { when: 'after' }).nackPublishes();
    expect(late).toThrow(expect.objectContaining({ name: 'ArgumentError', argument: 'when' }) as Error);
  });
});

it.each(['on', 'at'] as const)('confirms that a fault %s holds back go out when it ends', async (where) => {
  const site = where === 'on' ? broker.faults.on() : broker.faults.at('basic.publish', { times: 2 });
  const fault = site.delayConfirms(3_600_000);
  const held = [channel.publish('', 'q', 'a'), channel.publish('', 'q', 'b')];
  await until('the broker has them', () => broker.inspect.queue('q')?.messageCount === 2);
  if (where === 'on') broker.faults.clear();
  else fault.end();
  await Promise.all(held);
  expect(broker.untilNextDue).toBeUndefined();
  expect(await outcomes(1)).toEqual(['ack']);
});

describe('struck', () => {
  it.each([
    ['the fault was ended', () => broker.faults.at('basic.ack').drop(), true],
    ['the fault struck as often as it was to', () => broker.faults.on({ name: 'nobody' }).drop(), false],
  ] as const)('rejects when it cannot come any more: %s', async (_why, fault, isEnded) => {
    const one = fault();
    const before = one.struck(2);
    if (isEnded) one.end();
    for (const struck of [before, one.struck()]) {
      expect(await rejection(struck)).toMatchObject({ name: 'WrongStateError' });
    }
    await one.struck(0);
  });

  it('rejects where a state has begun, and strikes no more', async () => {
    const fault = broker.faults.at('queue.declare').split(100);
    const twice = fault.struck(2);
    await channel.queueDeclare('q');
    await fault.struck();
    expect(await rejection(twice)).toMatchObject({
      message: 'the fault will not strike 2 times: it struck once, and strikes no more',
    });
    expect(fault.isOver).toBe(false);
  });
});

it('two faults at the next connection strike the next two', async () => {
  const faults = [broker.faults.next({}).refuseLogins(), broker.faults.next({ user: 'guest' }).refuseLogins()];
  const login = async (): Promise<void> => (await connect({ transport: broker.memory() })).close();
  for (let index = 0; index < 2; index++) {
    expect(await rejection(login())).toMatchObject({ name: 'AuthenticationError' });
  }
  await login();
  expect(faults.map(({ strikes }) => strikes)).toEqual([1, 1]);
});
