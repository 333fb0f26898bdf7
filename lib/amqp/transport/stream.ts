/** Any Node duplex stream (a TCP or TLS socket, a WebSocket's stream) as a transport. */
import type { Duplex } from 'node:stream';
import type { Transport, TransportListener } from './transport.js';

/** What `streamTransport` takes. */
export interface StreamTransportOptions {
  /** See `Transport.description`. */
  description: string;
  /** See `Transport.isPrivate`; false unless said. */
  isPrivate?: boolean;
  /** Puts an error of the stream into other words before anyone hears of it. */
  translate?: (error: Error) => Error;
}

/** Makes an open duplex stream a transport, which then owns it. */
export function streamTransport(stream: Duplex, options: StreamTransportOptions): Transport {
  return new StreamTransport(stream, options);
}

class StreamTransport implements Transport {
  readonly description: string;
  readonly isPrivate: boolean;
  readonly #stream: Duplex;
  #error: Error | undefined;
  #isPaused = false;

  constructor(stream: Duplex, options: StreamTransportOptions) {
    this.#stream = stream;
    this.description = options.description;
    this.isPrivate = options.isPrivate ?? false;
    // From here on an error is never unheard, whatever happens before `listen`.
    stream.on('error', (error: Error) => {
      this.#error ??= options.translate?.(error) ?? error;
    });
  }

  listen(listener: TransportListener): void {
    const stream = this.#stream;
    if (stream.destroyed) {
      queueMicrotask(() => {
        listener.onClose(this.#error);
      });
      return;
    }
    stream.on('data', (chunk: Buffer) => {
      listener.onData(chunk);
    });
    stream.on('drain', () => {
      listener.onDrain();
    });
    // The peer closed its side: ours follows, since AMQP has no use for a half-open stream.
    stream.on('end', () => {
      stream.end();
    });
    stream.once('close', () => {
      listener.onClose(this.#error);
    });
    if (this.#isPaused) stream.pause();
  }

  write(chunks: readonly Uint8Array[]): boolean {
    const stream = this.#stream;
    if (stream.destroyed || stream.writableEnded) return true;
    if (chunks.length === 1) return stream.write(chunks[0]);
    stream.cork();
    let hasRoom = true;
    for (const chunk of chunks) hasRoom = stream.write(chunk);
    stream.uncork();
    return hasRoom;
  }

  pauseReading(isPaused: boolean): void {
    this.#isPaused = isPaused;
    if (isPaused) this.#stream.pause();
    else this.#stream.resume();
  }

  end(): void {
    if (!this.#stream.destroyed) this.#stream.end();
  }

  destroy(): void {
    this.#stream.destroy();
  }
}
