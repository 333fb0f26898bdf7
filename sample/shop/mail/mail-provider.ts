/** Who really sends mails: somebody else, over HTTP, and out of reach of any transaction of ours. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
}

/** It may work later. */
export class MailProviderError extends Error {
  override readonly name = 'MailProviderError';
}

/** Milliseconds. */
const timeout = 5_000;

export class MailProvider {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /**
   * Whoever asks somebody else over a wire may have to ask twice: the answer gets lost, or the process ends before it wrote the
   * answer down. So the mail is sent at least once, and once only where the provider knows the repeat by its key. Rejects with
   * MailProviderError.
   */
  async send(mail: Mail, idempotencyKey: string): Promise<void> {
    let status: number;
    try {
      ({ status } = await fetch(new URL('/mails', this.#url), {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
        body: JSON.stringify(mail),
        signal: AbortSignal.timeout(timeout),
      }));
    } catch (error) {
      throw new MailProviderError('the provider did not answer', { cause: error });
    }
    if (status !== 202) throw new MailProviderError(`the provider answered ${String(status)}`);
  }
}
