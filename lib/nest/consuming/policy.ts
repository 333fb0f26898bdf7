/** From a handler's policy and an error to what becomes of the message. Pure. */
import { BadRequestException } from '@nestjs/common';
import type { AckPolicy, ErrorClass, FailureOutcome } from '../decorators/ack-policy.js';
import { KeyInUseError, MissingMessageIdError } from '../idempotency/errors.js';
import { HandlerTimeoutError, NoHandlerError, OrderKeyError, UnreadableBodyError } from '../errors.js';
import type { RunVerdict } from './consumer-run.js';
import { defaultRetry, delaysOf, noRetry, toSchedule, type RetrySchedule } from '../retrying/retry-schedule.js';

/** What is done about a failure: so many retries, and what becomes of the message in the end. */
export interface FailurePlan {
  readonly retry: RetrySchedule;
  readonly then: FailureOutcome;
}

interface ErrorPlan {
  readonly errorClass: ErrorClass;
  /** Undefined: as the policy's. */
  readonly retry: RetrySchedule | undefined;
  readonly then: FailureOutcome;
}

export interface SettlementPolicy extends FailurePlan {
  readonly when: 'after' | 'before' | 'manual';
  /** Of what a guard refused. */
  readonly refused: FailureOutcome;
  readonly errors: readonly ErrorPlan[];
}

/** A method's policy over that of its module over the default. `isByHand`: the handler takes its Settlement. */
export function resolvePolicy(own: AckPolicy, shared: AckPolicy, isByHand: boolean): SettlementPolicy {
  const then = own.then ?? shared.then ?? 'park';
  const given = own.retry ?? shared.retry;
  const retry = given === undefined ? defaultRetry : toSchedule(given);
  const errors = [...(own.errors ?? []), ...(shared.errors ?? [])];
  return {
    when: own.when ?? (isByHand ? 'manual' : (shared.when ?? 'after')),
    retry,
    then,
    refused: own.refused ?? shared.refused ?? then,
    errors: errors.map(([errorClass, policy]) => ({
      errorClass,
      retry: policy.retry === undefined ? undefined : toSchedule(policy.retry),
      then: policy.then ?? then,
    })),
  };
}

/** Milliseconds that messages may wait by a policy, each once. */
export function retryDelaysOf({ when, retry, errors }: SettlementPolicy): number[] {
  if (when === 'before') return [];
  return [...new Set([retry, ...errors.map((one) => one.retry ?? noRetry)].flatMap(delaysOf))];
}

/**
 * For a request: whoever asked is told of the error, and that is the end of it, unless the handler's own `@Ack` says what else
 * becomes of the message.
 */
export function resolveRequestPolicy(own: AckPolicy, isByHand: boolean): SettlementPolicy {
  return resolvePolicy({ ...own, retry: own.retry ?? 0, then: own.then ?? 'drop' }, {}, isByHand);
}

const refusals = new WeakSet<object>();

/** Remembers what a guard refused with. */
export function noteRefusal(error: unknown): void {
  if (typeof error === 'object' && error !== null) refusals.add(error);
}

const pipeErrors = new WeakSet<object>();

/** Remembers what a pipe threw. */
export function notePipeError(error: unknown): void {
  if (typeof error === 'object' && error !== null) pipeErrors.add(error);
}

/** Whether a guard or a pipe kept it from its handler. */
export function isKeptFromHandler(error: unknown): boolean {
  return chainOf(error).some((link) => isRefusal(link) || pipeErrors.has(link as object));
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
 * What is done about a message whose handler failed so: what the nearest error that a class stands for says, else the policy
 * itself. What no retry mends is tried again only where a class says so. `origin` is what the handler threw, where filters made
 * `error` of it.
 */
export function planFor(policy: SettlementPolicy, error: unknown, origin?: unknown): FailurePlan {
  const reason = reasonOf(error, origin);
  const retry = hopeless.has(reason) ? noRetry : policy.retry;
  const chain = [...chainOf(error), ...chainOf(origin)];
  for (const link of chain) {
    const match = policy.errors.find(({ errorClass }) => isInstance(link, errorClass));
    if (match) return { retry: match.retry ?? retry, then: match.then };
  }
  // To park or drop it would lose it, should the one who works on it fail; and it has not failed.
  if (chain.some((link) => isInstance(link, KeyInUseError))) return { retry: noRetry, then: 'requeue' };
  return { retry, then: reason === 'refused' ? policy.refused : policy.then };
}

export type FailureReason = 'refused' | 'no-handler' | 'unreadable' | 'invalid' | 'timeout' | 'error';

/** What no retry mends. */
const hopeless: ReadonlySet<FailureReason> = new Set(['refused', 'no-handler', 'unreadable', 'invalid']);

/** `failed` where a handler did: what it never saw says nothing of how it fares. */
export function verdictOf(error: unknown, origin?: unknown): RunVerdict {
  const isElsewhere = chainOf(origin ?? error).some((link) => isInstance(link, KeyInUseError));
  return isElsewhere || hopeless.has(reasonOf(error, origin)) ? undefined : 'failed';
}

/** Why a message is not handled, in one word for its headers. */
export function reasonOf(error: unknown, origin?: unknown): FailureReason {
  for (const link of [...chainOf(error), ...chainOf(origin)]) {
    if (isRefusal(link)) return 'refused';
    if (isInstance(link, NoHandlerError)) return 'no-handler';
    if (isInstance(link, UnreadableBodyError) || isInstance(link, OrderKeyError)) return 'unreadable';
    if (isInstance(link, BadRequestException) || isInstance(link, MissingMessageIdError)) return 'invalid';
    if (isInstance(link, HandlerTimeoutError)) return 'timeout';
  }
  return 'error';
}
