/** The deliveries whose handlers run at present, so that a close can wait for them, and give back what is left. */
import type { Delivery } from '../../amqp/index.js';
import { ShutdownError } from '../errors.js';

export class Flight {
  readonly delivery: Delivery;
  readonly #ending = new AbortController();

  constructor(delivery: Delivery) {
    this.delivery = delivery;
  }

  /** Aborts when the message is taken from its handler and given back. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  abandon(limit: number): void {
    this.#ending.abort(new ShutdownError(`delivery ${String(this.delivery.deliveryTag)}`, limit));
    if (!this.delivery.isSettled) this.delivery.nack({ requeue: true });
  }
}

export class InFlight {
  readonly #flights = new Set<Flight>();
  #onEmpty: (() => void) | undefined;

  /** Follows one delivery until `handle` is done, which must not reject. */
  async track(delivery: Delivery, handle: (flight: Flight) => Promise<void>): Promise<void> {
    const flight = new Flight(delivery);
    this.#flights.add(flight);
    try {
      await handle(flight);
    } finally {
      this.#flights.delete(flight);
      if (this.#flights.size === 0) this.#onEmpty?.();
    }
  }

  /** Waits for the handlers, at most `limit` milliseconds; answers how many still ran, whose messages were given back. */
  async drain(limit: number): Promise<number> {
    if (this.#flights.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, limit);
        this.#onEmpty = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#onEmpty = undefined;
    }
    const left = [...this.#flights];
    for (const flight of left) flight.abandon(limit);
    return left.length;
  }
}
