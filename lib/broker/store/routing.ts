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
  const queues = new Set<Queue>();
  if (exchange.name === '') {
    // Each queue is bound to the default exchange by its name, and nothing else is.
    for (const name of routingKeys) {
      const queue = table.findQueue(name);
      if (queue) queues.add(queue);
    }
    return [...queues];
  }
  const { headers } = message.properties;
  const seen = new Set<Exchange>([exchange]);
  // A set grows while it is walked: exchanges that are found come up later.
  for (const next of seen) {
    let isTaken = false;
    for (const { destinationKind, destination } of next.select(routingKeys, headers)) {
      if (destinationKind === 'exchange') {
        const bound = table.findExchange(destination);
        if (bound) seen.add(bound);
        isTaken = true;
      } else {
        const queue = table.findQueue(destination);
        if (!queue) continue;
        queues.add(queue);
        isTaken = true;
      }
    }
    const alternate = isTaken ? undefined : next.alternateExchange;
    // The default exchange has no bindings: as an alternate it takes nothing.
    const fallback = alternate === undefined ? undefined : table.findExchange(alternate);
    if (fallback) seen.add(fallback);
  }
  return [...queues];
}
