import { isTopicPattern, topicMatches } from '../../../lib/nest/transport/topic-pattern.js';

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
});
