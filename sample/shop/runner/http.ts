/** Requests to the gateway, wherever it listens at the moment; each of them may be repeated. */
import { setTimeout } from 'node:timers/promises';

/** Milliseconds that an answer may take, and before it is asked again. */
const timeout = 10_000;
const pause = 200;
/** Milliseconds after which nobody asks again. */
const patience = 60_000;

export class Http {
  readonly #address: () => string;
  readonly #closing: AbortSignal;
  #repeats = 0;

  /** Rejects with the reason of `closing` once that aborts. */
  constructor(address: () => string, closing: AbortSignal) {
    this.#address = address;
    this.#closing = closing;
  }

  /** Requests that were sent again, as there was no answer, or one that says so. */
  get repeats(): number {
    return this.#repeats;
  }

  /** The answer's body, where it has one. Asks again where there is no answer, or one of 500 or more. */
  async insist(method: string, path: string, body?: object, headers: Record<string, string> = {}): Promise<unknown> {
    const end = performance.now() + patience;
    for (;;) {
      let problem: string;
      try {
        const { status, text } = await this.#ask(method, path, body, headers);
        if (status < 300) return text === '' ? undefined : JSON.parse(text);
        problem = `${String(status)} ${text}`;
        if (status < 500) throw new Error(`${method} ${path} was refused: ${problem}`);
      } catch (error) {
        this.#closing.throwIfAborted();
        if (!isOfTheWire(error)) throw error;
        problem = `${error.name}: ${error.message}`;
      }
      if (performance.now() > end) throw new Error(`${method} ${path} in vain, at last: ${problem}`);
      this.#repeats += 1;
      await setTimeout(pause);
    }
  }

  async #ask(method: string, path: string, body: object | undefined, headers: Record<string, string>) {
    this.#closing.throwIfAborted();
    const response = await fetch(new URL(path, this.#address()), {
      method,
      // Each is somebody else: no connection stays open that the gateway would have to wait for when it stops.
      headers: { connection: 'close', ...(body && { 'content-type': 'application/json' }), ...headers },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeout),
    });
    return { status: response.status, text: await response.text() };
  }
}

/** What `fetch` rejects with where nobody is there, somebody goes away, or nobody answers. */
function isOfTheWire(error: unknown): error is Error {
  return error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError');
}
