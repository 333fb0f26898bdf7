/**
 * Keeps what was declared over a connection on the broker: all of it in each new life, and what the broker refuses again
 * and again, ever more slowly, until it is there or forgotten. Must not know channels or consumers.
 */
import type { ConnectionLife, ResolvedParameters } from '../connection/index.js';
import {
  backOffDelay,
  bindingName,
  deleteUnusedQueues,
  entityExists,
  rebuildTopology,
  TopologyRecord,
  Trials,
  type BrokenEntity,
  type RebuildReport,
} from '../recovery/index.js';

export interface TopologyKeeperOwner {
  readonly parameters: ResolvedParameters;
  /** The present life, while it is open and restored. */
  readonly life: ConnectionLife | undefined;
  /** A server-named queue has another name. */
  onRenamed(from: string, to: string): void;
  /** Something that was broken is there. */
  onHealed(entity: Pick<BrokenEntity, 'kind' | 'name'>): void;
}

export class TopologyKeeper {
  /** What was declared. */
  readonly record = new TopologyRecord();
  readonly trials = new Trials();
  readonly #owner: TopologyKeeperOwner;
  #broken: readonly BrokenEntity[] = [];
  /** What is broken, as it was declared. */
  #remainder = new TopologyRecord();
  #retryTimer: NodeJS.Timeout | undefined;
  #retries = 0;
  /** Between the loss of a life and the next one. */
  #isPaused = false;
  /** Ends what waits for users' calls, which themselves wait for the next life. */
  #onPause: () => void = () => undefined;
  /** One thing at a time: two that restore the same server-named queue would make two. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Set while something is declared again on channels of our own. */
  #declaring: Promise<unknown> | undefined;
  /** Deletes and unbinds of the user that are under way. */
  readonly #removals = new Set<Promise<unknown>>();
  /** Declares of the user that are under way, each with the queue's name. */
  readonly #declarations = new Map<Promise<unknown>, string>();
  /** Auto-delete queues that lost their last consumer while they may have been declared again. */
  readonly #orphans = new Set<string>();

  constructor(owner: TopologyKeeperOwner) {
    this.#owner = owner;
  }

  /** What the broker refuses at present, without what was forgotten since. */
  get broken(): readonly BrokenEntity[] {
    if (this.#broken.length === 0) return this.#broken;
    this.#remainder.retain(this.record);
    const bindings = new Set(this.#remainder.bindings.map(bindingName));
    return this.#broken.filter(({ kind, name }) => {
      if (kind === 'exchange') return this.#remainder.exchange(name) !== undefined;
      return kind === 'queue' ? this.#remainder.queue(name) !== undefined : bindings.has(name);
    });
  }

  /** Declares the whole record in a new life, in which users' calls wait. Rejects when it ends meanwhile. */
  restore(life: ConnectionLife): Promise<RebuildReport> {
    this.#isPaused = false;
    return this.#inTurn(() => this.#restore(life));
  }

  /** As `restore`, in a life that is in use. */
  rebuild(): Promise<RebuildReport | undefined> {
    return this.#besideUsers((life) => life && this.#restore(life));
  }

