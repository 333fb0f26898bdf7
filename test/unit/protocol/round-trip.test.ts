/** What is encoded is read back the same: methods, properties, field tables, whole messages. */
import fc from 'fast-check';
import {
  ByteReader,
  ByteWriter,
  heartbeatFrame,
  readProperties,
  readTable,
  writeAck,
  writeContent,
  writeHeartbeat,
  writeMethod,
  writeProperties,
  writePublish,
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

  it('writes basic.publish and basic.ack by hand exactly as the generated encoders do', () => {
    const exchange = fc.string({ unit: 'grapheme', maxLength: 60 });
    fc.assert(
      fc.property(exchange, exchange, fc.boolean(), properties, body, (name, routingKey, mandatory, props, content) => {
        const byHand = written((writer) => {
          writePublish(writer, 7, name, routingKey, mandatory, props.written, content, 4096);
        });
        const generated = written((writer) => {
          writeContent(
            writer,
            7,
            'basic.publish',
            { exchange: name, routingKey, mandatory, immediate: false },
            props.written,
            content,
            4096,
          );
        });
        expect(byHand.equals(generated)).toBe(true);
      }),
    );
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
