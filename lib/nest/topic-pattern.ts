/** AMQP's own rules for topic patterns: words between dots, `*` is one word, `#` any number of words, at any place. */

export function isTopicPattern(pattern: string): boolean {
  return pattern.split('.').some((word) => word === '*' || word === '#');
}

/** Says whether the routing key matches. */
export function topicMatches(pattern: string, routingKey: string): boolean {
  const key = wordsOf(routingKey);
  // The positions in the key that the pattern's words so far can have reached.
  let reached = new Set([0]);
  for (const word of wordsOf(pattern)) {
    const next = new Set<number>();
    if (word === '#') {
      for (let position = Math.min(...reached); position <= key.length; position++) next.add(position);
    } else {
      for (const position of reached) {
        if (position < key.length && (word === '*' || word === key[position])) next.add(position + 1);
      }
    }
    if (next.size === 0) return false;
    reached = next;
  }
  return reached.has(key.length);
}

/** Says whether there is a routing key that both match. */
export function topicsOverlap(one: string, other: string): boolean {
  const first = wordsOf(one);
  const second = wordsOf(other);
  // From the end to the beginning: `common[at]` says whether what is left of the first pattern, and of the second one from
  // its word `at` on, have a key in common.
  let common = Array.from({ length: second.length + 1 }, (_, at) => second.slice(at).every((word) => word === '#'));
  for (const word of first.toReversed()) {
    const before: boolean[] = [];
    for (let at = second.length; at >= 0; at--) {
      const facing = second[at];
      if (word === '#' || facing === '#') {
        // One of them stands for nothing, or takes a word of the other.
        const isFirstPassed = common[at] === true;
        const isSecondPassed = facing !== undefined && before[at + 1] === true;
        before[at] = isFirstPassed || isSecondPassed;
      } else {
        const isSameWord = facing !== undefined && (word === '*' || facing === '*' || word === facing);
        before[at] = isSameWord && common[at + 1] === true;
      }
    }
    common = before;
  }
  return common[0] === true;
}

function wordsOf(pattern: string): string[] {
  return pattern === '' ? [] : pattern.split('.');
}
