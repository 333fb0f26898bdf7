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
  asAmqpError,
  ConnectionClosedError,
  NoFreeChannelsError,
  TimeoutError,
  WrongStateError,
  type AmqpError,
  type ConnectionError,
} from '../errors.js';
import type { FieldTable } from '../protocol/index.js';
import {
  entityExists,
  Supervisor,
  type BrokenEntity,
  type ConnectionState,
  type RebuildReport,
  type TopologyRecord,
} from '../recovery/index.js';
import { check, checkCloseOptions, checkOptions, type CloseOptions } from './arguments.js';
import type { ChannelHost, ChannelKeeper } from './channel-keeper.js';
import { Channel } from './channel.js';
import { channelKinds, type ChannelOptions } from './channel-options.js';
import type { ConnectionEvents, Restoration } from './connection-events.js';
import { PlanMethods } from './plan-methods.js';
import { SecretUpdates } from './secret-updates.js';
import { TopologyKeeper } from './topology-keeper.js';

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
export class Connection extends PlanMethods {
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
  readonly #topology: TopologyKeeper;
  readonly #secretUpdates: SecretUpdates;
  /** What healed in a recovery, and is told after it. */
  readonly #healed: ConnectionEvents['healed'][] = [];
  #channelCount = 0;
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
        this.#topology.pause();
        this.#topology.trials.noteFailure(cause);
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
    this.#topology = new TopologyKeeper({
      parameters: this.#parameters,
      get life() {
        return supervisor.life;
      },
      onRenamed: (from, to) => {
        this.#onQueueRenamed(from, to);
      },
      onHealed: (entity) => {
        this.#onHealed(entity);
      },
    });
    const endedBy = (): AmqpError | undefined => this.endedBy();
    this.#secretUpdates = new SecretUpdates({
      get life() {
        return supervisor.life;
      },
      get endedBy() {
        return endedBy();
      },
      onAccepted: (secret) => {
        const { credentials } = this.#latestLife.endpoint;
        for (const endpoint of this.#parameters.endpoints) endpoint.credentials.renew(secret, credentials);
      },
    });
    this.#host = {
      parameters: this.#parameters,
      get life() {
        return supervisor.life;
      },
      trials: this.#topology.trials,
      restoreQueue: (queue) => this.#topology.restoreQueue(queue),
      removal: (action) => this.#topology.removal(action),
      declaration: (queue, action) => this.#topology.declaration(queue, action),
      onHealed: (entity) => {
        this.#onHealed(entity);
      },
      exists: async (kind, name) => entityExists(await this.whenOpen('passive declare'), kind, name),
      forget: (keeper) => {
        this.#channels.delete(keeper);
      },
      isAutoDelete: (queue) => this.#isAutoDelete(queue),
      noteCancelled: (queue, wasKnown) => this.#noteCancelled(queue, wasKnown),
      forgetConsumers: (queue) => {
        for (const keeper of this.#channels.keys()) keeper.consumers.forgetQueue(queue);
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

  /** What was declared over this connection and will be declared again after a loss. */
  get topology(): TopologyRecord {
    return this.#topology.record;
  }

  /**
   * What the broker refuses at present: exchanges, queues and bindings that could not be declared again, and consumers
   * that wait for their queue. Each is tried again, ever more slowly; `healed` tells when it works.
   */
  get broken(): readonly BrokenEntity[] {
    return [...this.#topology.broken, ...[...this.#channels.keys()].flatMap((keeper) => keeper.consumers.broken)];
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
    const given = checkOptions(options, channelKinds, 'openChannel');
    const { prefetch = 0, confirm = false, replayUnknown = false, name } = given;
    if (replayUnknown && !confirm) throw new ArgumentError('replayUnknown', 'needs confirm: true');
    const settings = {
      prefetch,
      globalPrefetch: undefined,
      isConfirming: confirm,
      isTransactional: false,
      isReplaying: replayUnknown,
    };
    const nextTag = (): string => `${this.#tagPrefix}-${String((this.#tagCount += 1))}`;
    const ordinal = (this.#channelCount += 1);
    const channel = new Channel(this.#host, this.topology, settings, nextTag, name ?? `channel ${String(ordinal)}`);
    const { keeper } = channel;
    try {
      while (!keeper.life) {
        const life = await this.whenOpen('channel.open');
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
    await this.#secretUpdates.update(Buffer.from(secret), reason);
  }

  /**
   * Declares everything again in the present life, at once, and lets the consumers that wait consume again: what a recovery
   * does, without a loss. For when somebody deleted what was declared here, or mended what was `broken`. What is there
   * already stays as it is. Also tries what was left out because the broker had closed the connection over it.
   *
   * Rejects with TimeoutError after `methodTimeout` where the connection is away for so long, or with what ended it.
   */
  async rebuild(): Promise<Restoration> {
    const life = await this.whenOpen('rebuild');
    this.#topology.trials.pardon();
    try {
      const topology = await this.#topology.rebuild();
      await Promise.all([...this.#channels.keys()].map((keeper) => keeper.consumers.retryBroken()));
      if (!topology || life.endedBy) throw life.endedBy ?? new ConnectionClosedError();
      return this.#restorationOf(topology);
    } catch (error) {
      // A culprit is found in the recovery that follows.
      this.#topology.trials.noteFailure(asAmqpError(error));
      throw error;
    }
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
    const ended = this.endedBy();
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
    this.#topology.pause();
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
    this.#topology.pause();
    this.#latest = life;
    const { trials } = this.#topology;
    try {
      const keepers = [...this.#channels.keys()];
      // Side by side, where there is a channel left to declare on.
      const isRoomy = life.freeChannels > keepers.length;
      const declared = isRoomy ? undefined : await this.#topology.restore(life);
      const declaring = declared ? Promise.resolve(declared) : this.#topology.restore(life);
      const restoring = Promise.all(keepers.map((keeper) => this.#restoreChannel(keeper, life, declaring)));
      const [topology] = await Promise.all([declaring, restoring]);
      this.#restoration = this.#restorationOf(topology);
      trials.noteSuccess();
    } catch (error) {
      trials.noteFailure(life.endedBy ?? asAmqpError(error));
      throw error;
    }
  }

  /** A broker that came back with a lower `channelMax` has no room for some: they are over, and the others go on. */
  async #restoreChannel(keeper: ChannelKeeper, life: ConnectionLife, ready: Promise<unknown>): Promise<void> {
    try {
      await keeper.restore(life, ready);
    } catch (error) {
      if (!(error instanceof NoFreeChannelsError)) throw error;
      keeper.end(error);
    }
  }

  #restorationOf(topology: RebuildReport): Restoration {
    const keepers = [...this.#channels.keys()];
    return {
      restored: {
        channels: keepers.length,
        exchanges: topology.exchanges,
        queues: topology.queues,
        bindings: topology.bindings,
        consumers: keepers.reduce((sum, keeper) => sum + keeper.consumers.working, 0),
      },
      broken: [...topology.broken, ...keepers.flatMap((keeper) => keeper.consumers.broken)],
    };
  }

  #onHealed(entity: ConnectionEvents['healed']): void {
    if (this.#supervisor.life) this.emit('healed', entity);
    else this.#healed.push(entity);
  }

  /** At once, and not only when the recovery is through: it may be cut short, and start again from here. */
  #onQueueRenamed(from: string, to: string): void {
    for (const keeper of this.#channels.keys()) keeper.consumers.renameQueue(from, to);
    const original = [...this.#renamedQueues].find(([, present]) => present === from)?.[0] ?? from;
    this.#renamedQueues.set(original, to);
  }

  #isAutoDelete(queue: string): boolean {
    return this.topology.queue(queue)?.autoDelete === true;
  }

  /**
   * An auto-delete queue goes with the last consumer that we cancel: it is not to come back. Where the broker knew the
   * consumer it sees to that. Where it did not, the queue is ours to delete, and what was declared before the cancel comes
   * first. RabbitMQ looks at channels side by side, and lets a declare wait while the queue goes with its lost consumers: a
   * delete would get its answer before that declare makes the queue anew, for nobody.
   */
  async #noteCancelled(queue: string, wasKnown: boolean): Promise<void> {
    if (!wasKnown && this.#isAutoDelete(queue)) await this.#topology.whenDeclared(queue);
    if (!this.#isAutoDelete(queue)) return;
    const isConsumed = [...this.#channels.keys()].some((keeper) =>
      keeper.consumers.all.some((consumer) => consumer.queue === queue),
    );
    if (!isConsumed) await this.#topology.forgetAutoDelete(queue, wasKnown);
  }

  #onRecovered(attempts: number, duration: number): void {
    const restoration = this.#restoration;
    if (!restoration) return;
    void this.#topology.dropOrphans();
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
      restored: restoration.restored,
      broken: restoration.broken,
      renamedQueues: new Map(this.#renamedQueues),
    });
    for (const entity of this.#healed.splice(0)) this.emit('healed', entity);
  }

  protected whenOpen(step: string): Promise<ConnectionLife> {
    const { life } = this.#supervisor;
    if (life) return Promise.resolve(life);
    const ended = this.endedBy();
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
        const cause = this.endedBy();
        if (present) resolve(present);
        else if (cause) reject(cause);
        else return;
        settle();
      };
      this.on('recovered', onChange).on('failed', onChange).on('closed', onChange);
    });
  }

  protected endedBy(): AmqpError | undefined {
    if (this.#closing) return new ConnectionClosedError();
    return this.#failure;
  }

  #endChannels(cause: AmqpError): void {
    for (const keeper of [...this.#channels.keys()]) keeper.end(cause);
  }
}
