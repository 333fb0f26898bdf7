/**
 * The way of a message from the exchange it was published to, to queues: over bindings between exchanges, and to
 * alternate exchanges where nothing else takes it.
 *
 * Pure; changes nothing.
 */
import type { Exchange } from './exchange.js';
import { routingKeysOf, type Message } from './message.js';

export interface RoutingTable<Queue> {
  findExchange(name: string): Exchange | undefined;
  findQueue(name: string): Queue | undefined;
}

/** The queues that take the message, each once. */
export function routeMessage<Queue>(table: RoutingTable<Queue>, exchange: Exchange, message: Message): Queue[] {
  const routingKeys = routingKeysOf(message);
  const single = routingKeys.length === 1 ? routingKeys[0] : undefined;
  // The default exchange needs no search, and neither does its message a set.
  if (exchange.name === '' && single !== undefined) {
    const queue = table.findQueue(single);
    return queue ? [queue] : [];
  }
  const queues = new Set<Queue>();
  const seen = new Set<Exchange>([exchange]);
  // A set grows while it is walked: exchanges that are found come up later.
  for (const next of seen) {
    // The default exchange has no bindings: it finds queues for those who publish to it, and as an alternate none.
    const isDefault = next.name === '' && next === exchange;
    const names = isDefault ? routingKeys.map((key) => ['queue', key] as const) : destinations(next, message);
    let isTaken = false;
    for (const [kind, name] of names) {
      if (kind === 'exchange') {
        const bound = table.findExchange(name);
        if (bound) seen.add(bound);
        isTaken = true;
      } else {
        const queue = table.findQueue(name);
        if (!queue) continue;
        queues.add(queue);
        isTaken = true;
      }
    }
    const alternate = isTaken ? undefined : next.alternateExchange;
    const fallback = alternate === undefined ? undefined : table.findExchange(alternate);
    if (fallback) seen.add(fallback);
  }
  return [...queues];

  function* destinations(from: Exchange, routed: Message): Generator<readonly ['queue' | 'exchange', string]> {
    for (const binding of from.select(routingKeys, routed.properties.headers)) {
      yield [binding.destinationKind, binding.destination];
    }
  }
}
