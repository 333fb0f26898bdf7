/**
 * Keeps a connection alive over its lives: first connect and reconnect are one path.
 *
 *   connecting --> open <--> recovering      any --close()--> closed
 *        \____________________/\__________ attempts used up --> failed
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
import { backOffDelay, isWorthRecovery, wait } from './back-off.js';

/** `connecting`, `open`, `recovering` (lost, and being rebuilt), `closed` (by you) or `failed` (given up). */
export type ConnectionState = 'connecting' | 'open' | 'recovering' | 'closed' | 'failed';

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

export class Supervisor {
  readonly #parameters: ResolvedParameters;
  readonly #owner: SupervisorOwner;
  readonly #closing = new AbortController();
  #state: ConnectionState = 'connecting';
  #life: ConnectionLife | undefined;
  #epoch = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(parameters: ResolvedParameters, owner: SupervisorOwner) {
    this.#parameters = parameters;
    this.#owner = owner;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The present life, while it is open and restored. */
  get life(): ConnectionLife | undefined {
    return this.#state === 'open' ? this.#life : undefined;
  }

  /** How many lives there were; 1 after the first connect. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The first connect. Rejects when `attempts` rounds over the endpoints failed, with the error of the last. */
  async connect(): Promise<void> {
    const { attempts, retryDelay } = this.#parameters;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#establish();
        return;
      } catch (error) {
        const cause = asConnectionError(error);
        if (this.#closing.signal.aborted) throw new ConnectionClosedError();
        if (attempt >= attempts || isHopeless(cause)) {
          this.#state = 'failed';
          throw cause;
        }
        this.#owner.onReconnecting(attempt + 1, retryDelay, cause);
        await wait(retryDelay, this.#closing.signal);
      }
    }
  }

  /** Ends everything in bounded time, in whatever state. Never rejects. */
  async close(reason?: CloseReason): Promise<void> {
    const life = this.#life;
    this.#state = 'closed';
    this.#closing.abort();
    await life?.close(undefined, reason);
    await this.#running;
  }

  /** One round over the endpoints, and the restoration of what was. Rejects with the error that says most. */
  async #establish(): Promise<void> {
    const life = await this.#connectRound();
    this.#life = life;
    let isRestored = false;
    life.listen({
      onBlocked: (reason) => {
        this.#owner.onBlocked(reason);
      },
      onUnblocked: () => {
        this.#owner.onUnblocked();
      },
      onEnd: (error) => {
        if (closeEvents.hasSubscribers) closeEvents.publish({ connection: life.identity, cause: error });
        if (isRestored) this.#onEnd(error);
      },
    });
    try {
      await this.#owner.restore(life);
    } catch (error) {
      life.destroy(asConnectionError(error));
      throw life.endedBy ?? asConnectionError(error);
    }
    if (life.endedBy) throw life.endedBy;
    if (this.#closing.signal.aborted) {
      await life.close();
      throw new ConnectionClosedError();
    }
    isRestored = true;
    this.#epoch += 1;
    this.#state = 'open';
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

  #onEnd(cause: ConnectionError): void {
    if (this.#state !== 'open') return;
    this.#state = 'recovering';
    this.#life = undefined;
    const since = performance.now();
    this.#owner.onLost(cause);
    this.#running = this.#recover(cause, since);
  }

  async #recover(loss: ConnectionError, since: number): Promise<void> {
    const { recovery } = this.#parameters;
    let cause = loss;
    const attempts = recovery === false ? 0 : recovery.attempts;
    for (let attempt = 1; recovery !== false && attempt <= attempts && isWorthRecovery(recovery, cause); attempt++) {
      if (this.#isClosing()) return;
      const delay = backOffDelay(attempt, recovery);
      this.#owner.onReconnecting(attempt, delay, cause);
      await wait(delay, this.#closing.signal);
      if (this.#isClosing()) return;
      try {
        await this.#establish();
        this.#owner.onRecovered(attempt, Math.round(performance.now() - since));
        return;
      } catch (error) {
        cause = asConnectionError(error);
        this.#life = undefined;
        if (isHopeless(cause)) break;
      }
    }
    if (this.#closing.signal.aborted) return;
    this.#state = 'failed';
    this.#owner.onFailed(cause);
  }
}

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
