/**
 * What becomes of the connections of an application, for its code, its health and its people: events, statuses, the last
 * outages; and what it can have done about its topology. Recovery itself is the client's, which does it unasked.
 *
 * What tells, tells of every connection unless one is named; what does something does it on one, `default` unless named.
 */
import { Injectable, Logger } from '@nestjs/common';
import { filter, mergeMap, ReplaySubject, take, type Observable } from 'rxjs';
import {
  WrongStateError,
  type BrokenEntity,
  type Connection,
  type Declarations,
  type DriftOptions,
  type DriftWatch,
  type Plan,
  type PlanOptions,
} from '../../amqp/index.js';
import { describeError, UnknownConnectionError } from '../errors.js';
import { defaultConnection } from '../module/amqp-options.js';
import type { Outage } from './outage-log.js';
import type { ConnectionStatus, RecoveryEventName, RecoveryEvents } from './recovery-events.js';
import { recoveriesInWords } from './recovery-words.js';
import { WatchedConnection } from './watched-connection.js';

/** Which connection something is done on. */
export interface OnConnection {
  /** Name of the connection. Default `default`. */
  connection?: string | undefined;
}

/** What the broker refuses at present, and on which connection. */
export type BrokenOnConnection = BrokenEntity & {
  /** Name of the connection. */
  readonly connection: string;
};

/** What a rebuild came to: `restored` counts what is there, `broken` is what the broker refused. */
export type Rebuilt = Awaited<ReturnType<Connection['rebuild']>>;

type Listener = (event: never) => unknown;

interface Entry {
  readonly listener: Listener;
  readonly isOnce: boolean;
  /** Who it is, for the log. */
  readonly name: string;
}

@Injectable()
export class RecoveryService {
  readonly #logger = new Logger(RecoveryService.name);
  readonly #watched = new Map<string, WatchedConnection>();
  readonly #added = new ReplaySubject<WatchedConnection>();
  readonly #listeners = new Map<RecoveryEventName, readonly Entry[]>();
  /** Connections that were asked for before all were known, and who asked first. */
  readonly #asked = new Map<string, string>();
  #isComplete = false;
  #isOver = false;

  /**
   * How the connections stand: at once the present status of each, then each change; it completes when the application
   * closed. Can be subscribed to at any time, in constructors too, where a connection is `connecting` still.
   */
  readonly status$: Observable<ConnectionStatus> = this.#added.pipe(mergeMap(({ statuses }) => statuses));

