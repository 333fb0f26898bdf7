/** One consumer of a channel: its prefetch, and what it holds. */
import type { QueuedMessage } from '../store/message.js';
import type { MessageQueue, QueueConsumer } from '../store/message-queue.js';

/** What a consumer needs of its channel. */
export interface DeliveryPort {
  /** The client reads, and the channel is open. */
  readonly canSend: boolean;
  /** The channel's own prefetch (global) has room. */
  readonly hasRoom: boolean;
  deliver(consumer: Consumer, queue: MessageQueue, queued: QueuedMessage): void;
  /** The broker ended the consumer. */
  cancelled(consumer: Consumer): void;
}

export interface ConsumerOptions {
  readonly tag: string;
  readonly queue: MessageQueue;
  readonly noAck: boolean;
  readonly isExclusive: boolean;
  readonly priority: number;
  /** Unacknowledged messages that it may hold; 0 is no limit. */
  readonly prefetch: number;
  /** Higher for consumers of the channel that came later. */
  readonly ordinal: number;
}

/** What a quorum queue takes for a prefetch without limit. */
const unlimitedPrefetch = 2000;

export class Consumer implements QueueConsumer {
  readonly tag: string;
  readonly queue: MessageQueue;
  readonly noAck: boolean;
  readonly isExclusive: boolean;
  readonly priority: number;
  readonly prefetch: number;
  readonly ordinal: number;
  unackedCount = 0;
  readonly #port: DeliveryPort;

  constructor(options: ConsumerOptions, port: DeliveryPort) {
    this.tag = options.tag;
    this.queue = options.queue;
    this.noAck = options.noAck;
    this.isExclusive = options.isExclusive;
    this.priority = options.priority;
    this.prefetch = options.prefetch;
    this.ordinal = options.ordinal;
    this.#port = port;
  }

  get room(): number {
    return (this.prefetch === 0 ? unlimitedPrefetch : this.prefetch) - this.unackedCount;
  }

  canTake(): boolean {
    if (!this.#port.canSend) return false;
    // Quorum queues do not know the prefetch of a channel. Without acks it counts too.
    if (this.queue.settings.type === 'classic' && !this.#port.hasRoom) return false;
    return this.noAck || this.prefetch === 0 || this.unackedCount < this.prefetch;
  }

  take(queue: MessageQueue, queued: QueuedMessage): void {
    this.#port.deliver(this, queue, queued);
  }

  cancel(): void {
    this.#port.cancelled(this);
  }
}
