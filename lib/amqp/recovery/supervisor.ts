/**
 * Keeps a connection alive over its lives: first connect and reconnect are one path, through the states of states.ts.
 *
 * Knows when to connect, when to wait and when to give up; what a new life must be given back is the owner's
 * (`restore`). Must not know channels or users.
 */
import { closeEvents, connectEvents } from '../diagnostics.js';
import {
  AccessRefusedError,
  asConnectionError,
  AuthenticationError,
  ConnectionClosedError,
  ConnectionError,
} from '../errors.js';
import {
  openEndpoint,
  type CloseReason,
  type ConnectionLife,
  type ResolvedEndpoint,
  type ResolvedParameters,
} from '../connection/index.js';
import { backOffDelay, isWorthRecovery, slowDelay, wait } from './back-off.js';
import { RetryStates, type ConnectionState } from './states.js';

export interface SupervisorOwner {
  /** Gives a new life back what the earlier ones had. Rejects when that life ended meanwhile. */
  restore(life: ConnectionLife): Promise<void>;
  onLost(cause: ConnectionError): void;
  onReconnecting(attempt: number, delay: number, cause: ConnectionError): void;
  /** `attempts` is how many it took; `duration` the milliseconds since the loss. */
  onRecovered(attempts: number, duration: number): void;
  onFailed(cause: ConnectionError): void;
  onBlocked(reason: string): void;
  onUnblocked(): void;
}

/** Whatever ends lives sooner than this after they were restored, in milliseconds, again and again, must make no spin. */
const shortLife = 1_000;

/** How long to go on trying. */
interface Patience {
  /** Attempts in all. */
  readonly attempts: number;
  /** Milliseconds before an attempt, after a failure. */
  delay(attempt: number, cause: ConnectionError): number;
  /** Whether to try (again) after this. */
  isWorthTrying(cause: ConnectionError): boolean;
}

