/**
 * One direction of a line: what comes in at one end goes out at the other, late, held, joined, cut or throttled.
 *
 * It looks at no clock: what waits is let go by timers alone, so that it keeps its order and its times with whatever
 * timers a test puts in their place. Must not know transports.
 */
import { ByteQueue } from './byte-queue.js';

export interface Pace {
  /** Milliseconds that everything is late; 0: none. */
  readonly delay: number;
  /** Infinity: as fast as it goes. */
  readonly bytesPerSecond: number;
}

export interface FlowPort {
  /** Nothing goes out for now. */
  readonly isHeld: boolean;
  readonly pace: Pace | undefined;
  /** Bytes of each piece, each in a turn of the event loop of its own; undefined: as it comes. */
  readonly pieceSize: number | undefined;
  /** Milliseconds over which everything is joined into one piece; undefined: not at all. */
  readonly joinTime: number | undefined;
  send(chunks: readonly Uint8Array[]): boolean;
  /** Everything that waited has gone. */
  onEmpty(): void;
}

/** Bytes that wait above which no more are wanted. */
export const flowLimit = 64 * 1024;
/** Milliseconds between two portions of what is throttled. */
const portionInterval = 50;

export class Flow {
  readonly #port: FlowPort;
  /** What is late; each entry has a timer, and each timer lets the first entry go: so they keep their order. */
  #late: (readonly Uint8Array[])[] = [];
  #lateBytes = 0;
  readonly #lateTimers = new Set<NodeJS.Timeout>();
  readonly #queue = new ByteQueue();
  /** The next portion goes when this is over. */
  #pause: NodeJS.Timeout | NodeJS.Immediate | undefined;
  #isJoined = false;
  #isPumping = false;

  constructor(port: FlowPort) {
    this.#port = port;
  }

  /** Bytes that wait. */
  get waiting(): number {
    return this.#lateBytes + this.#queue.length;
  }

  /** False: much waits here, or what comes after it is full; `onEmpty` follows when it has gone. */
  push(chunks: readonly Uint8Array[]): boolean {
    const { pace, pieceSize, joinTime, isHeld } = this.#port;
    if (!isHeld && pace === undefined && pieceSize === undefined && joinTime === undefined && this.waiting === 0) {
      return this.#port.send(chunks);
    }
    if (pace !== undefined && pace.delay > 0) this.#delay(chunks, pace.delay);
    else this.#queue.push(chunks);
    this.#pump();
    return this.waiting <= flowLimit;
  }

  /** Something of the port changed. */
  update(): void {
    this.#endPause();
    if ((this.#port.pace?.delay ?? 0) === 0) {
      while (this.#late.length > 0) this.#letFirstGo();
      this.#endDelays();
    }
    this.#pump();
  }

  /** Forgets everything. */
  stop(): void {
    this.#endPause();
    this.#endDelays();
    this.#late = [];
    this.#lateBytes = 0;
    this.#queue.clear();
  }

  #delay(chunks: readonly Uint8Array[], milliseconds: number): void {
    this.#late.push(chunks);
    this.#lateBytes += lengthOf(chunks);
    const timer = setTimeout(() => {
      this.#lateTimers.delete(timer);
      this.#letFirstGo();
      this.#pump();
    }, milliseconds);
    this.#lateTimers.add(timer);
  }

  #letFirstGo(): void {
    const chunks = this.#late.shift();
    if (!chunks) return;
    this.#lateBytes -= lengthOf(chunks);
    this.#queue.push(chunks);
  }

  /** Sends what may go now, and comes back for the rest. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    const hadSome = this.#queue.length > 0;
    while (this.#queue.length > 0 && !this.#port.isHeld && this.#pause === undefined) this.#next();
    this.#isPumping = false;
    if (hadSome && this.waiting === 0) this.#port.onEmpty();
  }

  #next(): void {
    const { joinTime, pieceSize = Infinity, pace } = this.#port;
    if (joinTime !== undefined && !this.#isJoined) {
      this.#pauseFor(joinTime, () => (this.#isJoined = true));
      return;
    }
    const portion = pace === undefined ? Infinity : (pace.bytesPerSecond * portionInterval) / 1_000;
    const size = Math.max(1, Math.floor(Math.min(portion, pieceSize)));
    const isWhole = size >= this.#queue.length && !this.#isJoined;
    const chunks = isWhole ? this.#queue.takeAll() : [this.#queue.take(size)];
    if (this.#queue.length === 0) this.#isJoined = false;
    // Before it is sent: whoever reads it may change the port.
    if (portion !== Infinity) {
      // Pieces that are smaller than a portion take their share of its time.
      this.#pauseFor(Math.ceil((portionInterval * lengthOf(chunks)) / portion), () => undefined);
    } else if (pieceSize !== Infinity) {
      this.#pause = setImmediate(() => this.#goOn());
    }
    this.#port.send(chunks);
  }

  #pauseFor(milliseconds: number, afterwards: () => void): void {
    this.#pause = setTimeout(() => {
      afterwards();
      this.#goOn();
    }, milliseconds);
  }

  #goOn(): void {
    this.#pause = undefined;
    this.#pump();
  }

  #endPause(): void {
    // One of them is of the other kind, and does nothing.
    clearTimeout(this.#pause as NodeJS.Timeout | undefined);
    clearImmediate(this.#pause as NodeJS.Immediate | undefined);
    this.#pause = undefined;
    this.#isJoined = false;
  }

  #endDelays(): void {
    for (const timer of this.#lateTimers) clearTimeout(timer);
    this.#lateTimers.clear();
  }
}

function lengthOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0);
}
