/** Which handlers a pattern has. Nest keeps one chain for requests and events; here each knows what it is. */
import type { MessageHandler } from '@nestjs/microservices';
import { ANY_PATTERN } from '../formats/any-pattern.js';
import { DuplicateHandlerError } from './errors.js';
import { isTopicPattern, topicMatches } from '../topic-pattern.js';

interface PatternHandlers {
  request: MessageHandler | undefined;
  readonly events: MessageHandler[];
}

export class HandlerRegistry {
  readonly #handlers = new Map<string, PatternHandlers>();
  readonly #topics: string[] = [];

  /** Throws DuplicateHandlerError for a second request handler of the pattern. */
  add(pattern: string, handler: MessageHandler, isEventHandler: boolean): void {
    let entry = this.#handlers.get(pattern);
    if (!entry) {
      entry = { request: undefined, events: [] };
      this.#handlers.set(pattern, entry);
      if (typeof pattern === 'string' && isTopicPattern(pattern)) this.#topics.push(pattern);
    }
    if (isEventHandler) entry.events.push(handler);
    else if (entry.request) throw new DuplicateHandlerError(pattern);
    else entry.request = handler;
  }

  /** All of them, with their patterns. */
  get all(): readonly (readonly [pattern: string, handler: MessageHandler])[] {
    return [...this.#handlers].flatMap(([pattern, { request, events }]) =>
      [...(request ? [request] : []), ...events].map((handler) => [pattern, handler] as const),
    );
  }

  /** But that of catch-alls, which binds nothing. */
  get patterns(): readonly string[] {
    return [...this.#handlers.keys()].filter((pattern) => pattern !== ANY_PATTERN);
  }

  /** Whether a pattern has a handler of its own. */
  has(route: string, hasWildcards: boolean): boolean {
    return this.#find(route, hasWildcards) !== undefined;
  }

  /**
   * The handler that replies. As with Nest, an event handler answers where the pattern has no other. A catch-all takes what is
   * left: of requests one with @MessagePattern only, since an event handler has no answer to what it does not know.
   */
  forRequest(route: string, hasWildcards: boolean): MessageHandler | undefined {
    const entry = this.#find(route, hasWildcards);
    return entry ? (entry.request ?? entry.events[0]) : this.#handlers.get(ANY_PATTERN)?.request;
  }

  /** All handlers of an event. As with Nest, a request handler takes it where the pattern has no other; catch-alls last. */
  forEvent(route: string, hasWildcards: boolean): readonly MessageHandler[] {
    const entry = this.#find(route, hasWildcards);
    if (!entry) return this.#handlers.get(ANY_PATTERN)?.events ?? [];
    return entry.events.length === 0 && entry.request ? [entry.request] : entry.events;
  }

  /** The pattern itself first, then the first topic pattern that matches, in the order they were added. */
  #find(route: string, hasWildcards: boolean): PatternHandlers | undefined {
    const exact = this.#handlers.get(route);
    if (exact || !hasWildcards || typeof route !== 'string') return exact;
    const topic = this.#topics.find((pattern) => topicMatches(pattern, route));
    return topic === undefined ? undefined : this.#handlers.get(topic);
  }
}
