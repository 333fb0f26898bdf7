/**
 * Topic patterns: words between dots, `*` for exactly one word, `#` for zero or more.
 *
 * Pure, and linear in pattern times key: no key makes a pattern slow.
 */

/** Splits a routing key or a pattern into words; an empty one has none, as on RabbitMQ. */
export function topicWords(text: string): string[] {
  return text === '' ? [] : text.split('.');
}

/** Whether a pattern's words match a routing key's words. */
export function matchesTopic(pattern: readonly string[], words: readonly string[]): boolean {
  let patternIndex = 0;
  let wordIndex = 0;
  /** Where to go on when the words after the last `#` do not match: let it swallow one word more. */
  let retryPattern = -1;
  let retryWord = -1;
  while (wordIndex < words.length) {
    const expected = pattern[patternIndex];
    if (expected === '#') {
      retryPattern = ++patternIndex;
      retryWord = wordIndex;
    } else if (expected !== undefined && (expected === '*' || expected === words[wordIndex])) {
      patternIndex++;
      wordIndex++;
    } else if (retryPattern >= 0) {
      patternIndex = retryPattern;
      wordIndex = ++retryWord;
    } else {
      return false;
    }
  }
  while (pattern[patternIndex] === '#') patternIndex++;
  return patternIndex === pattern.length;
}
