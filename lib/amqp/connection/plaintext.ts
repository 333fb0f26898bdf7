/** Whether a login may go over a transport that others can read. One guard per connection, over all of its lives. */
import { PlaintextLoginError } from '../errors.js';

/** What becomes of a login that others on the network can read: see the parameter `plaintext`. */
export type PlaintextPolicy = 'warn' | 'refuse' | 'allow';

/** What an open transport says of itself, and what the endpoint asked for. */
export interface LoginWay {
  readonly description: string;
  readonly isPrivate: boolean;
  /** The endpoint is to have TLS (`amqps`). */
  readonly isTlsWanted: boolean;
}

export class PlaintextGuard {
  readonly policy: PlaintextPolicy;
  #hasWarned = false;

  constructor(policy: PlaintextPolicy) {
    this.policy = policy;
  }

  /** Throws PlaintextLoginError where the login must not be sent; warns, once, where it should not. */
  admit({ description, isPrivate, isTlsWanted }: LoginWay): void {
    if (isPrivate || this.policy === 'allow') return;
    if (this.policy === 'refuse') {
      throw new PlaintextLoginError(
        `the login to ${description} was not sent: it would go unencrypted, which plaintext: "refuse" forbids`,
      );
    }
    if (isTlsWanted) {
      throw new PlaintextLoginError(
        `the login to ${description} was not sent: the endpoint asks for TLS (amqps), and the transport does not say ` +
          'that it is private (Transport.isPrivate)',
      );
    }
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    process.emitWarning(
      `the login to ${description} goes unencrypted over the network; use amqps, or say plaintext: 'allow'`,
      'LeveretWarning',
    );
  }
}
