/**
 * Heartbeats of one connection, both ways (AMQP 0-9-1 section 4.2.7; RabbitMQ's heartbeat guide).
 *
 * The negotiated value is the time-out. We send whenever half of it passed without a write, and judge the peer dead
 * after one and a half of it without a byte; any traffic counts. A timer that fires late, because the event loop was
 * blocked, first lets the bytes that wait in the socket be read.
 */

export interface HeartbeatActions {
  send(): void;
  /** The peer was silent for too long. */
  fail(): void;
}

/** Half time-outs of silence after which the peer is judged dead. */
const silentTicksAllowed = 3;

export class Heartbeat {
  readonly #actions: HeartbeatActions;
  readonly #timer: NodeJS.Timeout | undefined;
  #hasSent = false;
  #silentTicks = 0;
  #isStopped = false;

  /** `timeout` in seconds; 0 is off. */
  constructor(timeout: number, actions: HeartbeatActions) {
    this.#actions = actions;
    if (timeout > 0) {
      this.#timer = setInterval(() => {
        this.#tick();
      }, timeout * 500);
      this.#timer.unref();
    }
  }

  /** Anything was written. */
  noteSent(): void {
    this.#hasSent = true;
  }

  /** Anything was read. */
  noteReceived(): void {
    this.#silentTicks = 0;
  }

  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
  }

  #tick(): void {
    // A heartbeat is a write too, and must not keep the next one back.
    if (!this.#hasSent) this.#actions.send();
    this.#hasSent = false;
    this.#silentTicks += 1;
    if (this.#silentTicks <= silentTicksAllowed) return;
    // Reading comes before setImmediate in a turn of the event loop: waiting bytes reset the count first.
    setImmediate(() => {
      if (!this.#isStopped && this.#silentTicks > silentTicksAllowed) this.#actions.fail();
    });
  }
}
