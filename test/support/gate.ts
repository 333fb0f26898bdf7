/** A way to the broker that a test can shut: what is open is cut, and nobody answers until it is opened again. */
import { ConnectionRefusedError, type TransportFactory } from '../../lib/amqp/index.js';
import { Cuts } from './cuts.js';

export class Gate {
  /** Connects that were tried. */
  attempts = 0;
  readonly #cuts = new Cuts();
  #isOpen: boolean;

  constructor(isOpen = true) {
    this.#isOpen = isOpen;
  }

  readonly transport: TransportFactory = async (endpoint, signal) => {
    this.attempts += 1;
    if (!this.#isOpen) throw new ConnectionRefusedError('nobody listens there');
    return this.#cuts.transport(endpoint, signal);
  };

  open(): void {
    this.#isOpen = true;
  }

  shut(): void {
    this.#isOpen = false;
    this.#cuts.cutAll();
  }

  /** Cuts what is open; whoever comes again is let through. */
  cut(): void {
    this.#cuts.cutAll();
  }
}
