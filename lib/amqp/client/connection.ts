/**
 * A connection as users hold it: it outlives the socket.
 *
 * Owns the topology record, the channels and the supervisor that keeps them alive, and tells what happens as events.
 */
import type { MessagePort } from 'node:worker_threads';
import {
  resolveParameters,
  type CloseReason,
  type ConnectionLife,
  type ConnectionParameters,
  type IoThreadOpener,
  type ResolvedParameters,
  type Tuning,
} from '../connection/index.js';
import { recoverEvents } from '../diagnostics.js';
import {
  ArgumentError,
  ConnectionClosedByBrokerError,
  ConnectionClosedError,
  TimeoutError,
  WrongStateError,
  type AmqpError,
  type ConnectionError,
} from '../errors.js';
import type { FieldTable } from '../protocol/index.js';
import {
  backOffDelay,
  entityExists,
  planTopology,
  rebuildTopology,
  Supervisor,
  TopologyRecord,
  type BrokenEntity,
  type ConnectionState,
} from '../recovery/index.js';
import { check, checkCloseOptions, checkOptions, type CloseOptions } from './arguments.js';
import type { ChannelHost, ChannelKeeper } from './channel-keeper.js';
import { Channel } from './channel.js';
import type { ChannelOptions } from './channel-options.js';
import { Events } from './events.js';
import {
  applyDeclarations,
  checkDeclarations,
  declarationsOf,
  Plan,
  PlanConflictError,
  type Declarations,
} from './plans.js';

/** Where a connection leads. */
export interface ConnectedEndpoint {
  /** Name or address, as it was given. */
  readonly host: string;
  /** TCP port. */
  readonly port: number;
  /** RabbitMQ's virtual host. */
  readonly virtualHost: string;
  /** Whether TLS carries it. */
  readonly tls: boolean;
}

/** What came back with a recovery. */
export interface RestoredCounts {
  /** Channels opened again. */
  readonly channels: number;
  /** Exchanges declared again. */
  readonly exchanges: number;
  /** Queues declared again. */
  readonly queues: number;
  /** Bindings made again, to queues and to exchanges. */
  readonly bindings: number;
  /** Consumers that consume again. */
  readonly consumers: number;
}

/** The events of a connection: name, and what listeners are given. */
export interface ConnectionEvents {
  /** The connection went. Once per outage. */
  lost: { readonly cause: ConnectionError };
  /** An attempt follows after `delay` milliseconds; `cause` is the last failure. */
  reconnecting: { readonly attempt: number; readonly delay: number; readonly cause: ConnectionError };
  /** Everything that can be is as before. Once per outage, after `lost`. */
  recovered: {
    /** Number of the new life; the first connect was 1. */
    readonly epoch: number;
    readonly attempts: number;
    /** Milliseconds since the loss. */
    readonly duration: number;
    readonly restored: RestoredCounts;
    /** What the broker refused. */
    readonly broken: readonly BrokenEntity[];
    /** Server-named queues: old name to new name. */
    readonly renamedQueues: ReadonlyMap<string, string>;
  };
  /** No further attempt will be made; all channels are closed. */
  failed: { readonly cause: ConnectionError };
  /** The broker takes no publishes for now (connection.blocked). */
  blocked: { readonly reason: string };
  /** It takes publishes again (connection.unblocked). */
  unblocked: undefined;
  /** `close()` was called and is done. */
  closed: undefined;
}

interface Restoration {
  readonly counts: RestoredCounts;
  readonly broken: readonly BrokenEntity[];
}

/** What a connection needs of the layer of threads, which stands above it and is handed in. */
export interface ThreadSupport {
  /** Opens sockets in a thread of their own (`ioThread`). */
  readonly openInThread: IoThreadOpener;
  /** Makes the port of `Connection.share`; `lifeOf` gives the present life, while it is open and restored. */
  share(connection: Connection, lifeOf: () => ConnectionLife | undefined): MessagePort;
}

let connectionCount = 0;

/**
 * A connection, made by `connect`. It outlives the socket: after a loss it is opened again with its topology, channels
 * and consumers, unless the parameter `recovery` says otherwise.
 */
