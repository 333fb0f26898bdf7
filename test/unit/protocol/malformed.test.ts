/** Whatever a peer sends, the answer is frames or a typed error: no other exception, and no hang. */
import fc from 'fast-check';
import { AmqpError, ArgumentError, FrameError, FrameSyntaxError } from '../../../lib/amqp/errors.js';
import {
  ByteReader,
  ByteWriter,
  FrameParser,
  maximumFieldDepth,
  readTable,
  writeContent,
  writeMethod,
  writeTable,
  type FieldTable,
} from '../../../lib/amqp/protocol/index.js';
import { anyMethod, body, properties } from './arbitraries.js';
import { cut, parse, RecordingSink, wideLimits } from './recording-sink.js';

/** Parses, and answers the error if there was one; anything but a typed error fails the test. */
function outcome(chunks: readonly Buffer[]): AmqpError | undefined {
  try {
    parse(chunks);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(AmqpError);
    return error as AmqpError;
  }
}

function traffic(method: { name: never; written: never }, props: never, content: Buffer): Buffer {
  const writer = new ByteWriter();
  writeMethod(writer, 1, method.name, method.written, 0);
  writeContent(writer, 1, 'basic.publish', { exchange: 'a', routingKey: 'b' }, props, content, 0);
  return Buffer.concat(writer.take());
}

const validTraffic = fc
  .tuple(anyMethod, properties, body)
  .map(([method, props, content]) => traffic(method as never, props.written as never, content));

describe('malformed input', () => {
  it('of random bytes gives frames or a typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat(), { maxLength: 5 }), (bytes, positions) => {
        outcome(cut(Buffer.from(bytes), positions));
      }),
      { numRuns: 500 },
    );
  });

  it('of random payloads in well-formed frames gives frames or a typed error', () => {
    const frame = fc
      .tuple(fc.constantFrom(1, 2, 3), fc.integer({ min: 0, max: 0xffff }), fc.uint8Array({ maxLength: 200 }))
      .map(([type, channel, payload]) => {
        const bytes = Buffer.alloc(payload.length + 8);
        bytes.writeUInt8(type, 0);
        bytes.writeUInt16BE(channel, 1);
        bytes.writeUInt32BE(payload.length, 3);
        bytes.set(payload, 7);
        bytes.writeUInt8(0xce, bytes.length - 1);
        return bytes;
      });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 5 }), (frames) => {
        outcome([Buffer.concat(frames)]);
      }),
      { numRuns: 500 },
    );
  });

  it('of valid traffic with changed bytes gives frames or a typed error', () => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(validTraffic, fc.array(change, { minLength: 1, maxLength: 4 }), (valid, changes) => {
        const bytes = Buffer.from(valid);
        for (const [position, octet] of changes) bytes[position % bytes.length] = octet;
        outcome([bytes]);
      }),
      { numRuns: 500 },
    );
  });

  it('that is cut short waits for the rest, and says so', () => {
    fc.assert(
      fc.property(validTraffic, fc.nat(), (valid, position) => {
        const sink = new RecordingSink();
        const parser = new FrameParser(sink, wideLimits);
        const size = position % valid.length;
        parser.push(valid.subarray(0, size));
        const before = sink.frames.length;
        parser.push(valid.subarray(size));
        expect(parser.isAtFrameBoundary).toBe(true);
        expect(sink.frames.length).toBeGreaterThanOrEqual(before);
        expect(sink.frames).toEqual(parse([valid]));
      }),
      { numRuns: 200 },
    );
  });

  it('goes no further after an error', () => {
    const parser = new FrameParser(new RecordingSink(), wideLimits);
    const bad = Buffer.from([8, 0, 0, 0, 0, 0, 0, 0xcd]);
    expect(() => {
      parser.push(bad);
    }).toThrow(FrameError);
    expect(() => {
      parser.push(Buffer.from([8, 0, 0, 0, 0, 0, 0, 0xce]));
    }).toThrow(FrameError);
  });

  it.each([
    ['a wrong end octet', [1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 51, 0xcf]],
    ['a method frame without a method', [1, 0, 0, 0, 0, 0, 0, 0xce]],
    ['a header frame that is too short', [2, 0, 1, 0, 0, 0, 2, 0, 60, 0xce]],
    ['a heartbeat with a payload', [8, 0, 0, 0, 0, 0, 1, 0, 0xce]],
    ['a body frame over frame_max', [3, 0, 1, 0, 2, 0, 0]],
    ['a method frame over the cap', [1, 0, 1, 0x7f, 0, 0, 0]],
    ['a header frame over the cap', [2, 0, 1, 0xff, 0xff, 0xff, 0xff]],
    ['a body beyond 2^53 bytes', [2, 0, 1, 0, 0, 0, 14, 0, 60, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xce]],
  ])('%s is a FrameError', (_what, bytes) => {
    expect(outcome([Buffer.from(bytes)])).toBeInstanceOf(FrameError);
  });

  it('with a length that lies about its content is a FrameSyntaxError', () => {
    const writer = new ByteWriter();
    writeMethod(writer, 1, 'queue.declare', { queue: 'orders', arguments: { a: 'text' } }, 0);
    const bytes = Buffer.concat(writer.take());
    // The length of the queue's name, behind frame head, method id and ticket.
    bytes[13] = 200;
    expect(outcome([bytes])).toBeInstanceOf(FrameSyntaxError);
  });

  it('with bytes after the last field is a FrameSyntaxError', () => {
    expect(outcome([Buffer.from([1, 0, 0, 0, 0, 0, 5, 0, 10, 0, 51, 9, 0xce])])).toBeInstanceOf(FrameSyntaxError);
  });
});

