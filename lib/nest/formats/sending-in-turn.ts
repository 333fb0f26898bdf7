/** Keeps the order of publishes of which some are still being compressed, and bounds how many wait. */
import { NotSentError } from '../../amqp/index.js';

/** What may wait at a time. */
const mostMessages = 1_000;
const mostBytes = 64 * 1024 * 1024;

/** What waits. */
interface Waiting<Result> {
  readonly exchange: string;
  readonly routingKey: string;
  readonly bytes: number;
  /** undefined: it waits for those before it alone. */
  readonly compressing: Promise<Result> | undefined;
}

export class SendingInTurn {
  #last: Promise<unknown> | undefined;
  #messages = 0;
  #bytes = 0;

  /** Whether anything waits, so that what comes now has to wait for its turn, too. */
  get isBusy(): boolean {
    return this.#last !== undefined;
  }

  /**
   * Calls `send` when the message is compressed and all that came before were handed over; its outcome. Rejects with
   * NotSentError where too much waits already.
   */
  send<Result>(
    { exchange, routingKey, bytes, compressing }: Waiting<Result>,
    send: (result: Result | undefined) => Promise<void>,
  ): Promise<void> {
    if (this.#messages >= mostMessages || this.#bytes + bytes > mostBytes) {
      const words = `${String(mostMessages)} messages or ${String(mostBytes)} bytes`;
      return Promise.reject(new NotSentError(`${words} wait to be compressed already`, exchange, routingKey));
    }
    this.#messages += 1;
    this.#bytes += bytes;
    // Wrapped: the next one waits until this one was handed over, and not for its outcome.
    const handedOver = Promise.all([compressing, this.#last]).then(([result]) => ({ outcome: send(result) }));
    const turn = handedOver.then(
      () => undefined,
      () => undefined,
    );
    this.#last = turn;
    void turn.then(() => {
      this.#messages -= 1;
      this.#bytes -= bytes;
      if (this.#last === turn) this.#last = undefined;
    });
    return handedOver.then(({ outcome }) => outcome);
  }
}