export class Connection extends Events<ConnectionEvents> {
  /** What was declared over this connection and will be declared again after a loss. */
  readonly topology = new TopologyRecord();
  readonly #parameters: ResolvedParameters;
  readonly #supervisor: Supervisor;
  readonly #channels = new Map<ChannelKeeper, Channel>();
  readonly #host: ChannelHost;
  readonly #tagPrefix: string;
  #tagCount = 0;
  #restoration: Restoration | undefined;
  #latest: ConnectionLife | undefined;
  /** Server-named queues since the last loss: name before it to present name. */
  readonly #renamedQueues = new Map<string, string>();
  /** What the broker refused to restore. */
  #remainder = new TopologyRecord();
  #retryTimer: NodeJS.Timeout | undefined;
  #retries = 0;
  #closing: Promise<void> | undefined;
  #failure: ConnectionError | undefined;

  readonly #threads: ThreadSupport;

  private constructor(parameters: ConnectionParameters, threads: ThreadSupport) {
    super();
    this.#threads = threads;
    this.#parameters = resolveParameters(parameters, threads.openInThread);
    connectionCount += 1;
    this.#tagPrefix = `leveret-${String(process.pid)}-${String(connectionCount)}`;
    this.#supervisor = new Supervisor(this.#parameters, {
      restore: (life) => this.#restore(life),
      onLost: (cause) => {
        clearTimeout(this.#retryTimer);
        this.#renamedQueues.clear();
        this.emit('lost', { cause });
      },
      onReconnecting: (attempt, delay, cause) => {
        this.emit('reconnecting', { attempt, delay, cause });
      },
      onRecovered: (attempts, duration) => {
        this.#onRecovered(attempts, duration);
      },
      onFailed: (cause) => {
        this.#failure = cause;
        this.#endChannels(cause);
        this.emit('failed', { cause });
      },
      onBlocked: (reason) => {
        for (const keeper of this.#channels.keys()) keeper.flow.noteBlocked();
        this.emit('blocked', { reason });
      },
      onUnblocked: () => {
        this.emit('unblocked', undefined);
      },
    });
    const supervisor = this.#supervisor;
    this.#host = {
      parameters: this.#parameters,
      get life() {
        return supervisor.life;
      },
      restoreQueue: (queue) => this.#restoreQueue(queue),
      exists: async (kind, name) => entityExists(await this.#whenOpen('passive declare'), kind, name),
      forget: (keeper) => {
        this.#channels.delete(keeper);
      },
      noteCancelled: (queue) => {
        this.#noteCancelled(queue);
      },
      forgetConsumers: (queue) => {
        for (const keeper of this.#channels.keys()) keeper.forgetQueue(queue);
      },
      currentName: (queue) => this.topology.currentName(queue),
    };
  }

  /** @internal */
  static async open(parameters: ConnectionParameters, threads: ThreadSupport): Promise<Connection> {
    const connection = new Connection(parameters, threads);
    const { signal } = connection.#parameters;
    const onAbort = (): void => {
      void connection.#supervisor.close();
    };
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
    try {
      await connection.#supervisor.connect();
    } catch (error) {
      const isAborted = signal?.aborted === true && error instanceof ConnectionClosedError;
      connection.#failure = isAborted
        ? new ConnectionClosedError('connecting was given up', { cause: signal.reason })
        : (error as ConnectionError);
      throw connection.#failure;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
    return connection;
  }

  /** `connecting`, `open`, `recovering` (lost, and being rebuilt), `closed` (by you) or `failed` (given up). */
  get state(): ConnectionState {
    return this.#supervisor.state;
  }

  /** True while the connection is up and restored. */
  get isOpen(): boolean {
    return this.#supervisor.life !== undefined;
  }

  /** Number of the present life; 1 from the first connect on. */
  get epoch(): number {
    return this.#supervisor.epoch;
  }

  /** Why the broker takes no publishes for now; undefined while it does. */
  get blockedReason(): string | undefined {
    return this.#supervisor.life?.blockedReason;
  }

  /** What the broker says of itself (connection.start): product, version, capabilities. As `negotiated`. */
  get serverProperties(): Readonly<FieldTable> {
    return this.#latestLife.serverProperties;
  }

  /** What was agreed on with the broker (connection.tune-ok), in the present life or, while there is none, the last. */
  get negotiated(): Readonly<Tuning> {
    return this.#latestLife.tuning;
  }

  /** Where the present life leads or, while there is none, the last one led. */
  get endpoint(): ConnectedEndpoint {
    const { host, port, virtualHost, tls } = this.#latestLife.endpoint;
    return { host, port, virtualHost, tls: tls !== false };
  }

  /** The open channels, in the order in which they were opened. */
  get channels(): readonly Channel[] {
    return [...this.#channels.values()];
  }

  /**
   * channel.open. While the connection recovers, it waits for it, at most `methodTimeout`.
   * Rejects with WrongStateError when all channels are in use, TimeoutError, or what ended the connection.
   */
  async openChannel(options: ChannelOptions = {}): Promise<Channel> {
    const kinds = { prefetch: 'prefetch', confirm: 'boolean' } as const;
    const { prefetch = 0, confirm = false } = checkOptions(options, kinds, 'openChannel');
    const settings = {
      prefetch,
      globalPrefetch: undefined,
      isConfirming: confirm,
      isTransactional: false,
    };
    const nextTag = (): string => `${this.#tagPrefix}-${String((this.#tagCount += 1))}`;
    const channel = new Channel(this.#host, this.topology, settings, nextTag);
    const { keeper } = channel;
    try {
      while (!keeper.life) {
        const life = await this.#whenOpen('channel.open');
        // Where the connection was lost in the middle, its recovery restored this channel with the others.
        if (this.#channels.has(keeper)) break;
        this.#channels.set(keeper, channel);
        await keeper.restore(life).catch((error: unknown) => {
          if (!life.endedBy || this.#parameters.recovery === false) throw error;
        });
      }
      await keeper.whenOpen('channel.open');
    } catch (error) {
      this.#channels.delete(keeper);
      throw error;
    }
    return channel;
  }

  /**
   * connection.update-secret: gives the broker a new secret (an OAuth 2 token, before the old one expires), and from then
   * on uses it at each reconnect in place of the password of the user that is logged in. A credentials function is asked
   * anew at each reconnect anyway. While the connection is away nothing is sent: the next login has the new secret.
   * Calls are made one after the other.
   *
   * RabbitMQ hands the secret to the backends that the user came from. OAuth 2 checks it, and closes the connection (530)
   * over one that does not hold: recovery then logs in with the old one. Users with a password stay as they are,
   * whatever the secret: the broker's ok says nothing of it, and a wrong one shows at the next reconnect. From 4.3 on
   * the broker looks anew at which queues may be consumed from, and may cancel consumers.
   *
   * Rejects with ArgumentError (nothing was sent), TimeoutError after `methodTimeout`, ConnectionClosedByBrokerError, or
   * what ended the connection.
   *
   * @param secret - A string is sent as UTF-8.
   * @param reason - For the broker's log, 255 bytes at most.
   */
  async updateSecret(secret: string | Uint8Array, reason = ''): Promise<void> {
    if (typeof secret !== 'string' && !((secret as unknown) instanceof Uint8Array)) {
      throw new ArgumentError('secret', 'must be a string or a Uint8Array');
    }
    check(reason, 'name', 'reason');
    const bytes = Buffer.from(secret);
    const turn = this.#secretUpdates.then(() => this.#updateSecret(bytes, reason));
    this.#secretUpdates = turn.catch(() => undefined);
    await turn;
  }

  /**
   * What declarations would change on the broker, entity by entity; nothing is changed. Without declarations: whether all
   * that was declared over this connection is still there as it was.
   *
   * It asks by queue.declare and exchange.declare, passive first, on channels of its own, some of which the broker closes.
   * So `equal` means that the broker would take the declaration, which RabbitMQ does also where an argument differs that
   * it does not know. AMQP cannot ask for bindings: they are `missing` where one of their ends is, else `unknown`.
   *
   * Rejects with ArgumentError (`queues[2].durable: ...`), TimeoutError, or what ended the connection.
   */
  async plan(declarations: Declarations = declarationsOf(this.topology)): Promise<Plan> {
    const declared = checkDeclarations(declarations);
    return new Plan(await planTopology(await this.#whenOpen('plan'), declared));
  }

  /**
   * Declares what is not there, and answers with the plan that it went by. All of it is in `topology` then, to be declared
   * again after a loss. Where anything is on the broker otherwise than declared it rejects with PlanConflictError, which
   * names each difference, and nothing is declared. Also rejects as `plan` and the declares do.
   */
  async apply(declarations: Declarations): Promise<Plan> {
    const declared = checkDeclarations(declarations);
    const plan = await this.plan(declarations);
    if (plan.conflicts.length > 0) throw new PlanConflictError(plan);
    const channel = await this.openChannel();
    try {
      await applyDeclarations(channel, declared, plan);
    } finally {
      await channel.close();
    }
    return plan;
  }

  #secretUpdates: Promise<void> = Promise.resolve();

  async #updateSecret(secret: Uint8Array, reason: string): Promise<void> {
    const ended = this.#endedBy();
    if (ended) throw ended;
    const { life } = this.#supervisor;
    await life?.updateSecret(secret, reason).catch((error: unknown) => {
      // Lost on the way is as if it had been away.
      const isAway = life.endedBy !== undefined && !this.#endedBy();
      if (!isAway || error instanceof ConnectionClosedByBrokerError) throw error;
    });
    const { credentials } = this.#latestLife.endpoint;
    for (const endpoint of this.#parameters.endpoints) endpoint.credentials.renew(secret, credentials);
  }

  /**
   * A port for a worker thread, which makes it a connection of its own by `connectShared(port)`: with channels, recovery
   * and the same promises, over this connection's one socket. Hand the port over as `workerData` or by `postMessage`,
   * naming it in the transfer list. Any number of shares may be open at a time; a port serves one connection. Close a
   * port that you do not use after all (`port.close()`): its share stays until this connection ends.
   *
   * When the worker closes its connection, or ends in whatever way, its channels are closed on the broker and what it
   * had not settled goes back to the queues. Exclusive queues that it declared belong to this connection, and go with it.
   * When this connection is lost the worker's is lost too, and recovers after it; when this one is closed or failed, the
   * worker's is `failed` with ConnectionClosedError.
   *
   * Throws ConnectionClosedError, or what ended this connection.
   */
  share(): MessagePort {
    const ended = this.#endedBy();
    if (ended) throw ended;
    return this.#threads.share(this, () => this.#supervisor.life);
  }

  /**
   * connection.close: flushes what was published and awaits its outcome, then closes the channels and the connection, in
   * any state; each of the two steps takes at most `closeTimeout` milliseconds. Unsettled deliveries go back to their
   * queues, loops over pull streams end, calls that wait reject with ConnectionClosedError. Never rejects but with
   * ArgumentError, idempotent; no connection is made afterwards, and nothing keeps the process alive.
   */
  async close(options?: CloseOptions): Promise<void> {
    const reason = checkCloseOptions(options);
    await (this.#closing ??= this.#close(reason));
  }

  /** `await using connection = await connect(...)`: closes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(reason: CloseReason): Promise<void> {
    const limit = this.#parameters.closeTimeout;
    if (this.#supervisor.life) {
      await Promise.all([...this.#channels.keys()].map((keeper) => keeper.flow.flushed(limit)));
    }
    clearTimeout(this.#retryTimer);
    const closed = this.#supervisor.close(reason);
    this.#endChannels(new ConnectionClosedError());
    await closed;
    this.emit('closed', undefined);
  }

  get #latestLife(): ConnectionLife {
    // Nobody holds a connection before its first life.
    if (!this.#latest) throw new WrongStateError('the connection was never open');
    return this.#latest;
  }

  // --- recovery -----------------------------------------------------------------------------------

  async #restore(life: ConnectionLife): Promise<void> {
    clearTimeout(this.#retryTimer);
    this.#latest = life;
    const topology = await rebuildTopology(life, this.topology, (from, to) => {
      this.#onQueueRenamed(from, to);
    });
    const channels = await Promise.all([...this.#channels.keys()].map((keeper) => keeper.restore(life)));
    this.#restoration = {
      counts: {
        channels: channels.length,
        exchanges: topology.exchanges,
        queues: topology.queues,
        bindings: topology.bindings,
        consumers: channels.reduce((sum, { consumers }) => sum + consumers, 0),
      },
      broken: [...topology.broken, ...channels.flatMap(({ broken }) => broken)],
    };
    this.#remainder = topology.remainder;
    this.#retries = 0;
    this.#scheduleRetry();
  }

  /** At once, and not only when the recovery is through: it may be cut short, and start again from here. */
  #onQueueRenamed(from: string, to: string): void {
    this.topology.renameQueue(from, to);
    for (const keeper of this.#channels.keys()) keeper.renameQueue(from, to);
    const original = [...this.#renamedQueues].find(([, present]) => present === from)?.[0] ?? from;
    this.#renamedQueues.set(original, to);
  }

  /** What the broker refused is tried again, ever more slowly, until it is there or forgotten. */
  #scheduleRetry(): void {
    const { recovery } = this.#parameters;
    if (recovery === false || this.#remainder.isEmpty) return;
    this.#retries += 1;
    const delay = Math.max(recovery.initialDelay, backOffDelay(this.#retries, recovery));
    this.#retryTimer = setTimeout(() => {
      this.#retryRemainder().catch(() => {
        // The connection ended, whose recovery starts from the whole record; or there was no free channel to do it on.
        if (this.#supervisor.life) this.#scheduleRetry();
      });
    }, delay);
    this.#retryTimer.unref();
  }

  async #retryRemainder(): Promise<void> {
    const { life } = this.#supervisor;
    if (!life) return;
    this.#remainder.retain(this.topology);
    const { remainder } = await rebuildTopology(life, this.#remainder, (from, to) => {
      this.#onQueueRenamed(from, to);
    });
    this.#remainder = remainder;
    this.#scheduleRetry();
  }

  /** An auto-delete queue goes with the last consumer that we cancel: it is not to come back. */
  #noteCancelled(queue: string): void {
    if (this.topology.queue(queue)?.autoDelete !== true) return;
    const isConsumed = [...this.#channels.keys()].some((keeper) =>
      [...keeper.consumers.values()].some((consumer) => consumer.queue === queue),
    );
    if (!isConsumed) this.topology.removeQueue(queue);
  }

  #onRecovered(attempts: number, duration: number): void {
    const restoration = this.#restoration;
    if (!restoration) return;
    const { life, epoch } = this.#supervisor;
    if (recoverEvents.hasSubscribers && life) {
      recoverEvents.publish({
        connection: life.identity,
        epoch,
        attempts,
        duration,
        broken: restoration.broken.length,
      });
    }
    this.emit('recovered', {
      epoch: this.epoch,
      attempts,
      duration,
      restored: restoration.counts,
      broken: restoration.broken,
      renamedQueues: new Map(this.#renamedQueues),
    });
  }

  /** Declares one queue with its bindings again where we declared it before; answers whether it is there. */
  async #restoreQueue(queue: string): Promise<boolean> {
    const life = this.#supervisor.life;
    if (!life) return false;
    const record = this.topology.queue(queue);
    if (record && !record.isServerNamed) {
      const part = new TopologyRecord();
      part.addQueue(record);
      for (const binding of this.topology.bindings) {
        if (binding.kind === 'queue' && binding.destination === queue) part.addBinding(binding);
      }
      const { broken } = await rebuildTopology(life, part, () => undefined);
      return !broken.some(({ kind }) => kind === 'queue');
    }
    return entityExists(life, 'queue', queue);
  }

  #whenOpen(step: string): Promise<ConnectionLife> {
    const { life } = this.#supervisor;
    if (life) return Promise.resolve(life);
    const ended = this.#endedBy();
    if (ended) return Promise.reject(ended);
    const limit = this.#parameters.methodTimeout;
    return new Promise<ConnectionLife>((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        this.off('recovered', onChange).off('failed', onChange).off('closed', onChange);
      };
      const timer = setTimeout(() => {
        settle();
        reject(new TimeoutError(`${step}, waiting for the connection to recover`, limit));
      }, limit);
      const onChange = (): void => {
        const present = this.#supervisor.life;
        const cause = this.#endedBy();
        if (present) resolve(present);
        else if (cause) reject(cause);
        else return;
        settle();
      };
      this.on('recovered', onChange).on('failed', onChange).on('closed', onChange);
    });
  }

  #endedBy(): AmqpError | undefined {
    if (this.#closing) return new ConnectionClosedError();
    return this.#failure;
  }

  #endChannels(cause: AmqpError): void {
    for (const keeper of [...this.#channels.keys()]) keeper.end(cause);
  }
}
