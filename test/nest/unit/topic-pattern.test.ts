import fc from 'fast-check';
import { isTopicPattern, topicMatches, topicsOverlap } from '../../../lib/nest/topic-pattern.js';

describe("topic patterns follow AMQP's own rules", () => {
  test.each([
    ['order.*', 'order.created', true],
    ['order.*', 'order', false],
    ['order.*', 'order.created.late', false],
    ['order.#', 'order', true],
    ['order.#', 'order.created.late', true],
    ['#.audit', 'audit', true],
    ['#.audit', 'a.b.audit', true],
    ['#.audit', 'a.b.audit.c', false],
    ['a.#.z', 'a.z', true],
    ['a.#.z', 'a.b.c.z', true],
    ['a.#.*.z', 'a.z', false],
    ['a.#.*.z', 'a.b.z', true],
    ['#', '', true],
    ['*', '', false],
    ['#.#', 'a', true],
    ['*.*', 'a.b', true],
    ['a..b', 'a..b', true],
    ['a.*.b', 'a..b', true],
    ['ord*', 'orders', false],
  ])('%s and %s: %s', (pattern, routingKey, expected) => {
    expect(topicMatches(pattern, routingKey)).toBe(expected);
  });

  test('only whole words are wildcards', () => {
    expect(isTopicPattern('a.*')).toBe(true);
    expect(isTopicPattern('#')).toBe(true);
    expect(isTopicPattern('a*.b')).toBe(false);
  });

  test('a long pattern of many # is decided at once', () => {
    const since = performance.now();
    expect(topicMatches(Array(200).fill('#').join('.') + '.end', Array(500).fill('a').join('.'))).toBe(false);
    expect(performance.now() - since).toBeLessThan(500);
  });

  test.each([
    ['order.created', 'order.created', true],
    ['order.created', 'order.paid', false],
    ['order.*', 'order.created', true],
    ['order.*', '*.created', true],
    ['order.*', 'invoice.*', false],
    ['order.*', 'order.*.late', false],
    ['order.#', 'order', true],
    ['#.audit', 'order.#', true],
    ['a.#.z', '*', false],
    ['', '#', true],
    ['', '*', false],
  ])('%s and %s have a key in common: %s', (one, other, expected) => {
    expect(topicsOverlap(one, other)).toBe(expected);
    expect(topicsOverlap(other, one)).toBe(expected);
  });

  test('two patterns overlap just where some key matches both', () => {
    const pattern = fc.array(fc.constantFrom('a', 'b', '*', '#'), { maxLength: 3 }).map((words) => words.join('.'));
    fc.assert(
      fc.property(pattern, pattern, (one, other) => {
        const isShared = keys.some((key) => topicMatches(one, key) && topicMatches(other, key));
        expect(topicsOverlap(one, other)).toBe(isShared);
      }),
    );
  });
});

/** All keys of up to six words, which is as many as two patterns of three can need. */
const keys = (function all(length: number): string[] {
  if (length === 0) return [''];
  const shorter = all(length - 1);
  const longest = shorter.filter((key) => (key === '' ? 0 : key.split('.').length) === length - 1);
  return [...shorter, ...longest.flatMap((key) => ['a', 'b'].map((word) => (key === '' ? word : `${key}.${word}`)))];
})(6);
