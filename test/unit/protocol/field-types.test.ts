/** Each type tag that RabbitMQ knows, byte for byte: what is read, and what writes it. */
import { ArgumentError, FrameSyntaxError } from '../../../lib/amqp/errors.js';
import {
  ByteReader,
  ByteWriter,
  copyTable,
  readTable,
  TypedField,
  writeTable,
  type FieldTable,
  type FieldValue,
} from '../../../lib/amqp/protocol/index.js';

/** A table of one field `f`. */
function tableOf(tag: string, hex: string): Buffer {
  const entry = Buffer.concat([Buffer.from(`\x01f${tag}`, 'latin1'), Buffer.from(hex, 'hex')]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(entry.length);
  return Buffer.concat([length, entry]);
}

function write(table: FieldTable, maximumUnit = Infinity): Buffer {
  const writer = new ByteWriter();
  writer.maximumUnit = maximumUnit;
  writer.begin();
  writeTable(writer, table, 'headers');
  writer.commit();
  return Buffer.concat(writer.take());
}

type Vector = readonly [tag: string, hex: string, read: FieldValue, written?: FieldValue];
const vectors: readonly Vector[] = [
  ['t', '01', true],
  ['b', 'ff', -1, new TypedField('int8', -1)],
  ['B', 'ff', 255, new TypedField('uint8', 255)],
  ['s', 'fffe', -2, new TypedField('int16', -2)],
  ['u', 'fffe', 65_534, new TypedField('uint16', 65_534)],
  ['I', 'fffffffd', -3],
  ['i', 'fffffffd', 4_294_967_293, new TypedField('uint32', 4_294_967_293)],
  ['l', '0020000000000001', 2n ** 53n + 1n],
  ['l', 'ffffffffffffffff', -1, -1n],
  ['f', '3fc00000', 1.5, new TypedField('float', 1.5)],
  ['d', '3ff8000000000000', 1.5],
  ['D', '02000004d2', new TypedField('decimal', 1_234, 2)],
  ['S', '00000002c3bc', 'ü'],
  ['x', '0000000200ff', Buffer.from([0, 255])],
  ['A', '000000057401567400', [true, null, false]],
  ['T', '000000006553f100', new Date(1_700_000_000_000)],
  ['F', '00000003016156', { a: null }],
  ['V', '', null],
];

describe('a field of type', () => {
  test.each(
    vectors.map(([tag, hex, read, ...rest]) => ({ tag, hex, read, written: rest.length > 0 ? rest[0] : read })),
  )('$tag ($hex) is read and written', ({ tag, hex, read, written }) => {
    const bytes = tableOf(tag, hex);
    expect(readTable(new ByteReader(bytes))).toEqual({ f: read });
    expect(write({ f: written }).toString('hex')).toBe(bytes.toString('hex'));
  });

  test('L, which others write for int64, is read as l is; RabbitMQ too takes it for signed', () => {
    expect(readTable(new ByteReader(tableOf('L', 'fffffffffffffffe')))).toEqual({ f: -2 });
    expect(readTable(new ByteReader(tableOf('L', '7fffffffffffffff')))).toEqual({ f: 2n ** 63n - 1n });
  });

  test.each(['U', 'Z', '\0', '~'])('%j is unknown: FrameSyntaxError', (tag) => {
    expect(() => readTable(new ByteReader(tableOf(tag, '00')))).toThrow(FrameSyntaxError);
  });
});

describe('what cannot be written', () => {
  test('is named by a path that is short however deep or long the table is', () => {
    const circular: Record<string, unknown> = {};
    circular['n'.repeat(200)] = circular;
    const problems = [circular, { ['n'.repeat(1_000_000)]: 1 }, { huge: 1n << 1_000_000n }];
    for (const table of problems as FieldTable[]) {
      let error: unknown;
      try {
        write(table);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(ArgumentError);
      expect((error as ArgumentError).argument.length).toBeLessThan(500);
      expect((error as ArgumentError).message.length).toBeLessThan(1_000);
    }
  });

  test('a text with a lone surrogate would arrive as another one: ArgumentError; pairs are text', () => {
    expect(() => write({ text: 'half \ud83d' })).toThrow(/headers\.text: .*surrogate/);
    expect(() => write({ 'half \ud83d': 1 })).toThrow(ArgumentError);
    expect(() => write({ ['k'.repeat(100) + '\udc00']: 1 })).toThrow(ArgumentError);
    expect(readTable(new ByteReader(write({ '😀': '😀'.repeat(50) })))).toEqual({ '😀': '😀'.repeat(50) });
  });

  test('what no frame could hold is refused before it is encoded to its end', () => {
    for (const value of ['x'.repeat(10_000_000), new Array<null>(2 ** 31), Buffer.alloc(10_000_000)]) {
      expect(() => write({ value }, 100_000)).toThrow(ArgumentError);
    }
  });
});

describe('a copied table', () => {
  test('has nothing in common with the original, and is equal to it', () => {
    const original = {
      list: [{ a: 1 }],
      bytes: Buffer.from([1]),
      time: new Date(0),
      typed: new TypedField('int8', 5),
      none: null,
      ['__proto__']: 'a field',
    };
    const copy = copyTable(original, 'arguments');
    expect(copy).toEqual(original);
    original.list[0] = { a: 2 };
    original.bytes[0] = 9;
    original.time.setTime(1);
    expect(copy).toMatchObject({ list: [{ a: 1 }], bytes: Buffer.from([1]), time: new Date(0) });
    expect(copy['typed']).toBeInstanceOf(TypedField);
  });

  test('keeps a field of the name __proto__ as a field', () => {
    const original = Object.fromEntries([['__proto__', { polluted: true }]]);
    const copy = copyTable(original, 'arguments');
    expect(Object.hasOwn(copy, '__proto__')).toBe(true);
    expect(copy['polluted']).toBeUndefined();
  });
});
