/** The pattern of a catch-all handler of the transport. */

/**
 * `@EventPattern(ANY_PATTERN)` and `@MessagePattern(ANY_PATTERN)` take what no other handler of the AmqpServer takes;
 * `context.getPattern()` is the message's own. It binds nothing: it takes what is in the queue already.
 */
export const ANY_PATTERN = 'leveret:any-pattern';