  /**
   * How one connection stands, as `status$`. Throws UnknownConnectionError; before the application started, when not all
   * connections are known yet, the start ends with it instead.
   */
  status(connection = defaultConnection): Observable<ConnectionStatus> {
    this.#check(connection, 'RecoveryService.status');
    return this.#added.pipe(
      filter(({ name }) => name === connection),
      take(1),
      mergeMap(({ statuses }) => statuses),
    );
  }

  /** The connections that were opened, each with its present state. */
  connections(): readonly ConnectionStatus[] {
    return [...this.#watched.values()].filter(({ isOpened }) => isOpened).map(({ status }) => status);
  }

  /** Calls `listener` at every event of the name. What it throws is logged and harms nothing. */
  on<Name extends RecoveryEventName>(name: Name, listener: (event: RecoveryEvents[Name]) => unknown): this {
    return this.#add(name, { listener, isOnce: false, name: `a listener of "${name}"` });
  }

  /** Calls `listener` at the next event of the name. */
  once<Name extends RecoveryEventName>(name: Name, listener: (event: RecoveryEvents[Name]) => unknown): this {
    return this.#add(name, { listener, isOnce: true, name: `a listener of "${name}"` });
  }

  /** No longer calls `listener`, which `on` or `once` was given. */
  off<Name extends RecoveryEventName>(name: Name, listener: (event: RecoveryEvents[Name]) => unknown): this {
    const entries = this.#listeners.get(name) ?? [];
    const index = entries.findIndex((entry) => entry.listener === listener);
    if (index >= 0) this.#listeners.set(name, entries.toSpliced(index, 1));
    return this;
  }

  /**
   * The last 20 outages of each connection, or of one, the oldest first; one that goes on is the last of its connection.
   * Plain data, which does not change afterwards. Throws UnknownConnectionError.
   */
  recoveries(connection?: string): readonly Outage[] {
    return this.#chosen(connection, 'RecoveryService.recoveries')
      .flatMap(({ outages }) => outages.outages)
      .sort((left, right) => left.lostAt.getTime() - right.lostAt.getTime());
  }

  /** The same for people: some lines of text, how each connection stands and what became of its last outages. */
  report(connection?: string): string {
    const chosen = this.#chosen(connection, 'RecoveryService.report');
    return recoveriesInWords(
      chosen.map(({ status }) => status),
      chosen.flatMap(({ outages }) => outages.outages),
    );
  }

  /**
   * What the broker refuses at present, on every connection or on one: exchanges, queues and bindings that could not be
   * declared again, and consumers that wait for their queue. Each is tried again, ever more slowly; the event `healed`
   * tells when it works. Throws UnknownConnectionError.
   */
  broken(connection?: string): readonly BrokenOnConnection[] {
    return this.#chosen(connection, 'RecoveryService.broken')
      .filter(({ isOpened }) => isOpened)
      .flatMap(({ name, connection: { broken } }) => broken.map((entity) => ({ ...entity, connection: name })));
  }

  /**
   * Declares everything of the connection again, at once, and lets consumers that wait consume again: what a recovery
   * does, without a loss. For when somebody deleted queues, or mended what was broken. What is there stays as it is.
   *
   * Rejects with UnknownConnectionError, WrongStateError before the application started, and as `Connection.rebuild` does.
   */
  async rebuild(connection = defaultConnection): Promise<Rebuilt> {
    return this.#opened(connection, 'RecoveryService.rebuild').rebuild();
  }

  /**
   * What declarations would change on the broker, entity by entity; nothing is changed. Without declarations: whether all
   * that the application declared over the connection is still there as it was. Rejects as `rebuild` and
   * `Connection.plan` do.
   */
  async plan(declarations?: Declarations, options: PlanOptions & OnConnection = {}): Promise<Plan> {
    const { connection = defaultConnection, ...questions } = options;
    return this.#opened(connection, 'RecoveryService.plan').plan(declarations, questions);
  }

  /**
   * Declares what is not there, and answers with the plan that it went by; all of it is declared again after a loss from
   * then on. Where the broker has anything otherwise it rejects with PlanConflictError, and nothing is declared. Also
   * rejects as `rebuild` and `Connection.apply` do.
   */
  async apply(declarations: Declarations, options: PlanOptions & OnConnection = {}): Promise<Plan> {
    const { connection = defaultConnection, ...questions } = options;
    return this.#opened(connection, 'RecoveryService.apply').apply(declarations, questions);
  }

  /**
   * Watches: what on the broker is no longer as declared, or is again, as an async iterable that outlives outages and
   * ends when the application closes; see `Connection.drift`. Throws as it does, UnknownConnectionError, and
   * WrongStateError before the application started.
   */
  drift(options: DriftOptions & OnConnection = {}): DriftWatch {
    const { connection = defaultConnection, ...watching } = options;
    return this.#opened(connection, 'RecoveryService.drift').drift(watching);
  }

  // --- for the module ---------------------------------------------------------------------------

  /** @internal A connection is configured. */
  add(name: string): WatchedConnection {
    const tell = <Name extends RecoveryEventName>(event: Name, value: RecoveryEvents[Name]): void => {
      this.#emit(event, value);
    };
    const watched = new WatchedConnection(name, this.#logger, tell);
    this.#watched.set(name, watched);
    this.#added.next(watched);
    return watched;
  }

  /** @internal All connections are configured. Throws UnknownConnectionError where another was asked for. */
  complete(): void {
    this.#isComplete = true;
    for (const [name, where] of this.#asked) this.#check(name, where);
  }

  /** @internal A connection is open. */
  watch(name: string, connection: Connection): void {
    (this.#watched.get(name) ?? this.add(name)).watch(connection);
  }

  /** @internal A method with `@OnRecovery`, of every connection or of one. `where` is its name. */
  addHook<Name extends RecoveryEventName>(
    name: Name,
    where: string,
    connection: string | undefined,
    hook: (event: RecoveryEvents[Name]) => unknown,
  ): void {
    if (connection !== undefined) this.#check(connection, where);
    const listener = (event: RecoveryEvents[Name]): unknown =>
      connection === undefined || event.connection === connection ? hook(event) : undefined;
    this.#add(name, { listener, isOnce: false, name: `${where} (@OnRecovery('${name}'))` });
  }

  /** @internal The application closed, or could not start. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const watched of this.#watched.values()) watched.end();
    this.#added.complete();
  }

  // --- connections ------------------------------------------------------------------------------

  #check(name: string, where: string): void {
    if (this.#watched.has(name)) return;
    if (this.#isComplete) throw new UnknownConnectionError(where, name, [...this.#watched.keys()]);
    if (!this.#asked.has(name)) this.#asked.set(name, where);
  }

  #chosen(name: string | undefined, where: string): readonly WatchedConnection[] {
    if (name === undefined) return [...this.#watched.values()];
    this.#check(name, where);
    return [...this.#watched.values()].filter((watched) => watched.name === name);
  }

  #opened(name: string, where: string): Connection {
    const watched = this.#watched.get(name);
    if (!watched && !this.#isComplete) throw new WrongStateError(`${where}: the application has not started`);
    if (!watched) throw new UnknownConnectionError(where, name, [...this.#watched.keys()]);
    return watched.connection;
  }

  // --- listeners --------------------------------------------------------------------------------

  #add(name: RecoveryEventName, entry: Entry): this {
    // A new array each time, so that a listener may add or remove others while it is called.
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), entry]);
    return this;
  }

  #emit<Name extends RecoveryEventName>(name: Name, event: RecoveryEvents[Name]): void {
    for (const entry of this.#listeners.get(name) ?? []) {
      const listener = entry.listener as (event: RecoveryEvents[Name]) => unknown;
      if (entry.isOnce) this.off(name, listener);
      void this.#call(entry.name, () => listener(event));
    }
  }

  async #call(name: string, callback: () => unknown): Promise<void> {
    try {
      await callback();
    } catch (error) {
      const { name: kind, message } = describeError(error);
      this.#logger.error(`${name} failed: ${kind}: ${message}`);
    }
  }
}
