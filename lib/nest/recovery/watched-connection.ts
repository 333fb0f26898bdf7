/**
 * One named connection as the recovery service sees it, from its configuration on: its status, its outages, and the
 * lines of the log. Knows no listeners and no hooks.
 */
import type { Logger } from '@nestjs/common';
import { ReplaySubject, type Observable } from 'rxjs';
import { WrongStateError, type Connection } from '../../amqp/index.js';
import { describeError } from '../errors.js';
import { LoginRefusals } from '../login-refusals.js';
import { OutageLog } from './outage-log.js';
import type { ConnectionStatus, RecoveryEventName, RecoveryEvents } from './recovery-events.js';
import { countsInWords, firstOf, inWords } from './recovery-words.js';

/** Told after status and outages say the same. */
export type Tell = <Name extends RecoveryEventName>(name: Name, event: RecoveryEvents[Name]) => void;

export class WatchedConnection {
  readonly name: string;
  readonly outages: OutageLog;
  readonly #logger: Logger;
  readonly #tell: Tell;
  // The last value outlives the completion: whoever asks afterwards learns that it is closed.
  readonly #statuses = new ReplaySubject<ConnectionStatus>(1);
  #lastStatus: ConnectionStatus | undefined;
  #connection: Connection | undefined;
  #isOver = false;
  /** What healed since the last line of the log: a rebuild heals many at once. */
  #healed: string[] = [];

  constructor(name: string, logger: Logger, tell: Tell) {
    this.name = name;
    this.outages = new OutageLog(name);
    this.#logger = logger;
    this.#tell = tell;
    this.#noteStatus();
  }

  /** Replays the present status, tells each change, and completes when the application closed. */
  get statuses(): Observable<ConnectionStatus> {
    return this.#statuses.asObservable();
  }

  get status(): ConnectionStatus {
    const { name } = this;
    const connection = this.#connection;
    if (!connection) return { name, state: this.#isOver ? 'closed' : 'connecting', epoch: 0, blockedReason: undefined };
    return { name, state: connection.state, epoch: connection.epoch, blockedReason: connection.blockedReason };
  }

  get isOpened(): boolean {
    return this.#connection !== undefined;
  }

  /** Throws WrongStateError before the application started. */
  get connection(): Connection {
    if (this.#connection) return this.#connection;
    const state = this.#isOver ? 'was never open' : 'is not open: the application has not started';
    throw new WrongStateError(`connection "${this.name}" ${state}`);
  }

  /** To be called as soon as it is open: events before are missed. */
  watch(connection: Connection): void {
    this.#connection = connection;
    const { name } = this;
    const refusals = new LoginRefusals((problem) => {
      this.#logger.error(`connection "${name}": ${problem}; trying on`);
    });
    connection.on('lost', (event) => {
      refusals.forget();
      // With `recovery: false` it is not tried again, and `failed` follows.
      const next = connection.state === 'recovering' ? '; reconnecting' : '';
      this.#logger.warn(`connection "${name}" was lost: ${describeError(event.cause).message}${next}`);
      this.outages.lost(event);
      this.#noteStatus();
      this.#tell('lost', { ...event, connection: name });
    });
    connection.on('reconnecting', (event) => {
      refusals.note(event.cause);
      this.outages.reconnecting(event);
      this.#tell('reconnecting', { ...event, connection: name });
    });
    connection.on('recovered', (event) => {
      this.#logRecovery(event);
      this.outages.recovered(event);
      this.#noteStatus();
      this.#tell('recovered', { ...event, connection: name });
    });
    connection.on('failed', (event) => {
      this.#logger.error(`connection "${name}" is given up: ${describeError(event.cause).message}`);
      this.outages.failed(event);
      this.#noteStatus();
      this.#tell('failed', { ...event, connection: name });
    });
    connection.on('healed', (event) => {
      this.#logHealed(`${event.kind} "${event.name}"`);
      this.outages.healed(event);
      this.#tell('healed', { ...event, connection: name });
    });
    connection.on('blocked', ({ reason }) => {
      this.#logger.warn(`connection "${name}" is blocked by the broker: ${reason}`);
      this.#noteStatus();
    });
    connection.on('unblocked', () => {
      this.#logger.log(`connection "${name}" is no longer blocked`);
      this.#noteStatus();
    });
    connection.on('closed', () => {
      if (this.outages.isOngoing) this.#logger.log(`connection "${name}" was closed before it was back`);
      this.outages.closed();
      this.#noteStatus();
    });
    this.#noteStatus();
  }

  /** The application closed, or could not start. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#noteStatus();
    this.#statuses.complete();
  }

  #noteStatus(): void {
    const { status } = this;
    const last = this.#lastStatus;
    const isSame =
      last?.state === status.state && last.epoch === status.epoch && last.blockedReason === status.blockedReason;
    if (isSame) return;
    this.#lastStatus = status;
    this.#statuses.next(status);
  }

  #logRecovery({ duration, attempts, restored, broken }: Omit<RecoveryEvents['recovered'], 'connection'>): void {
    const tried = inWords(attempts, 'attempt');
    this.#logger.log(
      `connection "${this.name}" is back after ${String(duration)} ms, ${tried}, with ${countsInWords(restored)}`,
    );
    for (const { kind, name, error } of broken.slice(0, brokenLineLimit)) {
      this.#logger.error(`connection "${this.name}": ${kind} "${name}" did not come back: ${error.message}`);
    }
    const more = broken.length - brokenLineLimit;
    if (more > 0) this.#logger.error(`connection "${this.name}": ${String(more)} more did not come back`);
  }

  #logHealed(entity: string): void {
    this.#healed.push(entity);
    if (this.#healed.length > 1) return;
    queueMicrotask(() => {
      const healed = this.#healed;
      this.#healed = [];
      const verb = healed.length === 1 ? 'works' : 'work';
      this.#logger.log(`connection "${this.name}": ${firstOf(healed)} ${verb} again`);
    });
  }
}

/** One line for each, so that each can be searched for; but not thousands. */
const brokenLineLimit = 20;