  async #restore(life: ConnectionLife): Promise<RebuildReport> {
    const report = await this.#rebuild(life, this.record);
    this.#retries = 0;
    this.#note(report);
    return report;
  }

  /**
   * Makes a user's delete or unbind, at once where nothing is being declared again: else a declare that is under way on
   * another channel might bring back what is deleted here.
   */
  removal<Result>(action: () => Promise<Result>): Promise<Result> {
    const removed = this.#declaring ? this.#declaring.then(action, action) : action();
    const done = removed.then(
      () => undefined,
      () => undefined,
    );
    this.#removals.add(done);
    void done.then(() => this.#removals.delete(done));
    return removed;
  }

  /** Makes a user's declare of a queue, at once. */
  declaration<Result>(queue: string, action: () => Promise<Result>): Promise<Result> {
    const declared: Promise<Result> = action().finally(() => this.#declarations.delete(declared));
    this.#declarations.set(declared, queue);
    return declared;
  }

  /** Resolves when the user's declares of a queue that are under way now are through, done or refused. */
  async whenDeclared(queue: string): Promise<void> {
    await Promise.allSettled([...this.#declarations].flatMap(([declared, name]) => (name === queue ? [declared] : [])));
  }

  /** Declares one queue with its bindings again where we declared it before; answers whether it is there. */
  restoreQueue(name: string): Promise<boolean> {
    return this.#besideUsers(async (life) => {
      if (!life) return false;
      const queue = this.record.currentName(name);
      const record = this.record.queue(queue);
      if (!record) return entityExists(life, 'queue', queue);
      if (record.isServerNamed && (await entityExists(life, 'queue', queue))) return true;
      const part = new TopologyRecord();
      part.addQueue(record);
      for (const binding of this.record.bindingsAt('queue', queue)) part.addBinding(binding);
      const { broken } = await this.#rebuild(life, part);
      return !broken.some(({ kind }) => kind === 'queue');
    });
  }

  /**
   * An auto-delete queue went with the last consumer that we cancelled: it is not to come back. Where the broker did not
   * know that consumer, or the queue is being declared again at this moment, nobody would consume from it, and it would
   * stay: it is deleted, at once or when all is declared.
   */
  async forgetAutoDelete(queue: string, wasConsumed: boolean): Promise<void> {
    this.record.removeQueue(queue);
    const isAtRest = this.#owner.life !== undefined && !this.#declaring;
    if (isAtRest && wasConsumed) return;
    this.#orphans.add(queue);
    if (isAtRest) await this.dropOrphans();
  }

  /**
   * The connection is restored, or something was declared again: what nobody wants any more goes. What the user declares
   * at this moment is wanted again.
   */
  async dropOrphans(): Promise<void> {
    const { life } = this.#owner;
    if (!life || this.#orphans.size === 0) return;
    const wanted = new Set(this.#declarations.values());
    const names = [...this.#orphans].filter((name) => !this.record.queue(name) && !wanted.has(name));
    this.#orphans.clear();
    await deleteUnusedQueues(life, names);
  }

  /** No more is tried until the next `restore`. */
  pause(): void {
    this.#isPaused = true;
    this.#onPause();
    clearTimeout(this.#retryTimer);
  }

  #inTurn<Result>(action: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(action);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** In turn, and when no delete of a user is under way; those that come meanwhile wait. */
  #besideUsers<Result>(action: (life: ConnectionLife | undefined) => Promise<Result> | Result): Promise<Result> {
    return this.#inTurn(async () => {
      const paused = new Promise<void>((resolve) => (this.#onPause = resolve));
      while (this.#removals.size > 0 && !this.#isPaused) await Promise.race([Promise.all(this.#removals), paused]);
      const declaring = (async () => action(this.#owner.life))();
      this.#declaring = declaring;
      try {
        return await declaring;
      } finally {
        this.#declaring = undefined;
        void this.dropOrphans();
      }
    });
  }

  #rebuild(life: ConnectionLife, record: TopologyRecord): Promise<RebuildReport> {
    return rebuildTopology(life, record, {
      trials: this.trials,
      onRenamed: (from, to) => {
        this.#remainder.renameQueue(from, to);
        this.record.renameQueue(from, to);
        this.#owner.onRenamed(from, to);
      },
    });
  }

  #note({ broken, remainder }: RebuildReport): void {
    const healed = this.broken.filter(({ kind, name }) => {
      return !broken.some((entity) => entity.kind === kind && entity.name === name);
    });
    this.#broken = broken;
    this.#remainder = remainder;
    this.#scheduleRetry();
    for (const { kind, name } of healed) this.#owner.onHealed({ kind, name });
  }

  #scheduleRetry(): void {
    clearTimeout(this.#retryTimer);
    const { recovery } = this.#owner.parameters;
    if (recovery === false || this.#isPaused || this.#remainder.isEmpty) return;
    this.#retries += 1;
    const delay = Math.max(recovery.initialDelay, backOffDelay(this.#retries, recovery));
    this.#retryTimer = setTimeout(() => {
      this.#retry().catch(() => {
        // The connection ended, whose recovery starts from the whole record; or there was no free channel to do it on.
        this.#scheduleRetry();
      });
    }, delay);
    this.#retryTimer.unref();
  }

  async #retry(): Promise<void> {
    await this.#besideUsers(async (life) => {
      if (!life) {
        // The channels of this life are not restored yet.
        this.#scheduleRetry();
        return;
      }
      this.#remainder.retain(this.record);
      this.#note(await this.#rebuild(life, this.#remainder));
    });
  }
}
