/** A transport for `connect()` whose bytes a test can look at, in both directions and frame by frame. */
import { connectTcp, type TransportFactory, type TransportListener } from 'leveret/amqp';

export interface TappedFrame {
  /** 1 method, 2 header, 3 body, 8 heartbeat. */
  readonly type: number;
  readonly channel: number;
  /** The frame as a whole, its eight bytes of head and end included. */
  readonly bytes: Buffer;
  /** When the last of it passed (performance.now()). */
  readonly at: number;
}

/** Cuts a stream of bytes into frames. */
class Stream {
  readonly frames: TappedFrame[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #toSkip: number;

  /** `preface`: bytes before the first frame. */
  constructor(preface: number) {
    this.#toSkip = preface;
  }

  push(chunk: Uint8Array): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    if (this.#toSkip > 0) {
      const skipped = Math.min(this.#toSkip, this.#rest.length);
      this.#rest = this.#rest.subarray(skipped);
      this.#toSkip -= skipped;
    }
    while (this.#rest.length >= 7) {
      const size = this.#rest.readUInt32BE(3) + 8;
      if (this.#rest.length < size) return;
      const bytes = this.#rest.subarray(0, size);
      this.frames.push({ type: bytes[0] ?? 0, channel: bytes.readUInt16BE(1), bytes, at: performance.now() });
      this.#rest = this.#rest.subarray(size);
    }
  }
}

export class TappedTransport {
  readonly #sent = new Stream(8);
  readonly #received = new Stream(0);

  get sent(): readonly TappedFrame[] {
    return this.#sent.frames;
  }

  get received(): readonly TappedFrame[] {
    return this.#received.frames;
  }

  /** For one connection, in one life. */
  readonly transport: TransportFactory = async (endpoint, signal) => {
    const transport = await connectTcp(endpoint, signal);
    const write = transport.write.bind(transport);
    const listen = transport.listen.bind(transport);
    transport.write = (chunks) => {
      for (const chunk of chunks) this.#sent.push(chunk);
      return write(chunks);
    };
    transport.listen = (listener: TransportListener) => {
      listen({
        onData: (chunk) => {
          this.#received.push(chunk);
          listener.onData(chunk);
        },
        onDrain: () => {
          listener.onDrain();
        },
        onClose: (error) => {
          listener.onClose(error);
        },
      });
    };
    return transport;
  };
}
