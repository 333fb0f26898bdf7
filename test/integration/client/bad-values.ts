/** Values that no method takes, by what they stand for. Knows no method. */
import { TypedField, type FieldTable } from 'leveret/amqp';

/** What is wrong with a value, and the value. */
export type BadValue = readonly [fault: string, value: unknown];

const circular: Record<string, unknown> = {};
circular['again'] = circular;
const circularList: unknown[] = [];
circularList.push(circularList);

function nested(levels: number): FieldTable {
  let table: FieldTable = {};
  for (let level = 1; level < levels; level++) table = { deeper: table };
  return table;
}

function throwing(name: string): object {
  return Object.defineProperty({}, name, {
    enumerable: true,
    get: () => {
      throw new Error('do not look');
    },
  });
}

export const throwingGetter = throwing;

/** No text can be made of it. */
const bare: unknown = Object.create(null);

export const notTexts: readonly BadValue[] = [
  ['null', null],
  ['a number', 5],
  ['a boolean', true],
  ['a symbol', Symbol('name')],
  ['an object', { toString: () => 'name' }],
  ['an array', ['name']],
  ['a Buffer', Buffer.from('name')],
];

export const badNames: readonly BadValue[] = [
  ...notTexts,
  ['256 bytes', 'k'.repeat(256)],
  ['128 characters of two bytes', 'ü'.repeat(128)],
  ['a lone surrogate', 'half \ud83d'],
  ['a long name with a lone surrogate', `${'k'.repeat(60)}\udc00`],
];

export const badBooleans: readonly BadValue[] = [
  ['null', null],
  ['a number', 1],
  ['a text', 'true'],
  ['an object', {}],
];

export const badCounts: readonly BadValue[] = [
  ['negative', -1],
  ['fractional', 1.5],
  ['NaN', Number.NaN],
  ['infinite', Infinity],
  ['huge', 2 ** 60],
  ['a text', '5'],
  ['null', null],
  ['a boolean', true],
  ['a bigint', 5n],
  ['a symbol', Symbol('count')],
  ['an object that gives no text', bare],
];

/** In place of an object of options or a table. */
export const notObjects: readonly BadValue[] = [
  ['null', null],
  ['a number', 5],
  ['a boolean', true],
  ['a text', 'durable'],
  ['a symbol', Symbol('options')],
  ['an array', []],
  ['a Map', new Map([['durable', false]])],
  ['a Date', new Date()],
  ['a function', () => undefined],
];

export const notFunctions: readonly BadValue[] = [
  ['null', null],
  ['undefined', undefined],
  ['a number', 5],
  ['a text', 'callback'],
  ['an object', {}],
  ['a symbol', Symbol('callback')],
];

export const badBodies: readonly BadValue[] = [
  ['null', null],
  ['undefined', undefined],
  ['a number', 5],
  ['an object', { order: 1 }],
  ['an array', [1, 2]],
  ['a symbol', Symbol('body')],
  ['a boolean', true],
  ['a bigint', 1n],
  ['an ArrayBuffer', new ArrayBuffer(2)],
  ['an array of 16-bit numbers', new Uint16Array([1])],
  ['a function', () => 'body'],
];

export const badSignals: readonly BadValue[] = [
  ['null', null],
  ['a boolean', true],
  ['an AbortController', new AbortController()],
  ['half a signal', { aborted: false }],
];

export const badMilliseconds: readonly BadValue[] = [...badCounts, ['zero', 0], ['over 24 days', 2 ** 31]];

/** Tables that cannot be encoded, and the path that the error names below the table's own name. */
export const badTables: readonly (readonly [fault: string, table: unknown, path: string])[] = [
  ['a function', { bad: () => 1 }, '.bad'],
  ['a symbol', { bad: Symbol('no') }, '.bad'],
  ['NaN', { bad: Number.NaN }, '.bad'],
  ['infinity', { bad: -Infinity }, '.bad'],
  ['an integer beyond int64', { bad: 2n ** 64n }, '.bad'],
  ['an integer below int64', { bad: -(2n ** 63n) - 1n }, '.bad'],
  ['a bigint of a megabyte', { bad: 1n << 100_000n }, '.bad'],
  ['an invalid date', { bad: new Date(Number.NaN) }, '.bad'],
  ['a date before 1970', { bad: new Date(-1_000) }, '.bad'],
  ['a Map', { bad: new Map() }, '.bad'],
  ['a Set', { bad: new Set() }, '.bad'],
  ['an Error', { bad: new Error('no') }, '.bad'],
  ['an ArrayBuffer', { bad: new ArrayBuffer(1) }, '.bad'],
  ['a promise', { bad: Promise.resolve() }, '.bad'],
  ['a typed field that does not fit', { bad: new TypedField('int8', 200) }, '.bad'],
  ['a typed field of no type', { bad: new TypedField('int9' as never, 1) }, '.bad'],
  ['a decimal whose scale is none', { bad: new TypedField('decimal', 1, 300) }, '.bad'],
  ['a lone surrogate in a text', { bad: '\ud800' }, '.bad'],
  ['something deep inside', { list: [1, { deep: [true, () => 2] }] }, '.list[1].deep[1]'],
  ['a getter that throws', { inner: throwing('bad') }, '.inner.bad'],
  ['a table in itself', circular, '.again.again'],
  ['a list in itself', { list: circularList }, '.list[0][0]'],
  ['a table nested too deep', nested(70), '.deeper.deeper'],
];

/** Tables whose error names a field's name, or no place at all. */
export const oversizedTables: readonly BadValue[] = [
  ['a name over 255 bytes', { ['n'.repeat(256)]: 1 }],
  ['a name over 255 bytes, deep inside', { list: [{ ['ü'.repeat(128)]: 1 }] }],
  ['a name with a lone surrogate', { 'bad \udfff': 1 }],
  ['a text over frame_max', { big: 'x'.repeat(200_000) }],
  ['a list of two thousand million', { list: new Array(2 ** 31) }],
];
