/** Topic patterns in a tree: the same answers as each pattern alone, whatever was added and removed. */
import fc from 'fast-check';
import { TopicTrie } from '../../../lib/broker/store/topic-trie.js';

const word = fc.constantFrom('a', 'b', '');
const pattern = fc.array(fc.oneof(word, fc.constantFrom('*', '#')), { maxLength: 6 }).map((words) => words.join('.'));
const routingKey = fc
  .array(fc.oneof(word, fc.constantFrom('*', '#')), { maxLength: 6 })
  .map((words) => words.join('.'));

/** The definition, word by word. */
function naive(expected: readonly string[], words: readonly string[]): boolean {
  const [first, ...rest] = expected;
  if (first === undefined) return words.length === 0;
  if (first === '#') return naive(rest, words) || (words.length > 0 && naive(expected, words.slice(1)));
  return words.length > 0 && (first === '*' || first === words[0]) && naive(rest, words.slice(1));
}

const wordsOf = (text: string): string[] => (text === '' ? [] : text.split('.'));

describe('a tree of topic patterns', () => {
  it('agrees with a plain matcher of each pattern', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(pattern, fc.boolean()), { maxLength: 12 }), routingKey, (entries, key) => {
        const trie = new TopicTrie<string>();
        const left = new Set<string>();
        for (const [text] of entries) {
          trie.add(text, 'k', text);
          left.add(text);
        }
        for (const [text, isRemoved] of entries) {
          if (!isRemoved) continue;
          trie.remove(text, 'k');
          left.delete(text);
        }
        const expected = [...left].filter((text) => naive(wordsOf(text), wordsOf(key)));
        expect(trie.match(key).sort()).toEqual(expected.sort());
      }),
      { numRuns: 2_000 },
    );
  });

  it('keeps what several bindings have under one pattern', () => {
    const trie = new TopicTrie<number>();
    trie.add('a.#', 'one', 1);
    trie.add('a.#', 'two', 2);
    trie.remove('a.#', 'one');
    trie.remove('a.#.b', 'none');
    expect(trie.match('a.b.c')).toEqual([2]);
    trie.remove('a.#', 'two');
    expect(trie.match('a')).toEqual([]);
  });

  it('takes a long key of many words in good time', () => {
    const trie = new TopicTrie<number>();
    trie.add(Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? '#' : 'a')).join('.'), 'k', 1);
    const start = performance.now();
    expect(trie.match([...Array.from({ length: 2_000 }, () => 'a'), 'b'].join('.'))).toEqual([]);
    expect(performance.now() - start).toBeLessThan(500);
  });
});