export class Supervisor {
  readonly #parameters: ResolvedParameters;
  readonly #owner: SupervisorOwner;
  readonly #closing = new AbortController();
  readonly #states = new RetryStates();
  #life: ConnectionLife | undefined;
  #openedAt = 0;
  /** Lives in a row that ended as soon as they were open. */
  #shortLives = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(parameters: ResolvedParameters, owner: SupervisorOwner) {
    this.#parameters = parameters;
    this.#owner = owner;
  }

  get state(): ConnectionState {
    return this.#states.visible;
  }

  /** The present life, while it is open and restored. */
  get life(): ConnectionLife | undefined {
    return this.#states.state === 'open' ? this.#life : undefined;
  }

  /** How many lives there were; 1 after the first connect. */
  get epoch(): number {
    return this.#states.epoch;
  }

  /** The first connect. Rejects when `attempts` rounds over the endpoints failed, with the error of the last. */
  async connect(): Promise<void> {
    const { attempts, retryDelay } = this.#parameters;
    await this.#tryUntilOpen({ attempts, delay: () => retryDelay, isWorthTrying: (cause) => !isHopeless(cause) });
  }

  /** Ends everything in bounded time, in whatever state. Never rejects. */
  async close(reason?: CloseReason): Promise<void> {
    const life = this.#life;
    if (this.#states.state !== 'closed') this.#states.move('closed');
    this.#closing.abort();
    await life?.close(undefined, reason);
    await this.#running;
  }

  /**
   * Connects and restores, as often as it takes; answers the number of attempts. `loss`: what a first attempt has to
   * wait after. Rejects with the last error when no further attempt is due, or with ConnectionClosedError.
   */
  async #tryUntilOpen(patience: Patience, loss?: ConnectionError): Promise<number> {
    let cause = loss;
    for (let attempt = 1; ; attempt++) {
      if (cause) await this.#backOff(patience, attempt, cause);
      try {
        await this.#establish();
        return attempt;
      } catch (error) {
        this.#life = undefined;
        if (this.#isClosing()) throw new ConnectionClosedError();
        cause = asConnectionError(error);
        if (attempt < patience.attempts && patience.isWorthTrying(cause)) continue;
        this.#states.move('failed');
        throw cause;
      }
    }
  }

  async #backOff(patience: Patience, attempt: number, cause: ConnectionError): Promise<void> {
    if (this.#states.state !== 'backing-off') this.#states.move('backing-off');
    const delay = patience.delay(attempt, cause);
    this.#owner.onReconnecting(attempt, delay, cause);
    await wait(delay, this.#closing.signal);
    if (this.#isClosing()) throw new ConnectionClosedError();
    this.#states.move('connecting');
  }

  /** One round over the endpoints, and the restoration of what was. Rejects with the error that says most. */
  async #establish(): Promise<void> {
    const life = await this.#connectRound();
    this.#life = life;
    life.listen({
      onBlocked: (reason) => {
        this.#owner.onBlocked(reason);
      },
      onUnblocked: () => {
        this.#owner.onUnblocked();
      },
      onEnd: (error) => {
        if (closeEvents.hasSubscribers) closeEvents.publish({ connection: life.identity, cause: error });
        if (life === this.#life && this.#states.state === 'open') this.#onLost(error);
      },
    });
    if (!this.#isClosing()) {
      this.#states.move('restoring');
      try {
        await this.#owner.restore(life);
      } catch (error) {
        life.destroy(asConnectionError(error));
        throw life.endedBy ?? asConnectionError(error);
      }
    }
    if (life.endedBy) throw life.endedBy;
    if (this.#isClosing()) {
      await life.close();
      throw new ConnectionClosedError();
    }
    this.#states.move('open');
    this.#openedAt = performance.now();
  }

  async #connectRound(): Promise<ConnectionLife> {
    const errors: ConnectionError[] = [];
    for (const endpoint of this.#round()) {
      try {
        return await this.#connectTo(endpoint);
      } catch (error) {
        if (this.#closing.signal.aborted) throw new ConnectionClosedError();
        errors.push(asConnectionError(error));
      }
    }
    throw summaryOf(errors);
  }

  async #connectTo(endpoint: ResolvedEndpoint): Promise<ConnectionLife> {
    if (!connectEvents.hasSubscribers) return openEndpoint(endpoint, this.#parameters, this.#closing.signal);
    const connection = {
      name: this.#parameters.connectionName,
      endpoint: `${endpoint.host}:${String(endpoint.port)}`,
    };
    const since = performance.now();
    const tell = (error: ConnectionError | undefined): void => {
      connectEvents.publish({ connection, duration: performance.now() - since, error });
    };
    try {
      const life = await openEndpoint(endpoint, this.#parameters, this.#closing.signal);
      tell(undefined);
      return life;
    } catch (error) {
      tell(asConnectionError(error));
      throw error;
    }
  }

  #isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  #round(): readonly ResolvedEndpoint[] {
    const { endpoints, order } = this.#parameters;
    if (order === 'as-given') return endpoints;
    return endpoints
      .map((endpoint) => ({ endpoint, rank: Math.random() }))
      .sort((left, right) => left.rank - right.rank)
      .map(({ endpoint }) => endpoint);
  }

  #onLost(cause: ConnectionError): void {
    const since = performance.now();
    const { recovery } = this.#parameters;
    this.#shortLives = since - this.#openedAt < shortLife ? this.#shortLives + 1 : 0;
    const isWanted = recovery !== false && recovery.attempts > 0 && isWorthRecovery(recovery, cause);
    this.#life = undefined;
    this.#states.move(isWanted ? 'backing-off' : 'failed');
    this.#owner.onLost(cause);
    if (this.#isClosing()) return;
    if (isWanted) this.#running = this.#recover(recovery, cause, since);
    else this.#owner.onFailed(cause);
  }

  async #recover(recovery: Recovery, loss: ConnectionError, since: number): Promise<void> {
    const patience: Patience = {
      attempts: recovery.attempts,
      delay: (attempt, cause) =>
        isRefusal(cause) ? slowDelay(recovery) : backOffDelay(attempt + Math.max(0, this.#shortLives - 1), recovery),
      isWorthTrying: (cause) => !isHopeless(cause) && isWorthRecovery(recovery, cause),
    };
    try {
      const attempts = await this.#tryUntilOpen(patience, loss);
      this.#owner.onRecovered(attempts, Math.round(performance.now() - since));
    } catch (error) {
      if (!this.#isClosing()) this.#owner.onFailed(asConnectionError(error));
    }
  }
}

type Recovery = Exclude<ResolvedParameters['recovery'], false>;

/** What one round over the endpoints came to: the error that says most, with the others as its cause. */
function summaryOf(errors: readonly ConnectionError[]): ConnectionError {
  const telling = errors.find(isRefusal) ?? errors.at(-1) ?? new ConnectionError('there is no endpoint to connect to');
  if (errors.length > 1) telling.cause = new AggregateError(errors, 'every endpoint failed', { cause: telling.cause });
  return telling;
}

/** True for an error that says more than that an endpoint is not there. */
function isRefusal(error: ConnectionError): boolean {
  return error instanceof AuthenticationError || error instanceof AccessRefusedError;
}

/**
 * No attempt will do better: closed by whoever carries us (`Connection.share`); or the root class itself, not
 * recoverable, which stands for what a parameter of the user's brought about, and neither the network nor the broker.
 */
function isHopeless(error: ConnectionError): boolean {
  return error instanceof ConnectionClosedError || (error.constructor === ConnectionError && !error.recoverable);
}
