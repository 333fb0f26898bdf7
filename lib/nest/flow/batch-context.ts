/** What a handler of batches may know of the batch at hand: `@Ctx() batch: BatchContext`. */
import { BaseRpcContext } from '@nestjs/microservices';
import { ArgumentError, WrongStateError, type Channel, type Delivery } from '../../amqp/index.js';
import type { AmqpContext } from '../consuming/amqp-context.js';
import { runFor } from '../consuming/current-delivery.js';

export interface BatchContextParts {
  /** Of each message, in the order of the payloads. Never empty. */
  readonly contexts: readonly [AmqpContext, ...AmqpContext[]];
  readonly ending: { readonly signal: AbortSignal };
}

/** `getArgs()` gives the deliveries, their channel and their queue. */
export class BatchContext extends BaseRpcContext<[readonly Delivery[], Channel, string]> {
  /** The context of each message, at the place of its payload; its `settlement` settles it by hand. */
  readonly contexts: readonly AmqpContext[];
  readonly #parts: BatchContextParts;
  readonly #failures = new Map<number, unknown>();
  #isOver = false;

  constructor(parts: BatchContextParts) {
    const { contexts } = parts;
    const [first] = contexts;
    super([contexts.map(({ delivery }) => delivery), first.channel, first.getQueue()]);
    this.contexts = contexts;
    this.#parts = parts;
  }

  /** How many messages it has. */
  get size(): number {
    return this.contexts.length;
  }

  /** The deliveries as the client gave them, at the places of their payloads. */
  get deliveries(): readonly Delivery[] {
    return this.args[0];
  }

  /** The channel that the deliveries came over. */
  get channel(): Channel {
    return this.args[1];
  }

  /**
   * Aborts when nobody waits for the handler any more: its `timeout` passed or the broker's limit is near (reason:
   * HandlerTimeoutError), or the application closes and `drainTimeout` passed (reason: ShutdownError).
   */
  get signal(): AbortSignal {
    return this.#parts.ending.signal;
  }

  /**
   * This one failed, the others need not: it is settled by the policy for that error once the handler is done. The first error
   * of a message counts. Throws ArgumentError where there is no such message, and WrongStateError after the handler was done.
   */
  fail(index: number, error: unknown = new Error('failed by its handler')): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.size) {
      throw new ArgumentError('index', `must be a whole number from 0 to ${String(this.size - 1)}`);
    }
    if (this.#isOver) throw new WrongStateError(`fail: the handler of the batch is done`);
    if (!this.#failures.has(index)) this.#failures.set(index, error);
  }

  /**
   * Runs the function for one message: `AmqpContext.current()` is its context there, and what is published carries on its
   * correlation and trace. In the handler itself, which works for many, there is no current one.
   */
  runFor<Result>(index: number, work: (context: AmqpContext) => Result): Result {
    const context = this.contexts[index];
    if (!context) throw new ArgumentError('index', `must be a whole number from 0 to ${String(this.size - 1)}`);
    return runFor(context, () => work(context));
  }

  getQueue(): string {
    return this.args[2];
  }

  /** `Class.method`. */
  getHandler(): string {
    return this.#parts.contexts[0].getHandler();
  }

  /** Name of the connection. */
  getConnection(): string {
    return this.#parts.contexts[0].getConnection();
  }

  /** As `getQueue`: the messages of a batch may have come with different routing keys. */
  getPattern(): string {
    return this.args[2];
  }

  /** @internal The handler is done. */
  end(): void {
    this.#isOver = true;
  }

  /** @internal What each failed with, by its place. */
  get failures(): ReadonlyMap<number, unknown> {
    return this.#failures;
  }
}
