/** From a handler's policy and an error to what becomes of the message. Pure. */
import { BadRequestException } from '@nestjs/common';
import type { AckPolicy, ErrorClass, FailureOutcome } from '../decorators/ack-policy.js';
import { KeyInUseError, MissingMessageIdError } from '../idempotency/errors.js';
import { HandlerTimeoutError, NoHandlerError, UnreadableBodyError } from '../errors.js';

export interface SettlementPolicy {
  readonly when: 'after' | 'before' | 'manual';
  readonly then: FailureOutcome;
  /** Of what a guard refused. */
  readonly refused: FailureOutcome;
  readonly errors: readonly { readonly errorClass: ErrorClass; readonly then: FailureOutcome }[];
  /** True where retries are asked for, which are not done yet. */
  readonly asksForRetry: boolean;
}

/** A method's policy over that of its module over the default. `isByHand`: the handler takes its Settlement. */
export function resolvePolicy(own: AckPolicy, shared: AckPolicy, isByHand: boolean): SettlementPolicy {
  const then = own.then ?? shared.then ?? 'park';
  const errors = [...(own.errors ?? []), ...(shared.errors ?? [])];
  return {
    when: own.when ?? (isByHand ? 'manual' : (shared.when ?? 'after')),
    then,
    refused: own.refused ?? shared.refused ?? then,
    errors: errors.map(([errorClass, policy]) => ({ errorClass, then: policy.then ?? then })),
    asksForRetry: [own, shared, ...errors.map(([, policy]) => policy)].some(({ retry }) => asksFor(retry)),
  };
}

/**
 * For a request: whoever asked is told of the error, and that is the end of it, unless the handler's own `@Ack` says what else
 * becomes of the message.
 */
export function resolveRequestPolicy(own: AckPolicy, isByHand: boolean): SettlementPolicy {
  return resolvePolicy({ ...own, then: own.then ?? 'drop' }, {}, isByHand);
}

function asksFor(retry: AckPolicy['retry']): boolean {
  return typeof retry === 'object' ? retry.attempts > 0 : (retry ?? 0) > 0;
}

const refusals = new WeakSet<object>();

/** Remembers what a guard refused with. */
export function noteRefusal(error: unknown): void {
  if (typeof error === 'object' && error !== null) refusals.add(error);
}

function isRefusal(error: unknown): boolean {
  return typeof error === 'object' && error !== null && refusals.has(error);
}

/** `instanceof`, which throws for a revoked proxy. */
function isInstance(value: unknown, errorClass: ErrorClass): boolean {
  try {
    return value instanceof errorClass;
  } catch {
    return false;
  }
}

/** What an error wraps; undefined where it wraps nothing, or does not let itself be asked. */
function wrappedBy(error: object): unknown {
  try {
    const { cause, getError } = error as { cause?: unknown; getError?: unknown };
    const inner: unknown = typeof getError === 'function' ? getError.call(error) : undefined;
    return typeof inner === 'object' && inner !== null ? inner : cause;
  } catch {
    return undefined;
  }
}

/** The error and what it wraps: its cause, or what an RpcException was made of; the nearest first. */
function chainOf(error: unknown): unknown[] {
  const chain: unknown[] = [];
  let next: unknown = error;
  while (typeof next === 'object' && next !== null && chain.length < 8 && !chain.includes(next)) {
    chain.push(next);
    next = wrappedBy(next);
  }
  return chain;
}

/**
 * What becomes of a message whose handler failed so: the nearest error that a class stands for, else `then`. `origin` is what
 * the handler threw, where filters made `error` of it.
 */
export function outcomeOf(policy: SettlementPolicy, error: unknown, origin?: unknown): FailureOutcome {
  const chain = [...chainOf(error), ...chainOf(origin)];
  for (const link of chain) {
    const match = policy.errors.find(({ errorClass }) => isInstance(link, errorClass));
    if (match) return match.then;
  }
  // To park or drop it would lose it, should the one who works on it fail.
  if (chain.some((link) => isInstance(link, KeyInUseError))) return 'requeue';
  return chain.some(isRefusal) ? policy.refused : policy.then;
}

/** Why a message is not handled, in one word for its headers. */
export function reasonOf(
  error: unknown,
  origin?: unknown,
): 'refused' | 'no-handler' | 'unreadable' | 'invalid' | 'timeout' | 'error' {
  for (const link of [...chainOf(error), ...chainOf(origin)]) {
    if (isRefusal(link)) return 'refused';
    if (isInstance(link, NoHandlerError)) return 'no-handler';
    if (isInstance(link, UnreadableBodyError)) return 'unreadable';
    if (isInstance(link, BadRequestException) || isInstance(link, MissingMessageIdError)) return 'invalid';
    if (isInstance(link, HandlerTimeoutError)) return 'timeout';
  }
  return 'error';
}
