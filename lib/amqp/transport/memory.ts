/** Two transports joined in memory: what one writes the other reads, in order, never in the same call. */
import type { Transport, TransportListener } from './transport.js';

/** Bytes on the way in one direction above which `write` answers false. */
const highWaterMark = 1024 * 1024;

/** Two transports that are each other's end, without a socket. `description` is what both call themselves. */
export function memoryPair(description = 'memory'): [Transport, Transport] {
  const left = new MemoryTransport(description);
  const right = new MemoryTransport(description);
  left.join(right);
  right.join(left);
  return [left, right];
}

class MemoryTransport implements Transport {
  readonly description: string;
  readonly isPrivate = true;
  #peer: MemoryTransport | undefined;
  #listener: TransportListener | undefined;
  /** What the peer wrote and this side did not read yet. */
  #inbox: Uint8Array[] = [];
  #inboxBytes = 0;
  #isReadingPaused = false;
  #isDeliveryScheduled = false;
  #isWriterWaiting = false;
  #isEnded = false;
  #isPeerEnded = false;
  #isClosed = false;

  constructor(description: string) {
    this.description = description;
  }

  join(peer: MemoryTransport): void {
    this.#peer = peer;
  }

  listen(listener: TransportListener): void {
    this.#listener = listener;
    this.#schedule();
  }

  write(chunks: readonly Uint8Array[]): boolean {
    const peer = this.#peer;
    if (this.#isEnded || this.#isClosed || !peer) return true;
    for (const chunk of chunks) {
      peer.#inbox.push(chunk);
      peer.#inboxBytes += chunk.length;
    }
    peer.#schedule();
    this.#isWriterWaiting = peer.#inboxBytes >= highWaterMark;
    return !this.#isWriterWaiting;
  }

  pauseReading(isPaused: boolean): void {
    this.#isReadingPaused = isPaused;
    if (!isPaused) this.#schedule();
  }

  end(): void {
    if (this.#isEnded || this.#isClosed) return;
    this.#isEnded = true;
    const peer = this.#peer;
    if (peer) {
      peer.#isPeerEnded = true;
      peer.#schedule();
    }
  }

  destroy(): void {
    this.#close();
    const peer = this.#peer;
    if (peer) {
      peer.#isPeerEnded = true;
      peer.#schedule();
    }
  }

  #schedule(): void {
    if (this.#isDeliveryScheduled || this.#isClosed) return;
    this.#isDeliveryScheduled = true;
    setImmediate(() => {
      this.#isDeliveryScheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    const listener = this.#listener;
    if (!listener || this.#isClosed) return;
    while (this.#canRead()) {
      const chunk = this.#inbox.shift();
      if (!chunk) {
        if (this.#peer) this.#peer.#noteDrained();
        break;
      }
      this.#inboxBytes -= chunk.length;
      listener.onData(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
    }
    if (this.#isPeerEnded && this.#inbox.length === 0) {
      this.#close();
      if (this.#peer) this.#peer.#afterPeerClosed();
    }
  }

  #canRead(): boolean {
    return !this.#isReadingPaused && !this.#isClosed;
  }

  #noteDrained(): void {
    if (!this.#isWriterWaiting || this.#isClosed) return;
    this.#isWriterWaiting = false;
    this.#listener?.onDrain();
  }

  #afterPeerClosed(): void {
    this.#isPeerEnded = true;
    this.#schedule();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#inbox = [];
    this.#inboxBytes = 0;
    const listener = this.#listener;
    if (listener) {
      queueMicrotask(() => {
        listener.onClose(undefined);
      });
    }
  }
}
