/** Closed while a tx.commit is under way: until its answer RabbitMQ takes nothing else on the channel (504, connection). */
export class CommitGate {
  #waiters: (() => void)[] | undefined;

  /** True while nothing may be sent. */
  get isClosed(): boolean {
    return this.#waiters !== undefined;
  }

  close(): void {
    this.#waiters ??= [];
  }

  /** The answer came, or will not come any more. */
  open(): void {
    const waiters = this.#waiters ?? [];
    this.#waiters = undefined;
    for (const waiter of waiters) waiter();
  }

  /** Calls back when it is open: at once where it is. */
  onOpen(callback: () => void): void {
    if (this.#waiters) this.#waiters.push(callback);
    else callback();
  }

  async untilOpen(): Promise<void> {
    if (this.#waiters) await new Promise<void>((resolve) => this.#waiters?.push(resolve));
  }
}
