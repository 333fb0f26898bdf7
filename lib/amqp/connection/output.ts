/**
 * What one life of a connection writes: one buffer, flushed once per turn, and whether there is room for more.
 *
 * There is none while the transport's buffer is full, and while the broker blocks the connection. Must not know what is
 * written.
 */
import { ByteWriter } from '../protocol/index.js';
import type { Transport } from '../transport/index.js';

/** Output beyond this many bytes is written at once, not at the end of the turn. */
const earlyFlushSize = 128 * 1024;

export class Output {
  readonly writer = new ByteWriter();
  readonly #transport: Transport;
  readonly #onSent: () => void;
  #isFlushScheduled = false;
  #hasTransportRoom = true;
  #isBlocked = false;
  #isEnded = false;
  #roomWaiters: (() => void)[] = [];
  #heldBack: (() => void)[] = [];

  /** `onSent` is called whenever bytes go out. */
  constructor(transport: Transport, onSent: () => void) {
    this.#transport = transport;
    this.#onSent = onSent;
  }

  get hasRoom(): boolean {
    return this.#hasTransportRoom && !this.#isBlocked;
  }

  /** Calls back, once, when there is room again or the life ended. */
  onRoom(callback: () => void): void {
    this.#roomWaiters.push(callback);
  }

  /** Calls back, once, before the bytes of this turn go out: what is written until then may be said in fewer. */
  holdBack(write: () => void): void {
    this.#heldBack.push(write);
    this.scheduleFlush();
  }

  /** Writes what was held back. */
  writeHeldBack(): void {
    if (this.#heldBack.length > 0) for (const write of this.#heldBack.splice(0)) write();
  }

  /** Lets what stands in the writer go out at the end of this turn, or at once when it is much. */
  scheduleFlush(): void {
    if (this.writer.length >= earlyFlushSize) {
      this.flush();
    } else if (!this.#isFlushScheduled) {
      this.#isFlushScheduled = true;
      setImmediate(this.#scheduledFlush);
    }
  }

  readonly #scheduledFlush = (): void => {
    this.#isFlushScheduled = false;
    this.flush();
  };

  flush(): void {
    this.writeHeldBack();
    if (this.writer.length === 0) return;
    const chunks = this.writer.take();
    if (this.#isEnded) return;
    this.#onSent();
    if (!this.#transport.write(chunks)) this.#hasTransportRoom = false;
  }

  /** The transport's buffer went out. */
  noteDrained(): void {
    this.#hasTransportRoom = true;
    this.#tellRoom();
  }

  set isBlocked(isBlocked: boolean) {
    this.#isBlocked = isBlocked;
    this.#tellRoom();
  }

  /** Nothing goes out any more; who waits for room is told. */
  end(): void {
    this.#isEnded = true;
    this.#tellRoom();
  }

  #tellRoom(): void {
    if (!this.hasRoom && !this.#isEnded) return;
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const waiter of waiters) waiter();
  }
}
