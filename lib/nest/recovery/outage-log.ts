/**
 * The last outages of one connection, as plain data: for health checks, dashboards and people.
 *
 * Bounded, whatever happens: so many outages, each with so many of what the broker refused. Must not know connections.
 */
import type { BrokenEntity, ConnectionEvents, RestoredCounts } from '../../amqp/index.js';
import { describeError } from '../errors.js';

/** Something that did not come back with a recovery, because the broker refused it. */
export interface RefusedEntity {
  /** What it is. */
  readonly kind: BrokenEntity['kind'];
  /** Its name; for a binding `source -> destination (routing key)`, for a consumer its tag. */
  readonly name: string;
  /** What the broker said, or what else went wrong. */
  readonly reason: string;
  /** When it worked again; undefined while it does not. */
  readonly healedAt: Date | undefined;
}

/** A time without a connection, and what the recovery did. All of it can be made JSON. */
export interface Outage {
  /** Name of the connection. */
  readonly connection: string;
  /** How it ended: not yet, all that can be is back, given up, or the application closed meanwhile. */
  readonly outcome: 'ongoing' | 'recovered' | 'failed' | 'closed';
  readonly lostAt: Date;
  /** Why the connection was lost. */
  readonly cause: string;
  /** Attempts to connect again, with the one that is due or under way. */
  readonly attempts: number;
  /** Why the last attempt failed; undefined where none did. */
  readonly lastFailure: string | undefined;
  /** Milliseconds from the loss to the outcome, or until now. */
  readonly duration: number;
  /** Number of the life that it ended with; undefined unless it recovered. */
  readonly epoch: number | undefined;
  /** What came back; undefined unless it recovered. */
  readonly restored: RestoredCounts | undefined;
  /** What the broker refused in the recovery: the first 100. */
  readonly broken: readonly RefusedEntity[];
  /** How much the broker refused in the recovery. */
  readonly brokenCount: number;
  /** Server-named queues and what they are called since the recovery: the first 100. */
  readonly renamedQueues: readonly { readonly from: string; readonly to: string }[];
  /** How many server-named queues have another name. */
  readonly renamedCount: number;
}

/** Outages that are kept for each connection. */
const outageLimit = 20;
/** Entries of each list of an outage. */
const entryLimit = 100;

/** Time, to be handed in by tests. */
export interface Clock {
  /** For people. */
  date(): Date;
  /** Milliseconds; never goes back, whoever sets the clock on the wall. */
  now(): number;
}

const systemClock: Clock = { date: () => new Date(), now: () => performance.now() };

type Entry = { -readonly [Key in keyof Outage]: Outage[Key] };

export class OutageLog {
  readonly #connection: string;
  readonly #clock: Clock;
  #entries: Entry[] = [];
  /** Set while there is no connection. */
  #ongoing: { readonly entry: Entry; readonly since: number } | undefined;

  constructor(connection: string, clock: Clock = systemClock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /** The oldest first. Snapshots: they do not change afterwards. */
  get outages(): readonly Outage[] {
    return this.#entries.map((entry) => {
      const duration = entry === this.#ongoing?.entry ? this.#elapsed() : entry.duration;
      return { ...entry, duration };
    });
  }

  /** True while there is no connection. */
  get isOngoing(): boolean {
    return this.#ongoing !== undefined;
  }

  lost({ cause }: ConnectionEvents['lost']): void {
    const entry: Entry = {
      connection: this.#connection,
      outcome: 'ongoing',
      lostAt: this.#clock.date(),
      cause: textOf(cause),
      attempts: 0,
      lastFailure: undefined,
      duration: 0,
      epoch: undefined,
      restored: undefined,
      broken: [],
      brokenCount: 0,
      renamedQueues: [],
      renamedCount: 0,
    };
    this.#entries = [...this.#entries, entry].slice(-outageLimit);
    this.#ongoing = { entry, since: this.#clock.now() };
  }

  reconnecting({ attempt, cause }: ConnectionEvents['reconnecting']): void {
    const entry = this.#ongoing?.entry;
    if (!entry) return;
    entry.attempts = attempt;
    // The first attempt follows the loss itself.
    if (attempt > 1) entry.lastFailure = textOf(cause);
  }

  recovered(event: ConnectionEvents['recovered']): void {
    this.#end('recovered', (entry) => {
      const { epoch, attempts, duration, restored, broken, renamedQueues } = event;
      Object.assign(entry, { epoch, attempts, duration, restored });
      entry.brokenCount = broken.length;
      entry.broken = broken
        .slice(0, entryLimit)
        .map(({ kind, name, error }) => ({ kind, name, reason: textOf(error), healedAt: undefined }));
      entry.renamedCount = renamedQueues.size;
      entry.renamedQueues = [...renamedQueues].slice(0, entryLimit).map(([from, to]) => ({ from, to }));
    });
  }

  failed({ cause }: ConnectionEvents['failed']): void {
    this.#end('failed', (entry) => {
      if (entry.attempts > 0) entry.lastFailure = textOf(cause);
    });
  }

  closed(): void {
    this.#end('closed');
  }

  /** It may have been refused in more than one recovery. */
  healed({ kind, name }: ConnectionEvents['healed']): void {
    const healedAt = this.#clock.date();
    for (const entry of this.#entries) {
      entry.broken = entry.broken.map((refused) =>
        refused.kind === kind && refused.name === name && !refused.healedAt ? { ...refused, healedAt } : refused,
      );
    }
  }

  #end(outcome: Outage['outcome'], fill: (entry: Entry) => void = () => undefined): void {
    const entry = this.#ongoing?.entry;
    if (!entry) return;
    entry.outcome = outcome;
    entry.duration = this.#elapsed();
    fill(entry);
    this.#ongoing = undefined;
  }

  #elapsed(): number {
    return Math.round(this.#clock.now() - (this.#ongoing?.since ?? 0));
  }
}

function textOf(error: Error): string {
  const { name, message } = describeError(error);
  return `${name}: ${message}`;
}
