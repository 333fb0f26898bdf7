/** Cuts the client's own sockets, as a network would, on any broker. */
import { connectTcp, type Transport, type TransportFactory } from '../../lib/amqp/index.js';

export class Cuts {
  readonly #open = new Set<Transport>();

  /** A transport for `connect()` that this object can cut. */
  readonly transport: TransportFactory = async (endpoint, signal) => {
    const transport = await connectTcp(endpoint, signal);
    this.#open.add(transport);
    return transport;
  };

  /** Cuts every connection made so far, without a goodbye; answers how many. */
  cutAll(): number {
    const count = this.#open.size;
    for (const transport of this.#open) transport.destroy();
    this.#open.clear();
    return count;
  }
}
