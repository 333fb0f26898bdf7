/** The channels of one life of a connection, by number. */
import { NoFreeChannelsError, type ConnectionError } from '../errors.js';

/** One life of a channel, as its connection sees it. */
export interface ChannelSink {
  onMethod(methodId: number, buffer: Buffer, start: number, end: number): void;
  onHeader(bodySize: number, buffer: Buffer, start: number, end: number): void;
  onBody(buffer: Buffer, start: number, end: number, isFrameEnd: boolean): void;
  /** The connection is gone; nothing more will come. */
  onConnectionEnd(error: ConnectionError): void;
}

export class ChannelTable {
  readonly #sinks: (ChannelSink | undefined)[] = [];
  /** Numbers whose channel is closed. RabbitMQ may still send deliveries behind its own channel.close. */
  readonly #closed = new Set<number>();
  #lastNumber = 0;
  #size = 0;

  /** How many numbers are taken. */
  get size(): number {
    return this.#size;
  }

  find(number: number): ChannelSink | undefined {
    return this.#sinks[number];
  }

  /** True for a number that had a channel, whose late frames mean nothing. */
  wasClosed(number: number): boolean {
    return this.#closed.has(number);
  }

  /**
   * Reserves a number: the next one in turn, so that late frames of a closed channel do not meet its successor. Throws
   * NoFreeChannelsError when all are taken.
   */
  attach(sink: ChannelSink, channelMax: number): number {
    for (let tried = 0; tried < channelMax; tried++) {
      this.#lastNumber = (this.#lastNumber % channelMax) + 1;
      if (this.#sinks[this.#lastNumber]) continue;
      this.#sinks[this.#lastNumber] = sink;
      this.#size += 1;
      this.#closed.delete(this.#lastNumber);
      return this.#lastNumber;
    }
    throw new NoFreeChannelsError(channelMax);
  }

  detach(number: number): void {
    if (this.#sinks[number]) this.#size -= 1;
    this.#sinks[number] = undefined;
    this.#closed.add(number);
  }

  /** The connection is gone: tells every channel, and forgets them. */
  end(error: ConnectionError): void {
    this.#size = 0;
    for (const sink of this.#sinks.splice(0)) sink?.onConnectionEnd(error);
  }
}
