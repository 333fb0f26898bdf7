/** A port as a transport: order, ownership, credit, and the end. */
import { MessageChannel } from 'node:worker_threads';
import { PortTransport, type PortTransportOptions } from '../../../lib/amqp/threads/port-transport.js';
import { until } from '../../support/waiting.js';

class End {
  readonly transport: PortTransport;
  readonly read: Buffer[] = [];
  readonly closes: (Error | undefined)[] = [];
  drains = 0;

  constructor(port: ConstructorParameters<typeof PortTransport>[0], options: Partial<PortTransportOptions>) {
    this.transport = new PortTransport(port, { description: 'test', ...options });
  }

  listen(): this {
    this.transport.listen({
      onData: (chunk) => this.read.push(chunk),
      onDrain: () => (this.drains += 1),
      onClose: (error) => this.closes.push(error),
    });
    return this;
  }

  get text(): string {
    return Buffer.concat(this.read).toString();
  }
}

describe('two ends of a port', () => {
  let left: End;
  let right: End;

  function join(options: Partial<PortTransportOptions> = {}): void {
    const { port1, port2 } = new MessageChannel();
    left = new End(port1, options).listen();
    right = new End(port2, options);
  }

  afterEach(() => {
    left.transport.destroy();
    right.transport.destroy();
  });

  test('what one writes the other reads in order, also what came before it listened', async () => {
    join();
    left.transport.write([Buffer.from('one '), Buffer.from('two ')]);
    left.transport.write([Buffer.from('three')]);
    right.listen();
    await until('all came', () => right.text === 'one two three');
    // A turn's chunks are one message.
    expect(right.read).toHaveLength(2);
  });

  test('what is written stays its owner’s, whole or a view', async () => {
    join();
    right.listen();
    const whole = Buffer.allocUnsafeSlow(5).fill('w');
    const slab = Buffer.alloc(64 * 1024, 's');
    left.transport.write([whole]);
    left.transport.write([slab.subarray(10, 13)]);
    await until('both came', () => right.text === 'wwwwwsss');
    expect(whole.toString()).toBe('wwwww');
    expect(slab.length).toBe(64 * 1024);
    expect(right.read[1]?.buffer.byteLength).toBe(3);
  });

  test('beyond its limit write answers false until the other end took half', async () => {
    join({ highWaterMark: 1024 * 1024 });
    right.transport.pauseReading(true);
    right.listen();
    const block = Buffer.alloc(256 * 1024);
    expect([1, 2, 3, 4, 5].map(() => left.transport.write([block]))).toEqual([true, true, true, false, false]);
    // One way round the event loop of messages is enough to show that nothing is taken.
    right.transport.write([Buffer.from('still paused')]);
    await until('the other direction goes on', () => left.text === 'still paused');
    expect([left.drains, right.read.length]).toEqual([0, 0]);
    right.transport.pauseReading(false);
    await until('there is room', () => left.drains === 1);
    expect(left.transport.write([block])).toBe(true);
    await until('all came', () => right.read.length === 6);
    expect(left.drains).toBe(1);
  });

  test('end and destroy close both once, behind what was written', async () => {
    for (const how of ['end', 'destroy'] as const) {
      join();
      right.listen();
      left.transport.write([Buffer.from('last words')]);
      left.transport[how]();
      await until('both are closed', () => left.closes.length === 1 && right.closes.length === 1);
      expect(right.text).toBe('last words');
      expect(right.transport.wasEndedByPeer).toBe(how === 'end');
      left.transport.destroy();
      right.transport.end();
      expect(right.transport.write([Buffer.from('too late')])).toBe(true);
      await new Promise((resolve) => setImmediate(resolve));
      expect([left.closes, right.closes]).toEqual([[undefined], [undefined]]);
    }
  });

  test('an error crosses with its message and its code', async () => {
    join();
    right.listen();
    left.transport.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
    await until('the other is closed', () => right.closes.length === 1);
    expect(right.closes[0]).toMatchObject({ message: 'read ECONNRESET', code: 'ECONNRESET' });
  });

  test('who listens after the end still hears of it', async () => {
    join();
    left.transport.destroy();
    await until('the end came', () => right.transport.isClosed);
    right.listen();
    await until('it is told', () => right.closes.length === 1);
  });

  test.each<[string, unknown]>([
    ['null', null],
    ['undefined', undefined],
    ['a text', 'x'],
    ['an empty object', {}],
    ['a list', []],
    ['words nobody knows', { kind: 'sing' }],
    ['an opening without its fields', { kind: 'opened' }],
    ['a refusal without an error', { kind: 'refused' }],
    ['an end with an error that is none', { kind: 'closed', error: 5 }],
    ['a heartbeat without a time', { kind: 'heartbeat', timeout: 'soon' }],
    ['more taken than was sent', 5],
    ['less than nothing taken', -1],
    ['a number that is none', NaN],
    ['bytes as numbers of another kind', new Float64Array(2)],
    ['bytes that stay in both threads', new Uint8Array(new SharedArrayBuffer(4))],
  ])('who is sent %s closes, and says that it was no message', async (_what, message) => {
    const { port1, port2 } = new MessageChannel();
    left = new End(port1, {}).listen();
    right = left;
    port2.postMessage(message);
    await until('it is closed', () => left.closes.length === 1);
    expect(left.closes[0]?.message).toContain('no message of a transport');
    expect(left.read).toEqual([]);
  });
});
