/** Several handlers on one queue: what they may not contradict each other in, and what tells them apart. Pure. */
import { isDeepStrictEqual } from 'node:util';
import { queueOptionNames, type ConsumeOptions } from '../decorators/consume-options.js';
import { ConfigurationError } from '../errors.js';
import { isPatternOutside } from '../formats/message-layout.js';
import { topicsOverlap } from '../topic-pattern.js';
import type { ConfiguredHandler } from './configured-handlers.js';

/** Of the queue and its one consumer: handlers that share it say the same, or leave it to the others. */
const consumerOptionNames = [
  ...queueOptionNames,
  ...(['prefetch', 'concurrency', 'name', 'role', 'autoStart', 'declare', 'parking', 'assumeDeadLetter'] as const),
  ...(['ordered', 'batch', 'autoPause', 'layout'] as const),
] as const;

/** Of the queue, too, where a layout tells whose a message is. */
const readingOptionNames = ['formats', 'contentType', 'maxDecompressedSize'] as const;

/** What one of them cannot leave to the others. */
const saidByAll: readonly string[] = ['role', 'declare'];

/** The options of all of them together. Throws ConfigurationError where they differ in what concerns the queue. */
export function mergedOptions(first: ConfiguredHandler, others: readonly ConfiguredHandler[]): ConsumeOptions {
  const hasLayout = [first, ...others].some(({ options }) => options.layout !== undefined);
  const names = hasLayout ? [...consumerOptionNames, ...readingOptionNames] : consumerOptionNames;
  return others.reduce((merged, next) => {
    const differing = names.filter((name) => {
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

/** Throws ConfigurationError for a pattern that nothing is held against, and for bytes in which a layout finds nothing. */
export function refuseUselessPatterns(handlers: readonly ConfiguredHandler[], { layout }: ConsumeOptions): void {
  for (const { handler, options } of handlers) {
    if (!layout && options.pattern !== undefined) {
      throw new ConfigurationError(handler.name, 'option "pattern" needs a layout that says where patterns stand');
    }
    const { patternFrom = 'routingKey', payloadFrom = 'body' } = layout ?? {};
    if (options.body === 'bytes' && !(isPatternOutside(patternFrom) && payloadFrom === 'body')) {
      throw new ConfigurationError(
        handler.name,
        "body: 'bytes' leaves the layout nothing to read pattern or payload in",
      );
    }
  }
}

/** What two handlers have in common; undefined: nothing. */
function commonOf(first: ConfiguredHandler, next: ConfiguredHandler): string | undefined {
  const both = [first, next];
  const catchAlls = both.filter(({ options }) => options.catchAll === true);
  if (catchAlls.length === 2) return 'both are catchAll';
  const hasLayout = both.some(({ options }) => options.layout !== undefined || options.pattern !== undefined);
  const [what, partsOf] = hasLayout
    ? ['pattern', (options: ConsumeOptions) => patternsOfHandler(options)]
    : ['routing key', (options: ConsumeOptions) => (options.routingKey === undefined ? undefined : keysOf(options))];
  for (const { handler, options } of both) {
    if (options.catchAll !== true && partsOf(options) === undefined) {
      return `${handler.name} has no ${what} to be told apart by`;
    }
  }
  if (catchAlls.length === 1) return undefined;
  for (const one of partsOf(first.options) ?? []) {
    const other = partsOf(next.options)?.find((key) => topicsOverlap(one, key));
    if (other !== undefined) return one === other ? `both take "${one}"` : `"${one}" and "${other}" overlap`;
  }
  return undefined;
}

/** The routing keys of a handler. */
export function keysOf({ routingKey = '' }: ConsumeOptions): readonly string[] {
  return typeof routingKey === 'string' ? [routingKey] : routingKey;
}

/** The patterns of a handler; undefined: it has none. */
export function patternsOfHandler({ pattern }: ConsumeOptions): readonly string[] | undefined {
  return typeof pattern === 'string' ? [pattern] : pattern;
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
