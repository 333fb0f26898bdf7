/** What a connection tells, and what a recovery or a rebuild came to: types. No behaviour. */
import type { ConnectionError } from '../errors.js';
import type { BrokenEntity } from '../recovery/index.js';

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
  /** Something that the broker refused works again: an exchange, queue or binding is there, a consumer consumes. */
  healed: Pick<BrokenEntity, 'kind' | 'name'>;
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

/** What `connection.rebuild` came to. */
export interface Restoration {
  /** What is there. */
  readonly restored: RestoredCounts;
  /** What the broker refused. */
  readonly broken: readonly BrokenEntity[];
}
