/** What looks at an embedded broker changes nothing in it. */
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { connect, ConnectionRefusedError, type Channel, type Connection } from 'leveret/amqp';
import { EmbeddedBroker } from 'leveret/broker';
import { rejection } from '../../support/waiting.js';

describe('observers of the embedded broker', () => {
  let broker: EmbeddedBroker;
  let connection: Connection;
  let channel: Channel;

  beforeEach(async () => {
    broker = await EmbeddedBroker.start();
    connection = await connect({ transport: broker.memory(), recovery: false });
    channel = await connection.openChannel({ confirm: true });
    await channel.queueDeclare('queue');
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await connection.close();
    await broker.stop();
  });

  test('inspect gives copies of messages', async () => {
    await channel.publish('', 'queue', 'one');
    broker.inspect.messages('queue')[0]?.body.fill(0);
    broker.inspect.messages('queue')[0]?.encodedProperties.fill(0);
    const delivery = await channel.basicGet('queue');
    expect(delivery?.text()).toBe('one');
  });

  test('each is told, also after one that throws', async () => {
    const told: string[] = [];
    const warning = jest.spyOn(process, 'emitWarning').mockReturnValue();
    broker.on('published', () => {
      told.push('first');
      throw new Error('the first fails');
    });
    broker.on('published', () => told.push('second'));
    await channel.publish('', 'queue', 'one');
    expect(told).toEqual(['first', 'second']);
    expect(warning).toHaveBeenCalledTimes(1);
    expect(inspect(warning.mock.calls[0])).toContain('the first fails');
  });

  test('a broker that was stopped has forgotten everything, and says that it is stopped', async () => {
    await channel.exchangeDeclare('exchange', 'fanout');
    await channel.queueBind('queue', 'exchange', '');
    await broker.stop();
    const left = broker.inspect;
    expect([left.connections(), left.queues(), left.exchanges(), left.bindings()]).toEqual([[], [], [], []]);
    const transport = broker.memory() as unknown as () => Promise<unknown>;
    const refused = await rejection(transport());
    expect(refused).toBeInstanceOf(ConnectionRefusedError);
    expect(refused.message).toBe('the embedded broker is stopped');
  });
});
