/**
 * The methods of a connection that hold declarations against the broker: plan, apply, drift. Must not know how a
 * connection comes back.
 */
import type { ConnectionLife } from '../connection/index.js';
import type { AmqpError } from '../errors.js';
import { planTopology, type ConnectionState, type TopologyRecord } from '../recovery/index.js';
import type { ChannelOptions } from './channel-options.js';
import type { Channel } from './channel.js';
import type { ConnectionEvents } from './connection-events.js';
import { DriftWatch } from './drift.js';
import { Events } from './events.js';
import { checkDriftOptions, checkPlanOptions, type DriftOptions, type PlanOptions } from './plan-options.js';
import {
  applyDeclarations,
  checkDeclarations,
  declarationsOf,
  Plan,
  PlanConflictError,
  stillDeclared,
  type Declarations,
} from './plans.js';

export abstract class PlanMethods extends Events<ConnectionEvents> {
  /** What was declared over this connection and will be declared again after a loss. */
  abstract readonly topology: TopologyRecord;
  /** `connecting`, `open`, `recovering` (lost, and being rebuilt), `closed` (by you) or `failed` (given up). */
  abstract readonly state: ConnectionState;
  abstract openChannel(options?: ChannelOptions): Promise<Channel>;
  /** The present life, or the next one; `step` is for the TimeoutError. */
  protected abstract whenOpen(step: string): Promise<ConnectionLife>;
  /** Why there will be no further life; undefined while there may be. */
  protected abstract endedBy(): AmqpError | undefined;

  /**
   * What declarations would change on the broker, entity by entity; nothing is changed. Without declarations: whether all
   * that was declared over this connection is still there as it was.
   *
   * It asks by queue.declare and exchange.declare, passive first, on channels of its own, some of which the broker closes.
   * So `equal` means that the broker would take the declaration, which RabbitMQ does also where an argument differs that
   * it does not know. The two go out in one write: an exchange that somebody deletes in the microseconds between them is
   * declared again, without its bindings; a queue is not. AMQP cannot ask for bindings: they are `missing` where one of
   * their ends is, else `unknown`.
   * With `management` RabbitMQ's management API is asked, too, for the virtual host's exchanges, queues and bindings:
   * bindings are `equal` or `missing` then, and the plan tells those that nobody declared (`extra`), all arguments that
   * differ, and the policy that applies to each exchange and queue.
   *
   * Rejects with ArgumentError (`queues[2].durable: ...`, `management.url: ...`), ManagementError, TimeoutError, or what
   * ended the connection.
   */
  async plan(declarations: Declarations = declarationsOf(this.topology), options: PlanOptions = {}): Promise<Plan> {
    const declared = checkDeclarations(declarations);
    const questions = checkPlanOptions(options);
    return new Plan(await planTopology(await this.whenOpen('plan'), declared, questions));
  }

  /**
   * Declares what is not there, and answers with the plan that it went by. All of it is in `topology` then, to be declared
   * again after a loss. Where anything is on the broker otherwise than declared it rejects with PlanConflictError, which
   * names each difference, and nothing is declared. Extra bindings stay. Also rejects as `plan` and the declares do.
   */
  async apply(declarations: Declarations, options: PlanOptions = {}): Promise<Plan> {
    const declared = checkDeclarations(declarations);
    const plan = await this.plan(declarations, options);
    if (plan.conflicts.length > 0) throw new PlanConflictError(plan);
    const channel = await this.openChannel();
    try {
      await applyDeclarations(channel, declared, plan);
    } finally {
      await channel.close();
    }
    return plan;
  }

  /**
   * Watches: makes a plan every `interval` milliseconds, and gives what changed since the last one; at first, what is not
   * as declared. Nothing comes while nothing changes.
   *
   *     for await (const { missing, conflicts, plan } of connection.drift({ interval: 60_000 })) ...
   *
   * It outlives losses: a look that meets an outage, or a management API that does not answer, tells nothing, and the next
   * one will. The loop ends when it is left, when the signal aborts, and when this connection is closed; it rejects when
   * the connection failed, and with what no later look can mend (ArgumentError, ManagementError). Looks are made while
   * the loop waits, and nothing is kept when it has ended.
   *
   * Throws ArgumentError (`interval: ...`), ConnectionClosedError, or what ended this connection.
   */
  drift(options: DriftOptions = {}): DriftWatch {
    const { declarations, interval, management, signal } = checkDriftOptions(options);
    const declared = declarations && checkDeclarations(declarations);
    const ended = this.endedBy();
    if (ended) throw ended;
    const look = async (lookSignal: AbortSignal): Promise<Plan> => {
      const present = declared ?? checkDeclarations(declarationsOf(this.topology));
      const life = await this.whenOpen('plan');
      const plan = new Plan(await planTopology(life, present, { management, signal: lookSignal }));
      // What was deleted here while it was asked for is no drift.
      return declared ? plan : stillDeclared(plan, this.topology);
    };
    const ending = (): { failure: AmqpError | undefined } | undefined => {
      const cause = this.endedBy();
      return cause && { failure: this.state === 'failed' ? cause : undefined };
    };
    const onEnding = (callback: () => void): (() => void) => {
      this.on('failed', callback).on('closed', callback);
      return () => void this.off('failed', callback).off('closed', callback);
    };
    return new DriftWatch({ look, ending, onEnding }, interval, signal);
  }
}
