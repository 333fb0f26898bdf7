/** What does not belong on the port of a share, and ports whose connection is gone. */
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import { once } from 'node:events';
import { connect, ConnectionClosedError, connectShared, type Connection } from 'leveret/amqp';
import { describeOnBroker } from '../../support/brokers.js';
import { pause, rejection, until } from '../../support/waiting.js';

/** A frame, whose size may be said to be another than it is. */
function frame(type: number, channel: number, payload: number[], size = payload.length): Buffer {
  const head = Buffer.alloc(7);
  head.writeUInt8(type, 0);
  head.writeUInt16BE(channel, 1);
  head.writeUInt32BE(size, 3);
  return Buffer.concat([head, Buffer.from(payload), Buffer.from([0xce])]);
}

const protocolHeader = Buffer.from('AMQP\0\0\x09\x01', 'latin1');
const connectionOpen = frame(1, 0, [0, 10, 0, 40, 1, 0x2f, 0, 0]);
const channelOpen = frame(1, 1, [0, 20, 0, 10, 0]);
const publish = frame(1, 1, [0, 60, 0, 40, 0, 0, 0, 1, 0x78, 0]);
const header = (bodySize: number): Buffer => frame(2, 1, [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, bodySize, 0, 0]);
const greeting = [protocolHeader, connectionOpen, channelOpen];

describeOnBroker('a share', (broker) => {
  let main: Connection;

  beforeEach(async () => {
    main = await connect(broker.url);
    main.on('lost', ({ cause }) => {
      throw cause;
    });
  });
  afterEach(() => main.close());

  /** The connection answers, and was never away. */
  async function expectUntouched(): Promise<void> {
    const channel = await main.openChannel({ confirm: true });
    const { queue } = await channel.queueDeclare('', { exclusive: true });
    await channel.publish('', queue, 'still here', {}, { mandatory: true });
    await channel.close();
    expect({ epoch: main.epoch, state: main.state }).toEqual({ epoch: 1, state: 'open' });
  }

  /** A way in as a worker's client asks for it, without the client. */
  function wayThrough(door: MessagePort): { port: MessagePort; closed: Promise<unknown> } {
    const { port1, port2 } = new MessageChannel();
    const closed = once(port1, 'close');
    door.postMessage({ port: port2 }, [port2]);
    port1.on('message', () => undefined);
    return { port: port1, closed };
  }

  describe('whose port is sent something else', () => {
    test.each<[string, unknown]>([
      ['null', null],
      ['undefined', undefined],
      ['a number', 1],
      ['a text', 'x'],
      ['an empty object', {}],
      ['no port', { port: null }],
      ['a number for a port', { port: 3 }],
      ['an object for a port', { port: { on: 1 } }],
    ])('%s: still serves a worker', async (_what, message) => {
      const port = main.share();
      port.postMessage(message);
      const shared = await connectShared(port);
      await (await shared.openChannel()).close();
      await shared.close();
      await expectUntouched();
    });
  });

  describe('whose way in is sent something else', () => {
    const bytes = (...parts: Buffer[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

    test.each<[string, unknown]>([
      ['null', null],
      ['an empty object', {}],
      ['credit that was not used', 1_000_000],
      ['bytes that are no AMQP', bytes(Buffer.from('GET / HTTP/1.1'))],
      ['a frame of a type that is none', bytes(...greeting, frame(4, 1, [1, 2, 3, 4]))],
      ['a heartbeat on a channel', bytes(...greeting, frame(8, 1, []))],
      ['a method too short to be one', bytes(...greeting, frame(1, 1, [0, 20]))],
      ['a method of the connection on a channel', bytes(...greeting, frame(1, 1, [0, 10, 0, 51]))],
      ['a channel that is opened twice', bytes(...greeting, channelOpen)],
      ['a header too short to be one', bytes(...greeting, frame(2, 1, [0, 60, 0, 0]))],
      ['content on channel 0', bytes(...greeting, frame(3, 0, [1, 2, 3, 4]))],
      ['a body larger than frame_max', bytes(...greeting, frame(3, 1, new Array<number>(200_000).fill(1)))],
      ['a header without its method', bytes(...greeting, header(0))],
      ['a publish without a header', bytes(...greeting, publish, publish)],
      ['a publish without all of its body', bytes(...greeting, publish, header(9), frame(3, 1, [1, 2, 3]))],
      ['a publish with too much of a body', bytes(...greeting, publish, header(2), frame(3, 1, [1, 2, 3]))],
      ['a publish whose body is another channel’s', bytes(...greeting, publish, header(3), frame(3, 2, [1, 2, 3]))],
      ['a frame that goes on behind its end', bytes(...greeting, frame(3, 1, [1, 2, 3], 30))],
      ['a channel before the connection is open', bytes(protocolHeader, channelOpen)],
    ])('%s: ends that share’s life alone', async (_what, message) => {
      const door = main.share();
      const { port, closed } = wayThrough(door);
      port.postMessage(message);
      await closed;
      await expectUntouched();
      door.close();
    });
  });

  describe('whose connection is closed', () => {
    const limit = 1_000;

    async function expectRefusedAtOnce(port: MessagePort): Promise<void> {
      const since = performance.now();
      const refusal = await rejection(connectShared(port));
      expect(refusal).toBeInstanceOf(ConnectionClosedError);
      expect(refusal.message).toContain('the shared connection is closed');
      expect(performance.now() - since).toBeLessThan(limit);
    }

    test('refuses at once who comes late, and again', async () => {
      const port = main.share();
      await main.close();
      // Nothing tells that a port which nobody listens to heard of its end.
      await pause(200);
      for (let round = 0; round < 3; round++) await expectRefusedAtOnce(port);
      expect(port.listenerCount('close')).toBeLessThan(2);
    });

    test('refuses a port that its user closed', async () => {
      const port = main.share();
      port.close();
      await once(port, 'close');
      await expectRefusedAtOnce(port);
    });

    test('refuses a worker that is started afterwards', async () => {
      const port = main.share();
      await main.close();
      await pause(200);
      const { port1, port2 } = new MessageChannel();
      // The port goes over to another thread and comes back: what it was told stays with it.
      const worker = new Worker(
        `const { workerData: { port, back } } = require('node:worker_threads'); back.postMessage(port, [port]);`,
        { eval: true, workerData: { port, back: port2 }, transferList: [port, port2], execArgv: [] },
      );
      const [returned] = (await once(port1, 'message')) as [MessagePort];
      await expectRefusedAtOnce(returned);
      await once(worker, 'exit');
      port1.close();
    });

    test('keeps no listeners of tries that failed', async () => {
      const { port1, port2 } = new MessageChannel();
      for (let round = 0; round < 3; round++) {
        expect((await rejection(connectShared(port1, { connectTimeout: 20 }))).message).toContain('connecting to');
      }
      expect([port1.listenerCount('close'), port1.listenerCount('message')]).toEqual([1, 1]);
      port2.close();
      await until('it heard of it', async () => {
        return (await rejection(connectShared(port1, { connectTimeout: 20 }))) instanceof ConnectionClosedError;
      });
    });
  });
});
