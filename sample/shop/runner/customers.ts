/** The customers: HTTP over loopback, as it comes from outside. Whoever gets no answer asks again, with the same key. */
import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { Http } from './http.js';

/** Milliseconds between two customers, where they come by themselves, and how many there may be at a time. */
const interval = 25;
const room = 40;
/** One in so many wants what is not on the list; one in so many sends the order again, although it was accepted. */
const oddEvery = 66;
const impatientEvery = 20;

/** An article that the shop does not know at first. */
export const unlistedArticle = 'clover';

export class Customers {
  /** Ids of orders. */
  readonly made = new Set<string>();
  readonly accepted = new Set<string>();
  /** Those for what is not on the list. */
  readonly odd = new Set<string>();
  readonly #http: Http;
  readonly #visits = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(http: Http) {
    this.#http = http;
  }

  /** So many orders, so many at a time. */
  async order(count: number, atATime: number): Promise<void> {
    const end = this.made.size + count;
    const orderInTurn = async (): Promise<void> => {
      while (this.made.size < end) await this.#order();
    };
    await Promise.all(Array.from({ length: atATime }, orderInTurn));
  }

  /** They come all the time until the signal aborts; resolves when the last of them has an answer. */
  async comeUntil(closing: AbortSignal): Promise<void> {
    while (!closing.aborted && !this.#failure) {
      if (this.#visits.size < room) this.#follow(this.#order());
      await setTimeout(interval);
    }
    await Promise.all(this.#visits);
    if (this.#failure) throw this.#failure.error;
  }

  #follow(order: Promise<void>): void {
    const visit = order
      .catch((error: unknown) => {
        this.#failure = { error };
      })
      .finally(() => this.#visits.delete(visit));
    this.#visits.add(visit);
  }

  async #order(): Promise<void> {
    const id = randomUUID();
    this.made.add(id);
    const number = this.made.size;
    const isOdd = number % oddEvery === 0;
    if (isOdd) this.odd.add(id);
    const order = {
      customer: `customer-${String(number)}@example.org`,
      article: isOdd ? unlistedArticle : number % 2 === 0 ? 'hay' : 'carrots',
      quantity: 1 + (number % 5),
    };
    for (let times = number % impatientEvery === 0 ? 2 : 1; times > 0; times -= 1) {
      await this.#http.insist('POST', '/orders', order, { 'idempotency-key': id });
      this.accepted.add(id);
    }
  }
}
