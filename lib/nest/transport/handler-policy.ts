/**
 * How a transport handler's deliveries are settled: its `@Ack`, which travels through Nest in the extras of its pattern, over
 * the server's `ack`. Pure.
 */
import type { MessageHandler } from '@nestjs/microservices';
import type { AckPolicy } from '../decorators/ack-policy.js';
import { ackKey, idempotentKey, settlementParameterKey } from '../decorators/metadata.js';
import { refuseIdempotent } from '../idempotency/refusals.js';
import { resolvePolicy, resolveRequestPolicy, type SettlementPolicy } from '../consuming/policy.js';

export class HandlerPolicies {
  readonly #shared: AckPolicy;
  readonly #events = new Map<MessageHandler, SettlementPolicy>();
  readonly #requests = new Map<MessageHandler, SettlementPolicy>();

  /** For what reaches no handler. */
  readonly ofNobody: SettlementPolicy;

  /** `shared` is the server's own, for handlers without an `@Ack`. */
  constructor(shared: AckPolicy) {
    this.#shared = shared;
    this.ofNobody = resolvePolicy({}, shared, false);
  }

  /** For a delivery that nobody waits for. Throws ConfigurationError for an idempotent handler that settles by hand. */
  ofEvent(handler: MessageHandler): SettlementPolicy {
    return remember(this.#events, handler, ({ own, isByHand, idempotent }) => {
      const policy = resolvePolicy(own, this.#shared, isByHand);
      if (idempotent !== undefined) refuseIdempotent(idempotent, policy.when);
      return policy;
    });
  }

  /** For a request. */
  ofRequest(handler: MessageHandler): SettlementPolicy {
    return remember(this.#requests, handler, ({ own, isByHand }) => resolveRequestPolicy(own, isByHand));
  }
}

interface OwnPolicy {
  readonly own: AckPolicy;
  readonly isByHand: boolean;
  /** `Class.method` of one with `@Idempotent`. */
  readonly idempotent: string | undefined;
}

function remember(
  known: Map<MessageHandler, SettlementPolicy>,
  handler: MessageHandler,
  make: (own: OwnPolicy) => SettlementPolicy,
): SettlementPolicy {
  let policy = known.get(handler);
  if (!policy) {
    const extras = (handler.extras ?? {}) as Record<symbol, unknown>;
    policy = make({
      own: (extras[ackKey] as AckPolicy | undefined) ?? {},
      isByHand: extras[settlementParameterKey] === true,
      idempotent: extras[idempotentKey] as string | undefined,
    });
    known.set(handler, policy);
  }
  return policy;
}
