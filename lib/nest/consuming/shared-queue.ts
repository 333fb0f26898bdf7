/** Several handlers on one queue: what they may not contradict each other in, and what tells them apart. Pure. */
import { isDeepStrictEqual } from 'node:util';
import { queueOptionNames, type ConsumeOptions } from '../decorators/consume-options.js';
import { ConfigurationError } from '../errors.js';
import { topicsOverlap } from '../topic-pattern.js';
import type { ConfiguredHandler } from './configured-handlers.js';

/** Of the queue and its one consumer: handlers that share it say the same, or leave it to the others. */
const consumerOptionNames = [
  ...queueOptionNames,
  ...(['prefetch', 'concurrency', 'name', 'role', 'autoStart', 'declare', 'parking', 'assumeDeadLetter'] as const),
  ...(['ordered', 'batch', 'autoPause'] as const),
] as const;

/** What one of them cannot leave to the others. */
const saidByAll: readonly string[] = ['role', 'declare'];

/** The options of all of them together. Throws ConfigurationError where they differ in what concerns the queue. */
export function mergedOptions(first: ConfiguredHandler, others: readonly ConfiguredHandler[]): ConsumeOptions {
  return others.reduce((merged, next) => {
    const differing = consumerOptionNames.filter((name) => {
      const [one, other] = [merged[name], next.options[name]];
      const isLeft = !saidByAll.includes(name) && (one === undefined || other === undefined);
      return !isLeft && !isDeepStrictEqual(one, other);
    });
    if (differing.length > 0) {
      const problem = `and they give it a different ${differing.join(', ')}`;
      throw new ConfigurationError(
        next.handler.name,
        `${queueOf(next)} is consumed by ${first.handler.name} too, ${problem}`,
      );
    }
    const given = Object.entries(next.options).filter(([, value]) => value !== undefined);
    return { ...merged, ...Object.fromEntries(given) };
  }, first.options);
}

/**
 * Throws ConfigurationError where this process has some of a queue's handlers, and their roles keep the others, to which other
 * messages belong, in another process: each would park what is the other's. (Handlers that take the same are alternatives.)
 */
export function refuseHalves(here: readonly ConfiguredHandler[], all: readonly ConfiguredHandler[]): void {
  for (const away of all.filter((one) => !here.includes(one))) {
    const apart = here.find((one) => commonOf(one, away) === undefined);
    if (!apart) continue;
    throw new ConfigurationError(
      away.handler.name,
      `${queueOf(away)} is consumed by ${apart.handler.name} too, and their roles keep them in different processes: each ` +
        "would park what is the other's",
    );
  }
}

/** Throws ConfigurationError where a message could be two handlers'. */
export function refuseOverlaps(handlers: readonly ConfiguredHandler[]): void {
  for (const [index, next] of handlers.entries()) {
    for (const first of handlers.slice(0, index)) {
      const common = commonOf(first, next);
      if (common !== undefined) throw new ConfigurationError(next.handler.name, overlap(first, next, common));
    }
  }
}

/** What two handlers have in common; undefined: nothing. */
function commonOf(first: ConfiguredHandler, next: ConfiguredHandler): string | undefined {
  for (const { handler, options } of [first, next]) {
    if (options.routingKey === undefined) return `${handler.name} has no routing key to be told apart by`;
  }
  for (const one of keysOf(first.options)) {
    const other = keysOf(next.options).find((key) => topicsOverlap(one, key));
    if (other !== undefined) return one === other ? `both take "${one}"` : `"${one}" and "${other}" overlap`;
  }
  return undefined;
}

/** The routing keys of a handler. */
export function keysOf({ routingKey = '' }: ConsumeOptions): readonly string[] {
  return typeof routingKey === 'string' ? [routingKey] : routingKey;
}

function overlap(first: ConfiguredHandler, second: ConfiguredHandler, common: string): string {
  const { name, wrapper } = first.handler;
  if (name === second.handler.name) {
    return wrapper === second.handler.wrapper
      ? `two @Consume for ${queueOf(second)} on ${name}, and ${common}; give one of them a list of routing keys`
      : `${queueOf(second)} is consumed twice by ${name}: its class is a provider of two modules; export it from one`;
  }
  return `${queueOf(second)} is consumed by ${name} too, and ${common}; each message would reach only one of the two`;
}

function queueOf({ options, connection }: ConfiguredHandler): string {
  return `the queue "${options.queue}" of connection "${connection.name}"`;
}
