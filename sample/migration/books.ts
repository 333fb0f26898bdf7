/**
 * The database of the fleet: what was done, once for each order, however often it is asked for. Services that are stopped
 * in the midst of their work leave messages that come again, and replies that never came are asked for again.
 */
export interface Order {
  readonly id: string;
}

export class Books {
  readonly #invoices = new Map<string, number>();
  readonly #handledEvents = new Set<string>();
  #repeatedOrders = 0;
  #repeatedEvents = 0;

  /** Events that the mail service has handled at least once. */
  get handledEvents(): number {
    return this.#handledEvents.size;
  }

  /** Orders that were asked for again after they were placed. */
  get repeatedOrders(): number {
    return this.#repeatedOrders;
  }

  /** Events that were delivered again after they were handled. */
  get repeatedEvents(): number {
    return this.#repeatedEvents;
  }

  /** The number of the order's invoice. */
  placeOrder({ id }: Order): number {
    const known = this.#invoices.get(id);
    if (known !== undefined) this.#repeatedOrders += 1;
    const invoice = known ?? this.#invoices.size + 1;
    this.#invoices.set(id, invoice);
    return invoice;
  }

  noteEvent(kind: string, { id }: Order): void {
    const event = `${kind} ${id}`;
    if (this.#handledEvents.has(event)) this.#repeatedEvents += 1;
    this.#handledEvents.add(event);
  }

  hasHandled(kind: string, { id }: Order): boolean {
    return this.#handledEvents.has(`${kind} ${id}`);
  }
}
