/** A login that is refused while a connection is rebuilt: no attempt cures that, so it must not go on in silence. */
import { AccessRefusedError, AuthenticationError, type AmqpError } from '../amqp/index.js';

/** Tells of each refusal once an outage: of those with the same words, the first. */
export class LoginRefusals {
  readonly #tell: (problem: string) => void;
  readonly #told = new Set<string>();

  constructor(tell: (problem: string) => void) {
    this.#tell = tell;
  }

  /** The connection was lost anew. */
  forget(): void {
    this.#told.clear();
  }

  /** Why an attempt failed. */
  note(cause: AmqpError): void {
    if (!(cause instanceof AuthenticationError || cause instanceof AccessRefusedError)) return;
    if (this.#told.has(cause.message)) return;
    this.#told.add(cause.message);
    this.#tell(`the broker refuses the login: ${cause.message}`);
  }
}
