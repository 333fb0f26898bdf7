/** A transport for `connect()` whose bytes a test can look at, in both directions and frame by frame. */
import { connectTcp, type TransportFactory, type TransportListener } from 'leveret/amqp';
import { FrameScanner, type ScannedFrame } from './frame-scanner.js';

export interface TappedFrame extends ScannedFrame {
  /** When the last of it passed (performance.now()). */
  readonly at: number;
}

class TappedStream {
  readonly frames: TappedFrame[] = [];
  readonly #scanner = new FrameScanner();

  push(chunk: Uint8Array): void {
    const at = performance.now();
    for (const frame of this.#scanner.push(chunk)) if (frame.type !== 0) this.frames.push({ ...frame, at });
  }
}

export class TappedTransport {
  readonly #sent = new TappedStream();
  readonly #received = new TappedStream();

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
