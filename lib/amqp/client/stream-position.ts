/**
 * How far a consumer of a stream has come. A stream forgets nothing and remembers no consumer: after a loss it would begin
 * where its first `x-stream-offset` said, again, or behind what was published meanwhile. Must not know frames.
 */
import type { Delivery } from '../channel/index.js';
import type { FieldValue } from '../protocol/index.js';

/** https://www.rabbitmq.com/docs/streams#consuming */
export const offsetHeader = 'x-stream-offset';

export class StreamPosition {
  /** Deliveries in the order of their offsets, from the first that is unsettled on. */
  readonly #open: { readonly delivery: Delivery; readonly offset: bigint }[] = [];
  #next: bigint | undefined;

  /** Notes a delivery. False: it does not come from a stream. */
  note(delivery: Delivery): boolean {
    const offset = toOffset(delivery.headers[offsetHeader]);
    if (offset === undefined) return false;
    this.#forgetSettled();
    // It is delivered again, after a loss.
    while ((this.#open.at(-1)?.offset ?? -1n) >= offset) this.#open.pop();
    this.#open.push({ delivery, offset });
    this.#next = offset + 1n;
    return true;
  }

  /** The offset to go on from: that of the first delivery that is unsettled; undefined when none ever came. */
  get resumption(): bigint | undefined {
    this.#forgetSettled();
    return this.#open[0]?.offset ?? this.#next;
  }

  #forgetSettled(): void {
    const first = this.#open.findIndex(({ delivery }) => !delivery.isSettled);
    this.#open.splice(0, first < 0 ? this.#open.length : first);
  }
}

function toOffset(value: FieldValue | undefined): bigint | undefined {
  if (typeof value === 'bigint') return value;
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : undefined;
}
