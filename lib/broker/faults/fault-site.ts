/** Where and when a fault strikes was said; here is what it does. */
import * as effects from './effects.js';
import type { Effect, FaultDirection, FaultReply } from './effects.js';
import type { Fault } from './fault.js';

/** How slow a connection is; at least one of them. */
export interface SlowOptions {
  /** Everything is so many milliseconds late. */
  readonly delay?: number | undefined;
  /** No more than so many bytes in a second, in portions of a twentieth of that. */
  readonly bytesPerSecond?: number | undefined;
  /** Default `both`. */
  readonly direction?: FaultDirection | undefined;
}

/**
 * What can be done at a site: `broker.faults.on(...)`, `.next(...)` and `.at(...)`.
 *
 * What is done at once (`drop`, `reset`, `halfClose`, `close`, `closeChannels`, `cancelConsumers`) is done and over. All
 * else lasts until the fault, or all faults, are ended; of `on(...)` it also holds connections that come later. What is about
 * publishes concerns, with `at('basic.publish', ...)`, exactly those at which it strikes.
 * Everything throws ArgumentError where an argument is wrong, before anything is done.
 */
export class FaultSite {
  readonly #strike: (effect: Effect) => Fault;

  /** @internal Made by `broker.faults`. */
  constructor(strike: (effect: Effect) => Fault) {
    this.#strike = strike;
  }

  /** Cuts the connection without a goodbye, as a power failure does. */
  drop(): Fault {
    return this.#strike(effects.drop);
  }

  /** Cuts it with a reset (RST), as a crash does; in memory the same as `drop`. */
  reset(): Fault {
    return this.#strike(effects.reset);
  }

  /** The broker ends its side (FIN) without connection.close, and goes on reading. */
  halfClose(): Fault {
    return this.#strike(effects.halfClose);
  }

  /** connection.close; unless told otherwise with 320, as an operator does. */
  close(reply?: FaultReply): Fault {
    return this.#strike(effects.close(reply));
  }

  /**
   * channel.close, unless told otherwise with 541: for all channels, or, with `at(...)`, for the channel of the method,
   * which is blamed and not handled: so a declare is rejected.
   */
  closeChannels(reply?: FaultReply): Fault {
    return this.#strike(effects.closeChannels(reply));
  }

  /** Ends consumers of a queue, or all, with basic.cancel, as when the node of a queue fails. */
  cancelConsumers(queue?: string): Fault {
    return this.#strike(effects.cancelConsumers(queue));
  }

  /**
   * Lets the broker go silent: it reads nothing, or writes nothing, heartbeats neither, as a network that swallows
   * packets. What waits goes on its way when the fault ends, if the connection lived so long: a broker that hears nothing
   * gives the connection up after two heartbeat time-outs.
   */
  silence(direction: FaultDirection = 'both'): Fault {
    return this.#strike(effects.silence(direction));
  }

  slow({ direction = 'both', delay, bytesPerSecond }: SlowOptions): Fault {
    const pace = {
      ...(delay === undefined ? {} : { delay }),
      ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    };
    return this.#strike(effects.slow(pace, direction));
  }

  /** What the broker writes comes in pieces of so many bytes, each in a turn of the event loop of its own. */
  split(bytes: number): Fault {
    return this.#strike(effects.split(bytes));
  }

  /** What the broker writes in so many milliseconds comes as one piece. */
  merge(milliseconds: number): Fault {
    return this.#strike(effects.merge(milliseconds));
  }

  /** connection.blocked, and the broker reads no more, as soon as the connection publishes. */
  block(reason = 'low on memory'): Fault {
    return this.#strike(effects.block(reason));
  }

  /** Publisher confirms come so many milliseconds late; those that are held back come when the fault ends. */
  delayConfirms(milliseconds: number): Fault {
    return this.#strike(effects.delayConfirms(milliseconds));
  }

  /** Publisher confirms never come, also when the fault has ended; the messages are taken. */
  loseConfirms(): Fault {
    return this.#strike(effects.delayConfirms(Infinity));
  }

  /** Publishes reach no queue: basic.nack, where the channel has confirms. */
  nackPublishes(): Fault {
    return this.#strike(effects.hinderPublishes('nack'));
  }

  /** Publishes reach no queue, as though nothing were bound: basic.return where they are mandatory, then basic.ack. */
  returnPublishes(): Fault {
    return this.#strike(effects.hinderPublishes('return'));
  }

  /** Logins are refused, whatever the password. */
  refuseLogins(): Fault {
    return this.#strike(effects.refuseLogins);
  }
}
