/**
 * The program of the I/O thread: one socket, its heartbeats, and a port to the thread that uses it.
 *
 * Moves bytes and looks into none. What the other thread hands over at once are whole frames, so a heartbeat frame may
 * go out between two hand-overs. While that thread is busy, bytes wait for it here, up to `unreadLimit`; then the
 * socket is read no more, and nobody is judged for a silence that is our own. Ends when socket and port are closed.
 */
import { workerData, type MessagePort } from 'node:worker_threads';
import { Heartbeat } from '../connection/heartbeat.js';
import { heartbeatFrame } from '../protocol/index.js';
import { connectTcp, type Transport } from '../transport/index.js';
import { toWords, type SocketOrder } from './port-messages.js';
import { PortTransport } from './port-transport.js';

/**
 * Bytes that may wait for a busy thread. Beyond it the socket is not read, and RabbitMQ gives a peer that takes no
 * bytes 15 s (`tcp_listen_options.send_timeout`) before it hangs up.
 */
const unreadLimit = 64 * 1024 * 1024;
/** Pieces below this many bytes that came in one turn are handed over together. */
const smallPiece = 16 * 1024;
/** How long the last bytes may take to go out, in milliseconds. */
const farewellTime = 1_000;

class Relay {
  readonly #user: PortTransport;
  readonly #closing = new AbortController();
  #socket: Transport | undefined;
  #heartbeat: Heartbeat | undefined;
  #pieces: Buffer[] = [];
  #isPaused = false;

  constructor(port: MessagePort) {
    this.#user = new PortTransport(port, {
      description: 'the thread that uses the connection',
      highWaterMark: unreadLimit,
      ownsChunks: true,
      onControl: (message) => {
        if (message.kind === 'heartbeat') this.#startHeartbeat(message.timeout);
      },
    });
    this.#user.listen({
      onData: (chunk) => {
        this.#heartbeat?.noteSent();
        if (this.#socket?.write([chunk]) === false) this.#user.pauseReading(true);
      },
      onDrain: () => {
        this.#isPaused = false;
        this.#heartbeat?.noteReceived();
        this.#socket?.pauseReading(false);
      },
      onClose: () => {
        this.#hangUp();
      },
    });
  }

  async open({ endpoint, tcp, tls, timeouts }: SocketOrder): Promise<void> {
    try {
      const socket = await connectTcp(endpoint, this.#closing.signal, tcp, tls, timeouts);
      this.#socket = socket;
      this.#user.say({ kind: 'opened', description: socket.description, isPrivate: socket.isPrivate });
      socket.listen({
        onData: (chunk) => {
          this.#onSocketData(chunk);
        },
        onDrain: () => {
          this.#user.pauseReading(false);
        },
        onClose: (error) => {
          this.#handOver();
          this.#heartbeat?.stop();
          this.#user.destroy(error);
        },
      });
    } catch (error) {
      this.#user.say({ kind: 'refused', error: toWords(error) });
      this.#user.destroy();
    }
  }

  #onSocketData(chunk: Buffer): void {
    this.#heartbeat?.noteReceived();
    if (this.#pieces.length === 0) {
      setImmediate(() => {
        this.#handOver();
      });
    }
    this.#pieces.push(chunk);
  }

  /** What came in this turn: small pieces together, large ones each by itself and uncopied. */
  #handOver(): void {
    const pieces = this.#pieces;
    if (pieces.length === 0) return;
    this.#pieces = [];
    let hasRoom = true;
    let small: Buffer[] = [];
    for (const piece of pieces) {
      if (piece.length < smallPiece) {
        small.push(piece);
        continue;
      }
      this.#user.write(small);
      small = [];
      hasRoom = this.#user.write([piece]);
    }
    if (small.length > 0) hasRoom = this.#user.write(small);
    if (hasRoom || this.#isPaused) return;
    this.#isPaused = true;
    this.#socket?.pauseReading(true);
  }

  #startHeartbeat(timeout: number): void {
    const heartbeat = new Heartbeat(timeout, {
      send: () => {
        this.#socket?.write([heartbeatFrame]);
      },
      fail: () => {
        if (this.#isPaused) {
          heartbeat.noteReceived();
          return;
        }
        this.#handOver();
        this.#user.say({ kind: 'silence' });
        this.#socket?.destroy();
      },
    });
    this.#heartbeat = heartbeat;
  }

  #hangUp(): void {
    this.#closing.abort();
    this.#heartbeat?.stop();
    const socket = this.#socket;
    if (!socket) return;
    if (!this.#user.wasEndedByPeer) {
      socket.destroy();
      return;
    }
    // What still comes is for nobody, but only a socket that is read hears its peer hang up.
    socket.pauseReading(false);
    socket.end();
    setTimeout(() => {
      socket.destroy();
    }, farewellTime).unref();
  }
}

const { port, order } = workerData as { port: MessagePort; order: SocketOrder };
void new Relay(port).open(order);
