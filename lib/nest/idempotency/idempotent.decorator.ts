/** `@Idempotent`: a handler that is done once for each message, however often that comes. */
import { UseInterceptors, type InjectionToken } from '@nestjs/common';
import type { AmqpContext } from '../consuming/amqp-context.js';
import { errorNotes } from '../consuming/error-notes.js';
import { handlerName, idempotentKey, tellTransport } from '../decorators/metadata.js';
import { ConfigurationError } from '../errors.js';
import { faultsOf, isFilledName, isFunction, isWhole, type Check } from '../option-checks.js';
import { IdempotencyInterceptor } from './idempotency.interceptor.js';
import { isStore } from './resolve-store.js';
import type { IdempotencyStore } from './idempotency-store.js';

export interface IdempotentOptions {
  /** Where keys are remembered: a store, or the injection token of one. Default: that of IdempotencyModule. */
  store?: IdempotencyStore | InjectionToken | undefined;
  /**
   * What its repeats have in common with a message, as text. Default: its message id. A message for which there is none
   * (undefined, '') fails with a MissingMessageIdError. What it throws fails the message as an error of the handler.
   */
  key?: ((payload: never, context: AmqpContext) => string | undefined | Promise<string | undefined>) | undefined;
  /**
   * Keys are of one handler: two handlers that are given one message each handle it. Default: `Class.method`. Give one that
   * stays where names change: because they are renamed, or made short by a bundler.
   */
  scope?: string | undefined;
  /** Milliseconds that a done message is remembered. Default: the module's, which is 7 days. */
  keep?: number | undefined;
  /**
   * Milliseconds that a message waits while somebody else works on its like; then it goes back to the queue. Default: the
   * module's, which is 5 000.
   */
  wait?: number | undefined;
}

/** What the decorator leaves on a method. */
export interface IdempotentMetadata {
  readonly method: string;
  readonly options: IdempotentOptions;
}

/** A hundred years. */
const longestKeep = 100 * 366 * 86_400_000;

/** Shared with the module's options. */
export const timeChecks: Readonly<Record<'keep' | 'wait', Check>> = {
  keep: isWhole(1, longestKeep),
  // Without any wait a message that is in use would go round as fast as it can.
  wait: isWhole(100, 3_600_000),
};

const isText: Check = (value) =>
  typeof value === 'string' && value.includes('\0') ? 'must not contain a NUL character' : isFilledName(value);

const isStoreOrToken: Check = (value) => {
  const isToken = ['string', 'symbol', 'function'].includes(typeof value) && value !== '';
  return isToken || isStore(value) ? undefined : 'must be a store (with a method "protect"), or the token of one';
};

/**
 * On a method with `@Consume` or `@EventPattern`: a message whose key is done is acknowledged without running the handler. One
 * that somebody else works on waits, then goes back. An error of the handler leaves the key free, so that a retry or a replay
 * runs it again. Where the store cannot be asked, the message fails with an IdempotencyStoreError: no handler runs unprotected.
 *
 * Guards run before it, pipes and the handler within. Needs IdempotencyModule. Handlers that reply, and such as settle by
 * hand, cannot have it: ConfigurationError at start. Throws ConfigurationError for options that are unknown or wrong.
 */
export function Idempotent(options: IdempotentOptions = {}): MethodDecorator {
  return (target, method, descriptor) => {
    const where = handlerName(target, method);
    const handler: unknown = descriptor.value;
    if (typeof target === 'function' || typeof handler !== 'function' || typeof method !== 'string') {
      throw new ConfigurationError(where, '@Idempotent belongs on a named method of instances');
    }
    const faults = faultsOf(options, { store: isStoreOrToken, key: isFunction, scope: isText, ...timeChecks });
    if (Reflect.hasOwnMetadata(idempotentKey, handler)) faults.push('there is another @Idempotent on the method');
    if (faults.length > 0) throw new ConfigurationError(where, `@Idempotent: ${faults.join('; ')}`);
    const metadata: IdempotentMetadata = { method, options };
    Reflect.defineMetadata(idempotentKey, metadata, handler);
    tellTransport(handler, idempotentKey, where);
    UseInterceptors(errorNotes, IdempotencyInterceptor)(target, method, descriptor);
  };
}
