/**
 * How bytes travel: the one interface between a connection and whatever carries it.
 *
 * TCP, TLS and the memory pair implement it here; a user's own transport (a SOCKS proxy, a WebSocket) implements it,
 * or hands a Duplex stream to `streamTransport`.
 */

/** An open, ordered, reliable stream of bytes, in both directions. */
export interface Transport {
  /** Where it leads, for messages to people, for instance `127.0.0.1:5672`. */
  readonly description: string;
  /**
   * True when others on the way cannot read it, or there is no way (memory, loopback). False: a login over it is a
   * matter of the parameter `plaintext`.
   */
  readonly isPrivate: boolean;
  /** Sets who hears of it; called once, in the same turn in which the transport was handed over. */
  listen(listener: TransportListener): void;
  /**
   * Writes the chunks in order. The bytes must not be changed afterwards.
   * False: much is buffered already; `onDrain` follows when it went out.
   */
  write(chunks: readonly Uint8Array[]): boolean;
  /** Stops reading (true) or goes on (false). */
  pauseReading(isPaused: boolean): void;
  /** Closes our side once everything written went out. `onClose` follows when the peer closed too. */
  end(): void;
  /** Drops both directions at once. `onClose` follows. */
  destroy(): void;
  /**
   * Optional: from now on sends AMQP heartbeats and watches the peer's, `timeout` seconds being the negotiated value
   * (0: none), and calls back once when the peer was silent for too long. For a transport that lives where a busy event
   * loop does not reach it; `write` is then handed whole frames only. Without it the connection does both itself.
   */
  startHeartbeat?(timeout: number, onSilence: () => void): void;
}

/** Who hears of a transport. */
export interface TransportListener {
  /** Bytes came in, in order, cut at any place. */
  onData(chunk: Buffer): void;
  /** What `write` reported as buffered went out. */
  onDrain(): void;
  /** The stream is over, with the error that ended it where there was one. Called exactly once. */
  onClose(error: Error | undefined): void;
}

/** One address of a broker. */
export interface Endpoint {
  /** Name or address, IPv6 without brackets. */
  readonly host: string;
  /** TCP port. */
  readonly port: number;
  /** TLS from the first byte (`amqps`). */
  readonly tls: boolean;
}

/** Opens a transport to an endpoint, or rejects. Must give up when `signal` aborts. */
export type TransportFactory = (endpoint: Endpoint, signal: AbortSignal) => Promise<Transport>;
