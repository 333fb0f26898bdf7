/** Options of the embedded broker: what is wrong is refused at the start, by name, in words that tell what came. */
import { EmbeddedBroker, type BrokerOptions } from 'leveret/broker';
import { connect as connectSocket } from 'node:net';
import { pause, rejection } from '../../support/waiting.js';

const start = (options: unknown): Promise<EmbeddedBroker> => EmbeddedBroker.start(options as BrokerOptions);

describe('options', () => {
  it.each<[unknown, string, string]>([
    [null, 'options', 'must be an object, not null'],
    ['amqp://', 'options', 'must be an object, not "amqp://"'],
    [[], 'options', 'must be an object, not a list'],
    [{ prot: 0 }, 'prot', 'unknown option; there is: port, host'],
    [{ port: '0' }, 'port', 'must be an integer from 0 to 65535, not "0"'],
    [{ memoryLimit: '1' }, 'memoryLimit', 'not "1"'],
    [{ emulate: '4.2' }, 'emulate', 'must be one of 3.10, 4.3, not "4.2"'],
    [{ host: 5 }, 'host', 'must be an address to listen on, as a string, not 5'],
    [{ host: '' }, 'host', 'not ""'],
    [{ virtualHosts: 'shop' }, 'virtualHosts', 'must be a list of names, not "shop"'],
    [{ virtualHosts: ['shop', ''] }, 'virtualHosts[1]', 'must be a name, not ""'],
    [{ frameMax: 10 }, 'frameMax', 'must be 0 (no limit) or at least 8192'],
    [{ frameMax: 4095, emulate: '3.10' }, 'frameMax', 'must be 0 (no limit) or at least 4096'],
    [{ tls: true, port: 0 }, 'tls', 'must be an object with cert and key, not true'],
    [{ tls: {}, port: 0 }, 'tls', 'needs a certificate: cert and key, or pfx'],
    [{ tls: { cert: 'x' }, port: 0 }, 'tls', 'needs a certificate'],
    [{ users: [{ name: 'u' }, { name: 'u' }] }, 'users[1].name', 'there are two users "u"'],
  ])('%j: %s is refused', async (options, argument, message) => {
    expect(await rejection(start(options))).toMatchObject({
      name: 'ArgumentError',
      argument,
      message: expect.stringContaining(message) as unknown,
    });
  });

  it('handshakeTimeout 0 is no limit', async () => {
    const broker = await EmbeddedBroker.start({ port: 0, handshakeTimeout: 0 });
    const socket = connectSocket(broker.port, '127.0.0.1');
    let isClosed = false;
    socket.on('error', () => undefined).on('close', () => (isClosed = true));
    await pause(50);
    expect(isClosed).toBe(false);
    await broker.stop();
  });

  it('events that there are not cannot be heard', async () => {
    const broker = await EmbeddedBroker.start();
    expect(() => broker.on('frob' as 'method', () => undefined)).toThrow(
      'event: there is no event "frob"; there is: connected, disconnected, published, delivered, settled, method',
    );
    await broker.stop();
  });
});

describe('options of faults.at', () => {
  type Loose = (...given: unknown[]) => unknown;
  it.each<[unknown[], string, string]>([
    [['basic.ack', { cout: 1 }], 'cout', 'unknown option; there is: count, times, when, from, fields, connections'],
    [['basic.ack', null], 'options', 'must be an object'],
    [['basic.ack', { fields: { queue: 'x' } }], 'fields.queue', 'basic.ack has no such field; there is: deliveryTag,'],
    [['basic.ack', { fields: { deliveryTag: '1' } }], 'fields.deliveryTag', 'must be a number, not "1"'],
    [['queue.declare', { fields: { arguments: {} } }], 'fields.arguments', 'is a table or bytes'],
    [['basic.deliver', { from: 'client' }], 'from', 'must be broker: nobody else says basic.deliver'],
    [['queue.declare', { from: 'broker' }], 'from', 'must be client: nobody else says queue.declare'],
  ])('%j: %s is refused', async (given, argument, message) => {
    const broker = await EmbeddedBroker.start();
    const at = broker.faults.at.bind(broker.faults) as Loose;
    expect(await rejection(Promise.resolve().then(() => at(...given)))).toMatchObject({
      name: 'ArgumentError',
      argument,
      message: expect.stringContaining(message) as unknown,
    });
    for (const name of ['basic.ack', 'basic.nack', 'connection.close', 'channel.close-ok'] as const) {
      broker.faults.at(name, { from: 'broker' });
      broker.faults.at(name, { from: 'client' });
    }
    await broker.stop();
  });
});
