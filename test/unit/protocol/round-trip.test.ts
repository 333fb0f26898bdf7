/** What is encoded is read back the same: methods, properties, field tables, whole messages. */
import fc from 'fast-check';
import { ArgumentError } from '../../../lib/amqp/errors.js';
import {
  ByteReader,
  ByteWriter,
  heartbeatFrame,
  PublishEncoder,
  readProperties,
  readTable,
  writeAck,
  writeContent,
  writeHeartbeat,
  writeMethod,
  writeProperties,
  writeTable,
} from '../../../lib/amqp/protocol/index.js';
import { anyMethod, body, methodArbitraries, properties, tablePair } from './arbitraries.js';
import { cut, parse } from './recording-sink.js';

function written(write: (writer: ByteWriter) => void): Buffer {
  const writer = new ByteWriter();
  write(writer);
  return Buffer.concat(writer.take());
}

const channel = fc.integer({ min: 0, max: 0xffff });

describe('methods', () => {
  it.each(methodArbitraries.map(([name, arbitrary]) => ({ name, arbitrary })))(
    'reads $name as it was written',
    ({ arbitrary }) => {
      fc.assert(
        fc.property(arbitrary, channel, (method, number) => {
          const bytes = written((writer) => {
            writeMethod(writer, number, method.name, method.written, 0);
          });
          expect(parse([bytes])).toEqual([{ kind: 'method', channel: number, name: method.name, fields: method.read }]);
        }),
        { numRuns: 40 },
      );
    },
  );

  it('writes basic.publish by hand exactly as the generated encoders do, however often parts of it come again', () => {
    const name = fc.string({ unit: 'grapheme', maxLength: 60 });
    const message = fc.record({ exchange: name, routingKey: name, mandatory: fc.boolean(), properties, body });
    const index = fc.constantFrom<(0 | 1 | 2)[]>(0, 1, 2);
    const order = fc.array(fc.tuple(index, index, index), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(fc.tuple(message, message, message), order, (messages, indices) => {
        const writer = new ByteWriter(64);
        const encoder = new PublishEncoder(writer, 7, 4096);
        for (const [route, kind, content] of indices) {
          const { exchange, routingKey, mandatory } = messages[route];
          const { written: given } = messages[kind].properties;
          const bytes = messages[content].body;
          encoder.write(exchange, routingKey, mandatory, { ...given }, bytes);
          const generated = written((other) => {
            const fields = { exchange, routingKey, mandatory, immediate: false };
            writeContent(other, 7, 'basic.publish', fields, given, bytes, 4096);
          });
          expect(Buffer.concat(writer.take()).equals(generated)).toBe(true);
        }
      }),
    );
  });

  it('forgets nothing of a publish that came twice when the next one cannot be encoded', () => {
    const writer = new ByteWriter();
    const encoder = new PublishEncoder(writer, 7, 4096);
    const bytes = (): string => Buffer.concat(writer.take()).toString('hex');
    encoder.write('events', 'a', false, { contentType: 'text/plain' }, Buffer.from('x'));
    const first = bytes();
    encoder.write('events', 'a', false, { contentType: 'text/plain' }, Buffer.from('x'));
    expect(bytes()).toBe(first);
    for (const properties of [{ contentType: 'x'.repeat(256) }, { priority: 256 }]) {
      expect(() => encoder.write('events', 'a', false, properties, Buffer.from('x'))).toThrow(ArgumentError);
      expect(() => encoder.write('e'.repeat(256), 'a', false, properties, Buffer.from('x'))).toThrow(ArgumentError);
      expect(bytes()).toBe('');
      encoder.write('events', 'a', false, { contentType: 'text/plain' }, Buffer.from('x'));
      expect(bytes()).toBe(first);
    }
  });

  it('writes basic.ack by hand exactly as the generated encoder does', () => {
    fc.assert(
      fc.property(channel, fc.maxSafeNat(), fc.boolean(), (number, deliveryTag, multiple) => {
        const byHand = written((writer) => {
          writeAck(writer, number, deliveryTag, multiple);
        });
        const generated = written((writer) => {
          writeMethod(writer, number, 'basic.ack', { deliveryTag, multiple }, 0);
        });
        expect(byHand.equals(generated)).toBe(true);
      }),
    );
  });
});

describe('field tables and properties', () => {
  it('reads every type of field as it was written, nested ones too', () => {
    fc.assert(
      fc.property(tablePair, (table) => {
        const bytes = written((writer) => {
          writer.begin();
          writeTable(writer, table.written, 'table');
          writer.commit();
        });
        const reader = new ByteReader(bytes);
        expect(readTable(reader)).toEqual(table.read);
        expect(reader.remaining).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it('reads properties as they were written', () => {
    fc.assert(
      fc.property(properties, (props) => {
        const bytes = written((writer) => {
          writer.begin();
          writeProperties(writer, props.written);
          writer.commit();
        });
        const reader = new ByteReader(bytes);
        expect(readProperties(reader)).toEqual(props.read);
        expect(reader.remaining).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});

describe('frames', () => {
  it('are the same however the bytes are cut', () => {
    const message = fc.record({ method: anyMethod, props: properties, content: body, number: channel });
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(), { maxLength: 30 }),
        fc.integer({ min: 512, max: 4096 }),
        (messages, positions, frameMax) => {
          const bytes = written((writer) => {
            for (const { method, props, content, number } of messages) {
              writeMethod(writer, number, method.name, method.written, 0);
              writeHeartbeat(writer);
              writer.begin();
              writer.commit();
              const encoded = written((inner) => {
                inner.begin();
                writeProperties(inner, props.written);
                inner.commit();
              });
              if (encoded.length > 200) continue;
              const fields = { exchange: '', routingKey: 'key' };
              writeContent(writer, number, 'basic.publish', fields, encoded, content, frameMax);
            }
          });
          const whole = parse([bytes]);
          expect(parse(cut(bytes, positions))).toEqual(whole);
          expect(parse([...bytes].map((octet) => Buffer.from([octet])))).toEqual(whole);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('carry bodies whole, whatever the frame size', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30_000 }), fc.integer({ min: 64, max: 20_000 }), (content, frameMax) => {
        const bytes = written((writer) => {
          writeContent(writer, 1, 'basic.publish', { exchange: '', routingKey: '' }, {}, content, frameMax);
        });
        const frames = parse([bytes], { frameMax, headerFrameMax: 1024 });
        const bodies = frames.flatMap((frame) => (frame.kind === 'body' ? [frame.hex] : []));
        expect(bodies.join('')).toBe(Buffer.from(content).toString('hex'));
        expect(bodies).toHaveLength(Math.ceil(content.length / (frameMax - 8)));
      }),
      { numRuns: 60 },
    );
  });

  it('include heartbeats', () => {
    expect(parse([heartbeatFrame])).toEqual([{ kind: 'heartbeat' }]);
  });
});
