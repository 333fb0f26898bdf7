/** The scanner that the tests' proxy and tap rely on: the same frames, however the stream is cut. */
import { ByteWriter, writeContent, writeHeartbeat, writeMethod } from '../../../lib/amqp/protocol/index.js';
import { FrameScanner } from '../../support/frame-scanner.js';

function recording(): Buffer {
  const writer = new ByteWriter();
  writeMethod(writer, 0, 'connection.open', { virtualHost: '/' }, 0);
  writeMethod(writer, 7, 'queue.declare', { queue: 'q' }, 0);
  writeContent(writer, 7, 'basic.publish', { exchange: '', routingKey: 'q' }, {}, Buffer.alloc(300, 'x'), 100);
  writeHeartbeat(writer);
  return Buffer.concat([Buffer.from('AMQP\0\0\x09\x01'), ...writer.take()]);
}

describe('the frame scanner', () => {
  const stream = recording();

  test.each([1, 2, 7, 8, 9, 64, 1_000])('finds every frame in chunks of %d bytes', (size) => {
    const scanner = new FrameScanner();
    const frames = [];
    for (let start = 0; start < stream.length; start += size) {
      frames.push(...scanner.push(stream.subarray(start, start + size)));
    }
    expect(frames.map(({ name, channel }) => `${name} ${String(channel)}`)).toEqual([
      'protocol header 0',
      'connection.open 0',
      'queue.declare 7',
      'basic.publish 7',
      'content header 7',
      'body 7',
      'body 7',
      'body 7',
      'body 7',
      'heartbeat 0',
    ]);
    expect(Buffer.concat(frames.map(({ bytes }) => bytes)).equals(stream)).toBe(true);
    expect(scanner.pending).toBe(0);
  });

  test('says how much of a frame is still to come in', () => {
    const scanner = new FrameScanner();
    expect(scanner.push(stream.subarray(0, 11))).toHaveLength(1);
    expect(scanner.pending).toBe(3);
  });
});
