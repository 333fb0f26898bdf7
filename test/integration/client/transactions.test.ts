/** tx.select, tx.commit, tx.rollback, also over a loss: nothing is half done, and nobody is told that it is whole. */
import { connect, TransactionLostError, WrongStateError, type Channel, type Connection } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { Cuts } from '../../support/cuts.js';
import { rejection, until } from '../../support/waiting.js';

describeOnBroker('transactions', (broker) => {
  let connection: Connection;
  let channel: Channel;
  let looker: Channel;
  let queue: string;
  const cuts = new Cuts();

  beforeEach(async () => {
    connection = await connect(broker.url, {
      transport: cuts.transport,
      recovery: { initialDelay: 10, maxDelay: 200 },
    });
    channel = await connection.openChannel();
    looker = await connection.openChannel();
    queue = broker.unique('tx');
    await looker.queueDeclare(queue);
  });

  afterEach(async () => {
    await looker.queueDelete(queue);
    await connection.close();
  });

  const ready = async (): Promise<number> => (await looker.queueDeclare(queue, { passive: true })).messageCount;

  async function lose(): Promise<void> {
    const recovered = new Promise((resolve) => connection.once('recovered', resolve));
    cuts.cutAll();
    await recovered;
  }

  test('what was published is there after the commit, and gone after a rollback', async () => {
    await channel.txSelect();
    channel.basicPublish('', queue, 'one');
    channel.basicPublish('', queue, 'two');
    expect(await ready()).toBe(0);
    await channel.txCommit();
    expect(await ready()).toBe(2);
    channel.basicPublish('', queue, 'three');
    await channel.txRollback();
    await channel.txCommit();
    expect(await ready()).toBe(2);
  });

  test('a settlement takes effect with the commit', async () => {
    looker.basicPublish('', queue, 'one');
    await until('it is there', async () => (await ready()) === 1);
    await channel.txSelect();
    const delivery = await channel.basicGet(queue);
    expect(delivery?.ack()).toBe('sent');
    await channel.txCommit();
    await channel.close();
    expect(await ready()).toBe(0);
  });

  test('without txSelect, or beside confirms, it is a WrongStateError, and the channel goes on', async () => {
    expect(await rejection(channel.txCommit())).toBeInstanceOf(WrongStateError);
    expect(await rejection(channel.txRollback())).toBeInstanceOf(WrongStateError);
    await channel.confirmSelect();
    expect(await rejection(channel.txSelect())).toBeInstanceOf(WrongStateError);
    await looker.txSelect();
    expect(await rejection(looker.confirmSelect())).toBeInstanceOf(WrongStateError);
    await channel.publish('', queue, 'one');
    await looker.txCommit();
  });

  test('lost in the middle: the commit says so, commits nothing, and the next transaction is whole', async () => {
    await channel.txSelect();
    channel.basicPublish('', queue, 'before the loss');
    // Answered by the broker, so that the publish is there as well.
    await channel.queueExists(queue);
    await lose();
    channel.basicPublish('', queue, 'after the loss');
    const error = await rejection(channel.txCommit());
    expect(error).toBeInstanceOf(TransactionLostError);
    expect(error).toMatchObject({ isOutcomeUnknown: false, recoverable: true });
    expect(await ready()).toBe(0);
    channel.basicPublish('', queue, 'again');
    await channel.txCommit();
    expect(await ready()).toBe(1);
  });

  test('lost between two transactions: nothing is missing', async () => {
    await channel.txSelect();
    channel.basicPublish('', queue, 'one');
    await channel.txCommit();
    await lose();
    channel.basicPublish('', queue, 'two');
    await channel.txCommit();
    expect(await ready()).toBe(2);
  });

  test('rolled back after a loss: there is nothing to say', async () => {
    await channel.txSelect();
    channel.basicPublish('', queue, 'one');
    await lose();
    await channel.txRollback();
    await channel.txCommit();
    expect(await ready()).toBe(0);
  });
});
