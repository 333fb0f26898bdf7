/**
 * One end of a port between two threads, as a transport: what one end writes the other reads, in order.
 *
 * Bytes cross by transfer: a turn's chunks are copied once, into one block that changes hands. (A posted view would
 * clone all of the buffer below it, a 64 KiB slab for a few bytes; and what the user published must stay the user's.)
 * Bounded both ways by credit: the reader tells, every 256 KiB, how much it took; beyond `highWaterMark` bytes not
 * taken `write` answers false, and `onDrain` follows when half of them were.
 *
 * Knows bytes and a few words; must not know frames, or what the threads at its ends do.
 */
import type { MessagePort } from 'node:worker_threads';
import type { Transport, TransportListener } from '../transport/index.js';
import { fromWords, isPortMessage, toWords, type ControlMessage } from './port-messages.js';

export interface PortTransportOptions {
  /** See `Transport.description`. */
  description: string;
  /** Bytes that the other end has not taken above which `write` answers false. Default 1 MiB. */
  highWaterMark?: number;
  /** True when nobody else holds what is written: then a chunk that fills its memory is handed over without a copy. */
  ownsChunks?: boolean;
  /** Hears words that are not the transport's own. */
  onControl?: (message: ControlMessage) => void;
}

/** Taken bytes are told in steps of this many, so that small traffic costs no messages of its own. */
const creditStep = 256 * 1024;

export class PortTransport implements Transport {
  description: string;
  isPrivate = true;
  /** True when the other end said that it had written everything, and did not just vanish. */
  wasEndedByPeer = false;
  /** True when the other end said goodbye at all. */
  wasClosedByPeer = false;
  /** True when `destroy` was called at this end. */
  wasDestroyed = false;

  readonly #port: MessagePort;
  readonly #highWaterMark: number;
  readonly #ownsChunks: boolean;
  readonly #onControl: ((message: ControlMessage) => void) | undefined;
  #listener: TransportListener | undefined;
  /** What came while nobody listened, or while reading was paused. */
  #inbox: (Buffer | ControlMessage)[] = [];
  #isPaused = false;
  #isDelivering = false;
  /** Bytes that were written and not yet taken by the other end. */
  #outstanding = 0;
  #isWriterWaiting = false;
  /** Bytes that were taken and not yet told. */
  #taken = 0;
  #isEnded = false;
  #isClosed = false;
  #closedBy: Error | undefined;

  constructor(port: MessagePort, options: PortTransportOptions) {
    this.#port = port;
    this.description = options.description;
    this.#highWaterMark = options.highWaterMark ?? 1024 * 1024;
    this.#ownsChunks = options.ownsChunks ?? false;
    this.#onControl = options.onControl;
    port.on('message', (message: unknown) => {
      this.#onMessage(message);
    });
    // Comes behind all messages, also when the other thread ended or was ended without a word.
    port.once('close', () => {
      this.#enqueue({ kind: 'closed' }, false);
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Lets the thread end although the port is open. */
  unref(): this {
    this.#port.unref();
    return this;
  }

  listen(listener: TransportListener): void {
    this.#listener = listener;
    if (this.#isClosed) this.#tellClosed();
    else if (this.#inbox.length > 0) setImmediate(() => this.#deliver());
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#isEnded || this.#isClosed) return true;
    let size = 0;
    for (const chunk of chunks) size += chunk.length;
    if (size === 0) return true;
    const block = this.#blockOf(chunks, size);
    this.#port.postMessage(block, [block.buffer]);
    this.#outstanding += size;
    this.#isWriterWaiting ||= this.#outstanding >= this.#highWaterMark;
    return !this.#isWriterWaiting;
  }

  #blockOf(chunks: readonly Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
    const [only] = chunks;
    if (this.#ownsChunks && chunks.length === 1 && only?.buffer.byteLength === size && isTransferable(only))
      return only;
    // Memory of its own: a pooled one cannot change hands.
    const block = Buffer.allocUnsafeSlow(size);
    let position = 0;
    for (const chunk of chunks) {
      block.set(chunk, position);
      position += chunk.length;
    }
    return block;
  }

  /** Says something beside the bytes, in order with them. */
  say(message: ControlMessage): void {
    if (!this.#isClosed) this.#port.postMessage(message);
  }

  pauseReading(isPaused: boolean): void {
    this.#isPaused = isPaused;
    if (!isPaused && this.#inbox.length > 0) setImmediate(() => this.#deliver());
  }

  end(): void {
    if (this.#isEnded || this.#isClosed) return;
    this.say({ kind: 'end' });
    this.#isEnded = true;
  }

  /** Drops both directions; the other end hears of `error`, and so does our listener. */
  destroy(error?: Error): void {
    if (this.#isClosed) return;
    this.wasDestroyed = true;
    this.say({ kind: 'closed', error: error && toWords(error) });
    this.#close(error);
  }

  #onMessage(message: unknown): void {
    if (this.#isClosed) return;
    if (!isPortMessage(message) || (typeof message === 'number' && message > this.#outstanding)) {
      this.destroy(new Error('the other end sent what is no message of a transport'));
    } else if (typeof message === 'number') this.#onTaken(message);
    else if (ArrayBuffer.isView(message)) {
      this.#enqueue(Buffer.from(message.buffer, message.byteOffset, message.byteLength), true);
    } else this.#enqueue(message, true);
  }

  #onTaken(bytes: number): void {
    this.#outstanding -= bytes;
    if (!this.#isWriterWaiting || this.#outstanding > this.#highWaterMark / 2) return;
    this.#isWriterWaiting = false;
    this.#listener?.onDrain();
  }

  #enqueue(item: Buffer | ControlMessage, isFromPeer: boolean): void {
    if (this.#isClosed) return;
    if (isFromPeer && !Buffer.isBuffer(item) && item.kind === 'closed') this.wasClosedByPeer = true;
    this.#inbox.push(item);
    this.#deliver();
  }

  #deliver(): void {
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    while (!this.#isClosed) {
      const [next] = this.#inbox;
      if (next === undefined) break;
      // Words reach us before anyone listens: they say whether there will be something to listen to.
      if (Buffer.isBuffer(next)) {
        if (this.#isPaused || !this.#listener) break;
        this.#inbox.shift();
        this.#take(next.length);
        this.#listener.onData(next);
      } else {
        this.#inbox.shift();
        this.#hear(next);
      }
    }
    this.#isDelivering = false;
  }

  #take(size: number): void {
    this.#taken += size;
    if (this.#taken < creditStep) return;
    this.#port.postMessage(this.#taken);
    this.#taken = 0;
  }

  #hear(message: ControlMessage): void {
    if (message.kind === 'end') {
      this.wasEndedByPeer = true;
      this.say({ kind: 'closed' });
      this.#close(undefined);
    } else if (message.kind === 'closed') {
      this.#close(message.error && fromWords(message.error));
    } else {
      this.#onControl?.(message);
    }
  }

  #close(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closedBy = error;
    this.#inbox = [];
    this.#port.close();
    if (this.#listener) this.#tellClosed();
  }

  #tellClosed(): void {
    queueMicrotask(() => {
      this.#listener?.onClose(this.#closedBy);
    });
  }
}

function isTransferable(chunk: Uint8Array): chunk is Uint8Array<ArrayBuffer> {
  return chunk.buffer instanceof ArrayBuffer;
}
