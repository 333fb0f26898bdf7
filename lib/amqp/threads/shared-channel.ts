/**
 * A worker's channel in the connection that carries it: a number here, another one there, and who closed it.
 *
 *   open --close by the worker--> closing --close-ok--> gone
 *     \--close by the broker--> refused --close-ok of the worker--> gone
 *      \--the worker is gone--> orphaned --close-ok--> gone
 *
 * Frames the broker's methods and content anew, for the worker. Must not know connection methods.
 */
import type { ChannelSink, ConnectionLife } from '../connection/index.js';
import { frameEnd, frameTypes, methodIds, replyCodes, writeMethod, type ByteWriter } from '../protocol/index.js';

export interface SharedChannelOwner {
  readonly life: ConnectionLife;
  /** Frames on their way to the worker. */
  readonly writer: ByteWriter;
  scheduleFlush(): void;
  /** Nothing more comes of the channel; the worker may use its number again. */
  onChannelClosed(number: number): void;
  onConnectionEnd(error: Error): void;
}

const basicClass = 60;
/** Pieces of bodies up to this many bytes are copied; larger ones go by reference until they are posted. */
const copiedBodyLimit = 8192;

export class SharedChannel implements ChannelSink {
  readonly #owner: SharedChannelOwner;
  readonly #number: number;
  #realNumber = 0;
  #state: 'open' | 'closing' | 'refused' | 'orphaned' | 'gone' = 'open';

  /** `number` is the worker's. */
  constructor(owner: SharedChannelOwner, number: number) {
    this.#owner = owner;
    this.#number = number;
  }

  /** Takes a number of the connection, and gives it. Throws NoFreeChannelsError when there is none. */
  attach(): number {
    this.#realNumber = this.#owner.life.attach(this);
    return this.#realNumber;
  }

  /** The channel cannot be: the worker hears it as from a broker. */
  refuse(replyText: string): void {
    this.#state = 'refused';
    const { writer } = this.#owner;
    writeMethod(
      writer,
      this.#number,
      'channel.close',
      { replyCode: replyCodes.resourceError, replyText: replyText.slice(0, 80), classId: 20, methodId: 10 },
      0,
    );
    this.#owner.scheduleFlush();
  }

  /** The worker sends a method, with its content. Gives the number it goes out under; undefined: it does not. */
  outgoing(methodId: number): number | undefined {
    if (this.#state === 'refused') {
      if (methodId === methodIds.ChannelCloseOk) this.#leave();
      return undefined;
    }
    if (this.#state === 'orphaned') return undefined;
    if (methodId === methodIds.ChannelClose) this.#state = 'closing';
    return this.#realNumber;
  }

  /** Without the worker. The owner hears when the broker answered. */
  close(): void {
    if (this.#state === 'refused') {
      this.#leave();
    } else {
      if (this.#state === 'open') {
        this.#owner.life.send(this.#realNumber, 'channel.close', {
          replyCode: replyCodes.success,
          replyText: 'the worker is done',
          classId: 0,
          methodId: 0,
        });
      }
      this.#state = 'orphaned';
    }
  }

  #leave(): void {
    this.#state = 'gone';
    this.#owner.onChannelClosed(this.#number);
  }

  // --- from the broker ----------------------------------------------------------------------------

  onMethod(methodId: number, buffer: Buffer, start: number, end: number): void {
    const { life } = this.#owner;
    const isClose = methodId === methodIds.ChannelClose;
    if (isClose) life.send(this.#realNumber, 'channel.close-ok', {});
    if (isClose || methodId === methodIds.ChannelCloseOk) life.detach(this.#realNumber);
    if (this.#state !== 'orphaned') this.#passMethod(methodId, buffer, start, end);
    if (methodId === methodIds.ChannelCloseOk || (isClose && this.#state === 'orphaned')) this.#leave();
    else if (isClose) this.#state = 'refused';
  }

  #passMethod(methodId: number, buffer: Buffer, start: number, end: number): void {
    const { writer } = this.#owner;
    writer.begin();
    this.#head(frameTypes.method, 4 + end - start);
    writer.long(methodId);
    writer.bytes(buffer.subarray(start, end));
    this.#seal();
  }

  onHeader(bodySize: number, buffer: Buffer, start: number, end: number): void {
    if (this.#state === 'orphaned') return;
    const { writer } = this.#owner;
    writer.begin();
    this.#head(frameTypes.header, 12 + end - start);
    writer.short(basicClass);
    writer.short(0);
    writer.longlong(bodySize);
    writer.bytes(buffer.subarray(start, end));
    this.#seal();
  }

  /** Each piece becomes a frame: bodies may be cut anywhere. An empty one would come after the end of its message. */
  onBody(buffer: Buffer, start: number, end: number): void {
    if (this.#state === 'orphaned' || start === end) return;
    const { writer } = this.#owner;
    const piece = buffer.subarray(start, end);
    writer.begin();
    this.#head(frameTypes.body, piece.length);
    if (piece.length <= copiedBodyLimit) writer.bytes(piece);
    else writer.reference(piece);
    this.#seal();
  }

  #head(type: number, size: number): void {
    const { writer } = this.#owner;
    writer.octet(type);
    writer.short(this.#number);
    writer.long(size);
  }

  #seal(): void {
    this.#owner.writer.octet(frameEnd);
    this.#owner.writer.commit();
    this.#owner.scheduleFlush();
  }

  onConnectionEnd(error: Error): void {
    this.#owner.onConnectionEnd(error);
  }
}
