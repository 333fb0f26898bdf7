/** Whose a message is, of the handlers of its queue: told by its routing key, or by where its layout has the pattern. */
import type { Delivery } from '../../amqp/index.js';
import { isPatternOutside, patternsOf, type QueueLayout } from '../formats/message-layout.js';
import { topicMatches } from '../topic-pattern.js';
import type { ConsumerPlan, HandlerPlan } from './consumer-plan.js';

/** Without a layout. Undefined: it is nobody's. */
export function handlerFor({ handlers }: ConsumerPlan, routingKey: string): HandlerPlan | undefined {
  const [only] = handlers;
  if (handlers.length === 1 && only && !isChosenByKey(only)) return only;
  const found = handlers.find(
    ({ options, routingKeys }) =>
      options.catchAll !== true && routingKeys.some((pattern) => topicMatches(pattern, routingKey)),
  );
  return found ?? catchAllOf(handlers);
}

/** A queue that is taken as it is may hold more than what its handler wants. */
function isChosenByKey({ options }: HandlerPlan): boolean {
  return options.declare === false && options.routingKey !== undefined;
}

/** What a layout tells of a message. */
export interface Choice {
  readonly handler: HandlerPlan | undefined;
  /** The one that it was chosen by, or the message's first one; undefined: it has none. */
  readonly pattern: string | undefined;
  /** Set where the body was read for it. */
  readonly body: { readonly value: unknown } | undefined;
}

/** `routingKey`: the one that it was published with, over all its copies. Rejects with UnreadableBodyError. */
export async function chooseByLayout(
  plan: ConsumerPlan,
  layout: QueueLayout,
  delivery: Delivery,
  routingKey: string,
): Promise<Choice> {
  const { handlers } = plan;
  const { patternFrom } = layout;
  const [first] = handlers;
  const body = isPatternOutside(patternFrom) || !first ? undefined : { value: await first.reader.read(delivery) };
  const patterns = patternsOf(patternFrom, delivery, body?.value, routingKey);
  if (handlers.length === 1 && first?.patterns === undefined) return { handler: first, pattern: patterns[0], body };
  for (const pattern of patterns) {
    const handler = handlers.find((one) => one.patterns?.some((own) => topicMatches(own, pattern)));
    if (handler) return { handler, pattern, body };
  }
  return { handler: catchAllOf(handlers), pattern: patterns[0], body };
}

function catchAllOf(handlers: readonly HandlerPlan[]): HandlerPlan | undefined {
  return handlers.find(({ options }) => options.catchAll === true);
}
