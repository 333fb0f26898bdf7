/**
 * Visitors come at a steady pace, whatever the fleet is doing. Each looks at an order and places it, and tries again what has
 * failed.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { Order } from './books.js';
import type { Fleet } from './fleet.js';

/** Milliseconds between two visitors, and how many there may be at a time. */
const interval = 4;
const room = 100;
/** So often a visitor tries in vain, with so many milliseconds between. */
const patience = 20;
const pause = 20;

export class Visitors {
  readonly #fleet: Fleet;
  readonly #orders: Order[] = [];
  readonly #failures = new Map<string, number>();
  readonly #visits = new Set<Promise<void>>();
  #stream: Promise<void> = Promise.resolve();
  #areLetIn = false;
  #viewed = 0;
  #answered = 0;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /** What they began to order. */
  get orders(): readonly Order[] {
    return this.#orders;
  }

  /** Events that the gateway has sent. */
  get viewed(): number {
    return this.#viewed;
  }

  /** Requests that were answered with a receipt, each counted once. */
  get answered(): number {
    return this.#answered;
  }

  /** How often something failed for which reason, and was tried again. */
  get failures(): ReadonlyMap<string, number> {
    return this.#failures;
  }

  letIn(): void {
    this.#areLetIn = true;
    this.#stream = this.#come();
    // Whoever waits for the visitors is told.
    this.#stream.catch(() => undefined);
  }

  /** Resolves when so many more orders were answered; rejects when a visitor went away in vain. */
  async placeMore(count: number): Promise<void> {
    const enough = this.#answered + count;
    const isEnough = async (): Promise<void> => {
      while (this.#areLetIn && this.#answered < enough) await setTimeout(interval);
    };
    await Promise.race([isEnough(), this.#stream]);
  }

  /** Resolves when those who are in have what they came for; rejects when one went away in vain. */
  async sayGoodbye(): Promise<void> {
    this.#areLetIn = false;
    await this.#stream;
  }

  async #come(): Promise<void> {
    const failures: unknown[] = [];
    while (this.#areLetIn && failures.length === 0) {
      if (this.#visits.size < room) this.#follow(this.#visit().catch((error: unknown) => void failures.push(error)));
      await setTimeout(interval);
    }
    await Promise.all(this.#visits);
    if (failures.length > 0) throw new Error('a visitor tried in vain', { cause: failures[0] });
  }

  #follow(visit: Promise<void>): void {
    this.#visits.add(visit);
    void visit.then(() => this.#visits.delete(visit));
  }

  async #visit(): Promise<void> {
    const order: Order = { id: randomUUID() };
    this.#orders.push(order);
    await this.#insist(() => this.#fleet.call((gateway) => gateway.view(order)));
    this.#viewed += 1;
    const receipt = await this.#insist(() => this.#fleet.call((gateway) => gateway.place(order)));
    if (receipt.id !== order.id) throw new Error(`order ${order.id} was answered with the receipt of ${receipt.id}`);
    this.#answered += 1;
  }

  /** Tries again what has failed: nothing is done twice, since the order has an id. */
  async #insist<T>(attempt: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await attempt();
      } catch (error) {
        if (tries === patience) throw error;
        const reason = error instanceof Error ? `${error.name}: ${error.message}` : JSON.stringify(error);
        this.#failures.set(reason, (this.#failures.get(reason) ?? 0) + 1);
        await setTimeout(pause);
      }
    }
  }
}