describe('depth', () => {
  function nested(levels: number): FieldTable {
    let table: FieldTable = {};
    for (let level = 1; level < levels; level++) table = { t: table };
    return table;
  }

  it('is limited both ways', () => {
    const writer = new ByteWriter();
    writer.begin();
    expect(() => {
      writeTable(writer, nested(maximumFieldDepth + 1), 'deep');
    }).toThrow(ArgumentError);
    writer.rollback();
    writer.begin();
    writeTable(writer, nested(maximumFieldDepth), 'deep');
    writer.commit();
    const bytes = Buffer.concat(writer.take());
    expect(readTable(new ByteReader(bytes))).toEqual(nested(maximumFieldDepth));
  });

  it('of a hostile table is a FrameSyntaxError, not a stack overflow', () => {
    // Arrays in arrays: 'A' and a length, a hundred thousand times.
    const levels = 100_000;
    const bytes = Buffer.alloc(4 + 2 + levels * 5);
    bytes.writeUInt32BE(bytes.length - 4, 0);
    bytes.writeUInt8(1, 4);
    bytes.write('a', 5);
    for (let level = 0; level < levels; level++) {
      const position = 6 + level * 5;
      bytes.write('A', position);
      bytes.writeUInt32BE(bytes.length - position - 5, position + 1);
    }
    expect(() => readTable(new ByteReader(bytes))).toThrow(FrameSyntaxError);
  });
});

describe('the writer', () => {
  it('leaves nothing behind when a value cannot be encoded', () => {
    const writer = new ByteWriter();
    writeMethod(writer, 1, 'channel.open', {}, 0);
    const before = writer.length;
    expect(() => {
      writeMethod(writer, 1, 'queue.declare', { queue: 'x'.repeat(256) }, 0);
    }).toThrow(ArgumentError);
    expect(() => {
      const headers = { deep: { list: [1, () => 2] } } as unknown as FieldTable;
      writeContent(writer, 1, 'basic.publish', { exchange: '', routingKey: '' }, { headers }, Buffer.alloc(1), 0);
    }).toThrow(/headers\.deep\.list\[1\]/);
    expect(writer.length).toBe(before);
    writeMethod(writer, 1, 'channel.open', {}, 0);
    expect(parse([Buffer.concat(writer.take())])).toHaveLength(2);
  });
});
