/**
 * A connection as users hold it: it outlives the socket.
 *
 * Owns the topology record, the channels and the supervisor that keeps them alive, and tells what happens as events.
 */
import { ChannelLife } from '../channel/index.js';
import {
  resolveParameters,
  type ConnectionLife,
  type ConnectionParameters,
  type ResolvedParameters,
} from '../connection/index.js';
import {
  ChannelClosedByBrokerError,
  ConnectionClosedError,
  TimeoutError,
  type AmqpError,
  type ConnectionError,
} from '../errors.js';
import type { FieldTable } from '../protocol/index.js';
import {
  rebuildTopology,
  Supervisor,
  TopologyRecord,
  type BrokenEntity,
  type ConnectionState,
} from '../recovery/index.js';
import { checkOptions } from './arguments.js';
import type { ChannelHost, ChannelKeeper } from './channel-keeper.js';
import { Channel, type ChannelOptions } from './channel.js';
import { Events } from './events.js';

/** What came back with a recovery. */
export interface RestoredCounts {
  readonly channels: number;
  readonly exchanges: number;
  readonly queues: number;
  readonly bindings: number;
  readonly consumers: number;
}

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
  unblocked: undefined;
  /** `close()` was called and is done. */
  closed: undefined;
}

interface Restoration {
  readonly counts: RestoredCounts;
  readonly broken: readonly BrokenEntity[];
  readonly renamedQueues: ReadonlyMap<string, string>;
}

let connectionCount = 0;

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
  #closing: Promise<void> | undefined;
  #failure: ConnectionError | undefined;

  private constructor(parameters: ConnectionParameters) {
    super();
    this.#parameters = resolveParameters(parameters);
    connectionCount += 1;
    this.#tagPrefix = `leveret-${String(process.pid)}-${String(connectionCount)}`;
    this.#supervisor = new Supervisor(this.#parameters, {
      restore: (life) => this.#restore(life),
      onLost: (cause) => {
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
    };
  }

  /** @internal */
  static async open(
    parameters: ConnectionParameters,
    onCreated?: (connection: Connection) => void,
  ): Promise<Connection> {
    const connection = new Connection(parameters);
    onCreated?.(connection);
    try {
      await connection.#supervisor.connect();
    } catch (error) {
      connection.#failure = error as ConnectionError;
      throw error;
    }
    return connection;
  }

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

  /** What the broker says of itself (connection.start): product, version, capabilities. */
  get serverProperties(): Readonly<FieldTable> {
    return this.#supervisor.life?.serverProperties ?? {};
  }

  get channels(): readonly Channel[] {
    return [...this.#channels.values()];
  }

  /**
   * channel.open. While the connection recovers, it waits for it, at most `methodTimeout`.
   * Rejects with WrongStateError when all channels are in use, TimeoutError, or what ended the connection.
   */
  async openChannel(options: ChannelOptions = {}): Promise<Channel> {
    checkOptions(options, { prefetch: 'prefetch', confirm: 'boolean' }, 'openChannel');
    const settings = {
      prefetch: options.prefetch ?? 0,
      globalPrefetch: undefined,
      isConfirming: options.confirm ?? false,
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
   * Flushes what was published, closes the channels and the connection, in any state, all within `closeTimeout`
   * (for each of the two steps). Never rejects, idempotent; no connection is made afterwards.
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const limit = this.#parameters.closeTimeout;
    if (this.#supervisor.life) {
      await Promise.all([...this.#channels.keys()].map((keeper) => keeper.flow.flushed(limit)));
    }
    const closed = this.#supervisor.close();
    this.#endChannels(new ConnectionClosedError());
    await closed;
    this.emit('closed', undefined);
  }

  // --- recovery -----------------------------------------------------------------------------------

  async #restore(life: ConnectionLife): Promise<void> {
    const topology = await rebuildTopology(life, this.topology);
    const keepers = [...this.#channels.keys()];
    if (topology.renamedQueues.size > 0) for (const keeper of keepers) keeper.renameQueues(topology.renamedQueues);
    const channels = await Promise.all(keepers.map((keeper) => keeper.restore(life)));
    this.#restoration = {
      counts: {
        channels: channels.length,
        exchanges: topology.exchanges,
        queues: topology.queues,
        bindings: topology.bindings,
        consumers: channels.reduce((sum, { consumers }) => sum + consumers, 0),
      },
      broken: [...topology.broken, ...channels.flatMap(({ broken }) => broken)],
      renamedQueues: topology.renamedQueues,
    };
  }

  #onRecovered(attempts: number, duration: number): void {
    const restoration = this.#restoration;
    if (!restoration) return;
    this.emit('recovered', {
      epoch: this.epoch,
      attempts,
      duration,
      restored: restoration.counts,
      broken: restoration.broken,
      renamedQueues: restoration.renamedQueues,
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
      const { broken } = await rebuildTopology(life, part);
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

/** Asks by a passive declare on a channel of its own, which a 404 closes. Rejects with any other refusal. */
async function entityExists(connection: ConnectionLife, kind: 'queue' | 'exchange', name: string): Promise<boolean> {
  const channel = await ChannelLife.open(connection);
  try {
    if (kind === 'queue') await channel.call('queue.declare', { queue: name, passive: true });
    else await channel.call('exchange.declare', { exchange: name, type: '', passive: true });
    await channel.close();
    return true;
  } catch (error) {
    if (error instanceof ChannelClosedByBrokerError && error.replyCode === 404) return false;
    // 405: there, and exclusive to another connection.
    if (error instanceof ChannelClosedByBrokerError && error.replyCode === 405) return true;
    if (channel.isOpen) await channel.close();
    throw error;
  }
}
