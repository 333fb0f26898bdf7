/**
 * Looks into the parking queue of a queue, and empties it: back into the queue, or away. What is looked at and stays is held
 * meanwhile, and given back in the end: basic.get has no way of only looking.
 */
import { randomUUID } from 'node:crypto';
import { AmqpError, type BasicProperties, type Channel, type Connection, type Delivery } from '../../amqp/index.js';
import { describeError } from '../errors.js';
import {
  attemptsIn,
  historyIn,
  publishCopy,
  readable,
  replayHeader,
  replayHeaders,
  type FailedRun,
} from './message-copy.js';
import { parkingQueue } from './parking.js';

/**
 * Messages that are on their way at a time, and acknowledged in one go. RabbitMQ holds back what is said to a quorum queue
 * beyond 32 commands that it has not answered, and forgets it where the channel closes meanwhile: the messages would be there
 * again.
 */
const windowSize = 20;
/** Bytes of the bodies that are held at a time. */
const mostBytes = 64 * 1024 * 1024;

/** A message in a parking queue. */
export interface ParkedMessage {
  /** Undefined where its publisher gave it none. */
  readonly messageId: string | undefined;
  /** `error`, `timeout`, `invalid`, `unreadable`, `refused`, `no-handler`, or the words of the handler that parked it. */
  readonly reason: string;
  /** The error's class, and what it said. */
  readonly error: string | undefined;
  readonly errorMessage: string | undefined;
  /** `Class.method`, or the pattern. */
  readonly handler: string | undefined;
  /** When it was parked. */
  readonly time: Date | undefined;
  /** Runs that failed. */
  readonly attempts: number;
  /** The last of them, at most ten, the oldest first. */
  readonly history: readonly FailedRun[];
  /** Where it was published first. */
  readonly exchange: string | undefined;
  readonly routingKey: string | undefined;
  readonly body: Buffer;
  readonly properties: Readonly<BasicProperties>;
}

export interface ParkedSelection {
  /** The one with this id (all of them, where several have it). */
  messageId?: string | undefined;
  /** Those for which it answers true. */
  where?: ((message: ParkedMessage) => boolean) | undefined;
  /** At most so many. Default: all. */
  limit?: number | undefined;
  /** Messages that are looked at and stay, at most: they are held meanwhile. Default 10 000. */
  scan?: number | undefined;
}

export interface ParkedOutcome {
  /** Messages that were replayed, or dropped. */
  readonly moved: number;
  /** Messages that were looked at and stayed. */
  readonly kept: number;
  /**
   * False: there may be more that is selected, behind `limit` or `scan` messages, or behind 64 MiB of bodies that are held
   * meanwhile.
   */
  readonly isComplete: boolean;
}

/** Some messages could not be moved; they are still parked. */
export class ReplayError extends AmqpError {
  /** How many were before. */
  readonly moved: number;

  constructor(queue: string, moved: number, cause: unknown) {
    const { name, message } = describeError(cause);
    super(`replay to "${queue}" failed after ${String(moved)} messages: ${name}: ${message}`, {
      cause,
      recoverable: true,
    });
    this.moved = moved;
  }
}

export class ParkedQueue {
  readonly #connection: () => Connection;
  readonly #queue: string;

  /** `queue` is the queue whose messages are parked. */
  constructor(connection: () => Connection, queue: string) {
    this.#connection = connection;
    this.#queue = queue;
  }

  async count(): Promise<number> {
    return await this.#withChannel((channel) => countOf(channel, this.#queue));
  }

