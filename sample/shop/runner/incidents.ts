/** What happens to a shop on a bad day. */
import { setTimeout } from 'node:timers/promises';
import { Random } from './random.js';
import type { ServiceName } from './service-process.js';
import type { Services } from './services.js';
import type { Shop } from './shop.js';

const serviceNames: readonly ServiceName[] = ['gateway', 'orders', 'mail'];
/** Of all incidents, how many are cuts of the line; the others are deaths. */
const shareOfCuts = 0.25;
/** How many come when all services are at work; the others come at any moment, as while one starts. */
const shareOfPatient = 0.7;
/** Milliseconds between two incidents, and for which a service is away that was killed; up to. */
const longestPeace = 2_000;
const longestAbsence = 800;

export class Incidents {
  readonly #shop: Shop;
  readonly #kill: NonNullable<Services['kill']>;
  readonly #random: Random;
  readonly #kills = new Map<ServiceName, number>(serviceNames.map((name) => [name, 0]));
  readonly #away = new Map<ServiceName, Promise<void>>();
  #cuts = 0;
  #connections = 0;

  /** Throws where the services are not in processes that can be killed. */
  constructor(shop: Shop, seed: number) {
    const { kill } = shop.services;
    if (!kill) throw new Error('who is killed needs books that outlive it: PostgreSQL is missing');
    this.#shop = shop;
    this.#kill = kill;
    this.#random = new Random(seed);
  }

  /** For people. */
  get description(): string {
    const kills = [...this.#kills].map(([name, count]) => `${name} killed ${String(count)} times`).join(', ');
    return `${kills}, ${String(this.#connections)} connections cut in ${String(this.#cuts)} cuts`;
  }

  /** Until the signal aborts; resolves when all services are at work again. */
  async happenUntil(evening: AbortSignal): Promise<void> {
    for (;;) {
      if (this.#random.next() < shareOfPatient) await this.#areAtWork();
      const isOver = await setTimeout(this.#random.upTo(longestPeace), false, { signal: evening }).catch(() => true);
      if (isOver) break;
      if (this.#random.next() < shareOfCuts) this.#cut();
      else await this.#killOne();
    }
    await this.#areAtWork();
  }

  async #areAtWork(): Promise<void> {
    await Promise.all(this.#away.values());
    await this.#shop.services.areStarted();
  }

  #cut(): void {
    this.#cuts += 1;
    this.#connections += this.#shop.line.cut();
  }

  async #killOne(): Promise<void> {
    const present = serviceNames.filter((name) => !this.#away.has(name));
    if (present.length === 0) return;
    const name = this.#random.oneOf(present);
    const absence = this.#random.upTo(longestAbsence);
    this.#kills.set(name, (this.#kills.get(name) ?? 0) + 1);
    await this.#kill(name);
    // Meanwhile something else may happen.
    const away = setTimeout(absence).then(() => {
      this.#shop.services.start(name);
      this.#away.delete(name);
    });
    this.#away.set(name, away);
  }
}
