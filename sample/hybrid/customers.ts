/** The customers: HTTP over loopback, as it comes from outside. They know nothing of Nest or of a broker. */
import { setTimeout } from 'node:timers/promises';

export interface Answer {
  readonly status: number;
  /** Why it was refused, where the application says so. */
  readonly reason: string | undefined;
}

/** Milliseconds before something is tried again. */
const pause = 20;
/** After so many tries in vain a customer gives up. */
const patience = 200;

export class Customers {
  readonly #address: string;
  readonly #closing: AbortSignal;
  readonly #refusals = new Map<string, number>();
  readonly #underWay = new Map<string, number>();

  /** `address`: where the application listens, for instance `http://127.0.0.1:3000`. Once it closes they ask no more. */
  constructor(address: string, closing: AbortSignal) {
    this.#address = address;
    this.#closing = closing;
  }

  /** Requests of that method that wait for their answer. */
  underWay(method: string): number {
    return this.#underWay.get(method) ?? 0;
  }

  /** How often which reason was given for something that was then tried again. */
  get refusals(): ReadonlyMap<string, number> {
    return this.#refusals;
  }

  /** Rejects with the reason of `closing`. */
  async ask(method: string, path: string, body?: object): Promise<Answer> {
    this.#closing.throwIfAborted();
    this.#underWay.set(method, this.underWay(method) + 1);
    try {
      const response = await fetch(this.#address + path, {
        method,
        // Each is somebody else: no connection stays open that the application would have to wait for when it closes.
        headers: { connection: 'close', ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, reason: response.ok ? undefined : reasonIn(text) };
    } finally {
      this.#underWay.set(method, this.underWay(method) - 1);
    }
  }

  /** Asks again where the answer is 503 or 504: all requests of this shop may be repeated. */
  async insist(method: string, path: string, body?: object): Promise<Answer> {
    for (let tries = 1; ; tries += 1) {
      const answer = await this.ask(method, path, body);
      if (![503, 504].includes(answer.status) || tries === patience) return answer;
      const reason = `${String(answer.status)} ${answer.reason ?? 'without a reason'}`;
      this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1);
      await setTimeout(pause);
    }
  }
}

function reasonIn(text: string): string | undefined {
  const { reason } = JSON.parse(text) as { reason?: string };
  return reason;
}
