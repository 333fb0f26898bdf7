/**
 * Heartbeats of one connection, both ways: one goes out when nothing else did for half the time-out; the peer is
 * given up when nothing was heard for two time-outs, as RabbitMQ does.
 */
export interface HeartbeatPort {
  sendHeartbeat(): void;
  /** Nothing was heard for too long. */
  onSilence(): void;
}

/** Silent half-intervals after which the peer is given up. */
const silentTicks = 4;

export class Heartbeat {
  readonly #port: HeartbeatPort;
  readonly #timer: NodeJS.Timeout;
  /** Undefined until the first half-interval is over: RabbitMQ then sends one, whatever else it sent. */
  #hasSent: boolean | undefined;
  /** A heartbeat is on its way out: it does not count as sent, or only every second one would go. */
  #isSending = false;
  #hasHeard = true;
  #silence = 0;
  /** True: silence does not count, because the broker itself stopped reading. */
  isMonitoringPaused = false;

  /** `timeout` in seconds. */
  constructor(timeout: number, port: HeartbeatPort) {
    this.#port = port;
    this.#timer = setInterval(() => {
      this.#tick();
    }, timeout * 500);
  }

  noteSent(): void {
    if (!this.#isSending && this.#hasSent !== undefined) this.#hasSent = true;
    this.#isSending = false;
  }

  noteHeard(): void {
    this.#hasHeard = true;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    if (this.#hasSent !== true && !this.#isSending) {
      this.#isSending = true;
      this.#port.sendHeartbeat();
    }
    this.#hasSent = false;
    this.#silence = this.#hasHeard || this.isMonitoringPaused ? 0 : this.#silence + 1;
    this.#hasHeard = false;
    if (this.#silence < silentTicks) return;
    // The program may have been busy while bytes waited in the socket: let them in before judging.
    setImmediate(() => {
      if (!this.#hasHeard) this.#port.onSilence();
    });
  }
}
