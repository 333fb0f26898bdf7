/** How a test's expectation of a message is held against what came, and the words for what differs. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { differences, errorDifferences, shown } from '../../../lib/testing/matching.js';

describe('a pattern', () => {
  test.each<[pattern: unknown, value: unknown]>([
    [{ id: 1 }, { id: 1, total: 9.5 }],
    [{ order: { id: 1 } }, { order: { id: 1, lines: [] }, at: 'noon' }],
    [
      [1, { a: 2 }],
      [1, { a: 2, b: 3 }],
    ],
    [/^order\./, 'order.created'],
    [(total: number) => total > 9, 9.5],
    [expect.objectContaining({ id: expect.any(Number) }), { id: 1 }],
    [Buffer.from('hay'), new Uint8Array(Buffer.from('hay'))],
    [new Date(0), new Date(0)],
    [NaN, NaN],
    [10n, 10n],
    [null, null],
    [{ gone: undefined }, {}],
  ])('%p stands for %p', (pattern, value) => {
    expect(differences(pattern, value, 'payload')).toEqual([]);
  });

  test.each<[pattern: unknown, value: unknown, difference: string]>([
    [{ id: 1 }, { id: 2 }, 'payload.id: expected 1, was 2'],
    [{ order: { id: 1 } }, { order: null }, 'payload.order: expected { id: 1 }, was null'],
    [[1], [1, 2], 'payload: expected [ 1 ], was [ 1, 2 ]'],
    [[{ a: 1 }], [{ a: 2 }], 'payload[0].a: expected 1, was 2'],
    [{ 0: 'a' }, ['a'], "payload: expected { '0': 'a' }, was [ 'a' ]"],
    [/^order\./, 'invoice.created', "payload: expected /^order\\./, was 'invoice.created'"],
    [/1/, 1, 'payload: expected /1/, was 1'],
    [() => false, 9.5, 'payload: not 9.5'],
    [Buffer.from('hay'), 'hay', "payload: expected <Buffer 68 61 79>, was 'hay'"],
    [expect.any(Number), 'hay', "payload: expected Any<Number>, was 'hay'"],
    [new Date(0), 0, 'payload: expected 1970-01-01T00:00:00.000Z, was 0'],
    [{ constructor: 1 }, {}, 'payload.constructor: expected 1, was undefined'],
    [0, -0, 'payload: expected 0, was -0'],
  ])('%p does not stand for %p', (pattern, value, difference) => {
    expect(differences(pattern, value, 'payload')).toEqual([difference]);
  });

  test('any value stands for itself', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => differences(value, structuredClone(value), '').length === 0));
  });

  test('a regular expression that remembers where it was is asked anew each time', () => {
    const pattern = /a/g;
    expect([1, 2, 3].flatMap(() => differences(pattern, 'a', ''))).toEqual([]);
  });

  test('what differs much is told in a few short lines', () => {
    const many = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [`name${String(index)}`, 'x'.repeat(9_999)]),
    );
    const told = differences(many, {}, 'payload');
    expect(told).toHaveLength(4);
    expect(told.join('\n').length).toBeLessThan(1_500);
    expect(shown(many).length).toBeLessThan(220);
  });

  test('what holds itself does not go on for ever', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    expect(differences(circle, circle, '')).toEqual([]);
  });
});

describe('an error', () => {
  class OutOfStock extends Error {}
  const error = new OutOfStock('no carrots left');

  test.each([
    [OutOfStock],
    [Error],
    ['carrots'],
    [/left$/],
    [{ message: 'no carrots left' }],
    [undefined],
    [(one: unknown) => one === error],
  ])('is what %p says', (pattern) => {
    expect(errorDifferences(pattern, error)).toEqual([]);
  });

  test('is told by its class and its words', () => {
    expect(errorDifferences(TypeError, error)).toEqual(["error: expected TypeError, was Error 'no carrots left'"]);
    expect(errorDifferences('hay', error)).toEqual(["error: expected 'hay', was Error 'no carrots left'"]);
    expect(errorDifferences(OutOfStock, undefined)).toEqual(['error: expected OutOfStock, was none']);
  });
});
