/** AMQP's own rules for topic patterns: words between dots, `*` is one word, `#` any number of words, at any place. */

export function isTopicPattern(pattern: string): boolean {
  return pattern.split('.').some((word) => word === '*' || word === '#');
}

/** Says whether the routing key matches. */
export function topicMatches(pattern: string, routingKey: string): boolean {
  const key = routingKey === '' ? [] : routingKey.split('.');
  // The positions in the key that the pattern's words so far can have reached.
  let reached = new Set([0]);
  for (const word of pattern === '' ? [] : pattern.split('.')) {
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
