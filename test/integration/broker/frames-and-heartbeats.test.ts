/** What other clients rely on in single frames, on RabbitMQ and on the embedded broker alike. */
import { connectTcp } from '../../../lib/amqp/index.js';
import { describeOnBrokers } from '../../support/brokers.js';
import { pause, until } from '../../support/waiting.js';
import { RawClient } from './raw-client.js';

describeOnBrokers('frames', (broker) => {
  async function opened(heartbeat?: number): Promise<RawClient> {
    const { hostname: host, port } = new URL(broker.url);
    const transport = await connectTcp({ host, port: Number(port), tls: false }, AbortSignal.timeout(5000));
    return new RawClient(transport).open({ heartbeat });
  }

  test('of heartbeats go out at half the time-out, one after the other', async () => {
    // @cloudamqp/amqp-client gives up after one silent time-out, and not after two.
    const client = await opened(1);
    await pause(3250);
    expect(client.heartbeats).toBeGreaterThanOrEqual(5);
    expect(client.heartbeats).toBeLessThanOrEqual(6);
    client.transport.destroy();
  });

  test('may be eight bytes longer than frame_max, and no more', async () => {
    // rabbitmq-client does not count the eight bytes that a frame has beside its payload.
    const client = await opened();
    const bodyFrame = (size: number): Buffer => {
      const frame = Buffer.alloc(size + 8);
      frame.set([3, 0, 1, 0, 0, 0, 0]);
      frame.writeUInt32BE(size, 3);
      frame[size + 7] = 0xce;
      return frame;
    };
    client.send(1, 'queue.declare', { queue: broker.unique('long'), exclusive: true });
    const { queue } = (await client.next('queue.declare-ok')).fields;
    client.send(1, 'basic.publish', { exchange: '', routingKey: queue });
    client.write(Buffer.from('020001000000 0e 003c0000 0000000000020000 0000 ce'.replaceAll(' ', ''), 'hex'));
    client.write(bodyFrame(131_072));
    client.send(1, 'basic.get', { queue });
    expect((await client.next('basic.get-ok')).fields).toMatchObject({ routingKey: queue });
    client.send(1, 'basic.publish', { exchange: '', routingKey: queue });
    client.write(Buffer.from('020001000000 0e 003c0000 0000000000020001 0000 ce'.replaceAll(' ', ''), 'hex'));
    client.write(bodyFrame(131_073));
    expect((await client.next('connection.close')).fields).toMatchObject({ replyCode: 501 });
    client.send(0, 'connection.close-ok', {});
    await until('the connection is closed', () => client.isClosed);
  });
});
