/** connection.update-secret over the lives of a connection: one update after the other. Must not know channels. */
import type { ConnectionLife } from '../connection/index.js';
import { ConnectionClosedByBrokerError, type AmqpError } from '../errors.js';

export interface SecretUpdatesOwner {
  /** The present life, while it is open and restored. */
  readonly life: ConnectionLife | undefined;
  /** Why there will be no further life; undefined while there may be. */
  readonly endedBy: AmqpError | undefined;
  /** From now on logins use the secret. */
  onAccepted(secret: Uint8Array): void;
}

export class SecretUpdates {
  readonly #owner: SecretUpdatesOwner;
  #last: Promise<void> = Promise.resolve();

  constructor(owner: SecretUpdatesOwner) {
    this.#owner = owner;
  }

  /** Rejects with what the broker refused it with, TimeoutError, or what ended the connection. */
  async update(secret: Uint8Array, reason: string): Promise<void> {
    const turn = this.#last.then(() => this.#update(secret, reason));
    this.#last = turn.catch(() => undefined);
    await turn;
  }

  async #update(secret: Uint8Array, reason: string): Promise<void> {
    if (this.#owner.endedBy) throw this.#owner.endedBy;
    const { life } = this.#owner;
    await life?.updateSecret(secret, reason).catch((error: unknown) => {
      // Lost on the way is as if it had been away.
      const isAway = life.endedBy !== undefined && !this.#owner.endedBy;
      if (!isAway || error instanceof ConnectionClosedByBrokerError) throw error;
    });
    this.#owner.onAccepted(secret);
  }
}
