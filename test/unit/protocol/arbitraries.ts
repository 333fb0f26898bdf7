/** Arbitrary methods, properties and field tables, made from the specification itself. */
import fc from 'fast-check';
import {
  TypedField,
  type BasicProperties,
  type FieldTable,
  type FieldValue,
} from '../../../lib/amqp/protocol/index.js';
import { basicProperties, classes, type Domain } from '../../../lib/amqp/protocol/spec.js';
import type { MethodInputs, MethodName } from '../../../lib/amqp/protocol/generated/methods.js';

/** Text whose UTF-8 survives a round trip: no lone surrogates. */
const text = (maxBytes: number): fc.Arbitrary<string> =>
  fc.string({ unit: 'grapheme', maxLength: maxBytes }).filter((value) => Buffer.byteLength(value) <= maxBytes);

const bytes = fc.uint8Array({ maxLength: 300 }).map((value) => Buffer.from(value));
const date = fc.integer({ min: 0, max: 0xffff_ffff }).map((seconds) => new Date(seconds * 1000));

/** A field value, and what it is read back as. */
export interface FieldPair {
  readonly written: FieldValue;
  readonly read: FieldValue;
}

const same = (value: FieldValue): FieldPair => ({ written: value, read: value });
const typedInteger = (
  type: 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32',
  min: number,
  max: number,
): fc.Arbitrary<FieldPair> =>
  fc.integer({ min, max }).map((value) => ({ written: new TypedField(type, value), read: value }));
const narrowed = (value: bigint): FieldValue => (Number.isSafeInteger(Number(value)) ? Number(value) : value);

/** One arbitrary for each type tag that RabbitMQ knows, and for each plain JavaScript value. */
/** What is no number is refused before it is written. */
const finite = { noNaN: true, noDefaultInfinity: true } as const;

const scalars: readonly fc.Arbitrary<FieldPair>[] = [
  fc.boolean().map(same),
  typedInteger('int8', -0x80, 0x7f),
  typedInteger('uint8', 0, 0xff),
  typedInteger('int16', -0x8000, 0x7fff),
  typedInteger('uint16', 0, 0xffff),
  typedInteger('int32', -0x8000_0000, 0x7fff_ffff),
  typedInteger('uint32', 0, 0xffff_ffff),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => ({ written: value, read: narrowed(value) })),
  fc
    .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
    .map((value) => ({ written: new TypedField('int64', value), read: narrowed(value) })),
  fc.maxSafeInteger().map(same),
  fc.double(finite).map(same),
  fc.double(finite).map((value) => ({ written: new TypedField('double', value), read: value })),
  fc.float(finite).map((value) => ({ written: new TypedField('float', value), read: value })),
  fc
    .tuple(fc.integer({ min: 0, max: 0xffff_ffff }), fc.integer({ min: 0, max: 255 }))
    .map(([value, scale]) => same(new TypedField('decimal', value, scale))),
  text(400).map(same),
  bytes.map(same),
  date.map(same),
  fc.bigInt({ min: 8_640_000_000_001n, max: 2n ** 64n - 1n }).map((value) => same(new TypedField('timestamp', value))),
  fc.constant(same(null)),
];

const fieldName = fc.oneof(
  { weight: 9, arbitrary: text(255) },
  { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'toString', '') },
);

/** Pairs of a name and a value, as a table in which even `__proto__` is a field like any other. */
function asTable(entries: readonly (readonly [string, FieldValue])[]): FieldTable {
  return Object.fromEntries<FieldValue>(entries);
}

const { pair } = fc.letrec<{ pair: FieldPair; array: FieldPair; table: FieldPair }>((tie) => ({
  pair: fc.oneof({ depthSize: 'small' }, ...scalars, tie('array'), tie('table')),
  array: fc
    .array(tie('pair'), { maxLength: 4 })
    .map((items) => ({ written: items.map(({ written }) => written), read: items.map(({ read }) => read) })),
  table: fc.array(fc.tuple(fieldName, tie('pair')), { maxLength: 4 }).map((entries) => ({
    written: asTable(entries.map(([name, { written }]) => [name, written])),
    read: asTable(entries.map(([name, { read }]) => [name, read])),
  })),
}));

export const fieldPair: fc.Arbitrary<FieldPair> = pair;

export const tablePair = fc.array(fc.tuple(fieldName, pair), { maxLength: 6 }).map((entries) => ({
  written: asTable(entries.map(([name, { written }]) => [name, written])),
  read: asTable(entries.map(([name, { read }]) => [name, read])),
}));

/** Per domain: what is written, and what is read. */
const domains: Record<Domain, fc.Arbitrary<{ written: unknown; read: unknown }>> = {
  bit: fc.boolean().map(both),
  octet: fc.integer({ min: 0, max: 0xff }).map(both),
  short: fc.integer({ min: 0, max: 0xffff }).map(both),
  long: fc.integer({ min: 0, max: 0xffff_ffff }).map(both),
  longlong: fc.maxSafeNat().map(both),
  shortstr: text(255).map(both),
  longstr: text(500).map(both),
  bytes: bytes.map(both),
  table: tablePair,
  timestamp: date.map(both),
};

function both<Value>(value: Value): { written: Value; read: Value } {
  return { written: value, read: value };
}

function fieldsOf(
  specifications: readonly string[],
  areOptional = false,
): fc.Arbitrary<{ written: Record<string, unknown>; read: Record<string, unknown> }> {
  const arbitraries: Record<string, fc.Arbitrary<{ written: unknown; read: unknown }>> = {};
  for (const specification of specifications) {
    const [name = '', domain] = specification.split(':');
    if (!name.startsWith('[')) arbitraries[name] = domains[domain as Domain];
  }
  return fc.record(arbitraries, areOptional ? { requiredKeys: [] } : {}).map((fields) => ({
    written: Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field?.written])),
    read: Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field?.read])),
  }));
}

export interface MethodPair {
  readonly name: MethodName;
  readonly written: MethodInputs[MethodName];
  readonly read: unknown;
}

/** Each method of the specification, with arbitrary fields. */
export const methodArbitraries: readonly (readonly [MethodName, fc.Arbitrary<MethodPair>])[] = classes.flatMap(
  (amqpClass) =>
    amqpClass.methods.map((method) => {
      const name = `${amqpClass.name}.${method.name}` as MethodName;
      const pairs = fieldsOf(method.fields).map(({ written, read }) => ({
        name,
        written: written,
        read,
      }));
      return [name, pairs] as const;
    }),
);

export const anyMethod: fc.Arbitrary<MethodPair> = fc.oneof(...methodArbitraries.map(([, arbitrary]) => arbitrary));

export const properties: fc.Arbitrary<{ written: BasicProperties; read: BasicProperties }> = fieldsOf(
  basicProperties,
  true,
).map(({ written, read }) => ({ written, read }));

export const body = fc.uint8Array({ maxLength: 3000 }).map((value) => Buffer.from(value));
