/**
 * The patterns of a topic exchange as a tree of words: a routing key walks it once, however many patterns there are.
 *
 * Pure. Words stand between dots; `*` is exactly one word, `#` zero or more.
 */
interface TrieNode<Value> {
  readonly children: Map<string, TrieNode<Value>>;
  /** By key: what belongs to the pattern that ends here. */
  readonly values: Map<string, Value>;
}

export class TopicTrie<Value> {
  readonly #root: TrieNode<Value> = newNode();

  /** The same key under the same pattern replaces its value. */
  add(pattern: string, key: string, value: Value): void {
    let node = this.#root;
    for (const word of topicWords(pattern)) {
      let next = node.children.get(word);
      if (!next) {
        next = newNode();
        node.children.set(word, next);
      }
      node = next;
    }
    node.values.set(key, value);
  }

  /** Branches that lead nowhere go too. */
  remove(pattern: string, key: string): void {
    const path: (readonly [parent: TrieNode<Value>, word: string])[] = [];
    let node: TrieNode<Value> | undefined = this.#root;
    for (const word of topicWords(pattern)) {
      path.push([node, word]);
      node = node.children.get(word);
      if (!node) return;
    }
    node.values.delete(key);
    for (const [parent, word] of path.reverse()) {
      const child = parent.children.get(word);
      if (!child || child.values.size > 0 || child.children.size > 0) return;
      parent.children.delete(word);
    }
  }

  /** The values of all patterns that match, each once. */
  match(routingKey: string): Value[] {
    const words = topicWords(routingKey);
    let nodes = new Set([this.#root]);
    const swallowing = new Set<TrieNode<Value>>();
    const enter = (node: TrieNode<Value>, into: Set<TrieNode<Value>>): void => {
      into.add(node);
      // `#` may stand for no word at all, and for as many as come.
      const many = node.children.get('#');
      if (!many || into.has(many)) return;
      swallowing.add(many);
      enter(many, into);
    };
    for (const node of [...nodes]) enter(node, nodes);
    for (const word of words) {
      const next = new Set<TrieNode<Value>>();
      // A `#` that was reached takes this word too.
      for (const node of nodes) if (swallowing.has(node)) enter(node, next);
      for (const node of nodes) {
        for (const name of ['*', word]) {
          const child = name === '#' ? undefined : node.children.get(name);
          if (child) enter(child, next);
        }
      }
      nodes = next;
    }
    return [...nodes].flatMap((node) => [...node.values.values()]);
  }
}

/** Words of a routing key or a pattern; an empty one has none, as on RabbitMQ. */
function topicWords(text: string): string[] {
  return text === '' ? [] : text.split('.');
}

function newNode<Value>(): TrieNode<Value> {
  return { children: new Map(), values: new Map() };
}