  async list(selection: ParkedSelection): Promise<ParkedMessage[]> {
    const found: ParkedMessage[] = [];
    await this.#withChannel((channel) =>
      this.#scan(channel, selection, ({ message }) => {
        found.push(message);
        return Promise.resolve('stays');
      }),
    );
    return found;
  }

  /** Rejects with ReplayError where one could not be put into its queue: it is parked still. */
  async replay(selection: ParkedSelection): Promise<ParkedOutcome> {
    const target = { exchange: '', routingKey: this.#queue };
    const replay = randomUUID();
    return await this.#withChannel((channel) =>
      this.#scan(
        channel,
        selection,
        async ({ delivery }) => {
          await publishCopy(channel, delivery, target, replayHeaders(delivery, replay), isOfParking);
          return 'moved';
        },
        ({ properties }) => properties.headers?.[replayHeader] === replay,
      ),
    );
  }

  async drop(selection: ParkedSelection): Promise<ParkedOutcome> {
    return await this.#withChannel((channel) => this.#scan(channel, selection, () => Promise.resolve('moved')));
  }

  async #withChannel<Result>(use: (channel: Channel) => Promise<Result>): Promise<Result> {
    const channel = await this.#connection().openChannel({ confirm: true });
    // Refusals reach the caller.
    channel.on('lost', () => undefined);
    try {
      return await use(channel);
    } finally {
      await channel.close();
    }
  }

  /**
   * Takes what is parked, a window at a time, and hands what is selected to `move`. What was moved is acknowledged; all else
   * goes back in the end. It ends with the first that `isOver` knows: what failed again is parked behind all others.
   * (How many there are no broker tells exactly: the count of a quorum queue lags behind.)
   */
  async #scan(
    channel: Channel,
    { limit = Infinity, scan = 10_000, ...selection }: ParkedSelection,
    move: (taken: TakenMessage) => Promise<'moved' | 'stays'>,
    isOver: (message: ParkedMessage) => boolean = () => false,
  ): Promise<ParkedOutcome> {
    const held = new Set<Delivery>();
    let [selected, moved, bytes] = [0, 0, 0];
    let failure: { readonly cause: unknown } | undefined;
    let isLast = false;
    let isComplete = false;
    const isGoingOn = (): boolean => !isLast && !failure && selected < limit && bytes < mostBytes;
    try {
      while (isGoingOn()) {
        const taken: TakenMessage[] = [];
        while (isGoingOn() && taken.length < windowSize) {
          const delivery = await channel.basicGet(parkingQueue(this.#queue));
          const message = delivery && describeParked(delivery);
          if (delivery) held.add(delivery);
          isComplete = !message || isOver(message);
          isLast = isComplete || held.size - taken.length >= scan;
          if (!message || isOver(message)) break;
          bytes += delivery.body.length;
          if (!isSelected(message, selection)) continue;
          selected += 1;
          taken.push({ delivery, message });
        }
        const results = await Promise.allSettled(taken.map(move));
        for (const [index, result] of results.entries()) {
          const { delivery } = taken[index] ?? {};
          if (result.status === 'rejected') failure ??= { cause: result.reason };
          else if (delivery && result.value === 'moved') {
            delivery.ack();
            held.delete(delivery);
            bytes -= delivery.body.length;
            moved += 1;
          }
        }
      }
    } finally {
      // basic.nack counts as no delivery on RabbitMQ 4.3; a channel that is closed over them would.
      for (const delivery of held) if (!delivery.isStale) delivery.nack({ requeue: true });
    }
    if (failure) throw new ReplayError(this.#queue, moved, failure.cause);
    return { moved, kept: held.size, isComplete };
  }
}

function isSelected(message: ParkedMessage, { messageId, where }: ParkedSelection): boolean {
  return (messageId === undefined || message.messageId === messageId) && (where?.(message) ?? true);
}

interface TakenMessage {
  readonly delivery: Delivery;
  readonly message: ParkedMessage;
}

async function countOf(channel: Channel, queue: string): Promise<number> {
  return (await channel.queueDeclare(parkingQueue(queue), { passive: true })).messageCount;
}

/** What tells why it was parked; gone when it is replayed. */
function isOfParking(name: string): boolean {
  return /^x-leveret-(reason|error|error-message|handler|time|queue|attempts)$/.test(name);
}

function describeParked(delivery: Delivery): ParkedMessage {
  const properties = readable(delivery);
  const { headers = {} } = properties;
  const text = (name: string): string | undefined => {
    const value = headers[`x-leveret-${name}`];
    return typeof value === 'string' ? value : undefined;
  };
  const time = new Date(text('time') ?? Number.NaN);
  return {
    messageId: properties.messageId,
    // A quorum queue dead-letters here by itself what was lost with its connection too often.
    reason: text('reason') ?? (headers['x-death'] === undefined ? 'unknown' : 'dead-lettered'),
    error: text('error'),
    errorMessage: text('error-message'),
    handler: text('handler'),
    time: Number.isNaN(time.getTime()) ? undefined : time,
    attempts: attemptsIn(headers),
    history: historyIn(headers),
    exchange: text('exchange'),
    routingKey: text('routing-key'),
    body: delivery.body,
    properties,
  };
}
