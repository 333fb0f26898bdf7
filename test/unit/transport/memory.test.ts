/** The memory pair keeps the promises of a transport. */
import { memoryPair, type Transport, type TransportListener } from '../../../lib/amqp/transport/index.js';
import { until } from '../../support/waiting.js';

class Recorder implements TransportListener {
  text = '';
  drains = 0;
  closes = 0;

  constructor(transport: Transport) {
    transport.listen(this);
  }

  onData(chunk: Buffer): void {
    this.text += chunk.toString('latin1');
  }

  onDrain(): void {
    this.drains += 1;
  }

  onClose(): void {
    this.closes += 1;
  }
}

describe('the memory pair', () => {
  test('carries bytes both ways, in order, never in the same call', async () => {
    const [left, right] = memoryPair();
    const [atLeft, atRight] = [new Recorder(left), new Recorder(right)];
    left.write([Buffer.from('a'), Buffer.from('b')]);
    left.write([Buffer.from('c')]);
    right.write([Buffer.from('x')]);
    expect(atRight.text).toBe('');
    await until('all arrived', () => atRight.text === 'abc' && atLeft.text === 'x');
  });

  test('says when much is under way, and when it went', async () => {
    const [left, right] = memoryPair();
    const [atLeft, atRight] = [new Recorder(left), new Recorder(right)];
    right.pauseReading(true);
    expect(left.write([Buffer.alloc(2 * 1024 * 1024, 'x')])).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(atRight.text).toBe('');
    expect(atLeft.drains).toBe(0);
    right.pauseReading(false);
    await until('it went', () => atLeft.drains === 1 && atRight.text.length === 2 * 1024 * 1024);
  });

  test('ending delivers what was written, then closes both sides once', async () => {
    const [left, right] = memoryPair();
    const [atLeft, atRight] = [new Recorder(left), new Recorder(right)];
    left.write([Buffer.from('last words')]);
    left.end();
    left.end();
    left.write([Buffer.from('too late')]);
    await until('both are closed', () => atLeft.closes === 1 && atRight.closes === 1);
    expect(atRight.text).toBe('last words');
    left.destroy();
    right.destroy();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([atLeft.closes, atRight.closes]).toEqual([1, 1]);
  });

  test('destroying closes both sides', async () => {
    const [left, right] = memoryPair();
    const [atLeft, atRight] = [new Recorder(left), new Recorder(right)];
    right.destroy();
    await until('both are closed', () => atLeft.closes === 1 && atRight.closes === 1);
  });
});
