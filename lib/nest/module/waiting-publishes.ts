/** Publishes before the first connect, where that happens in the background: bounded as they are later, in an outage. */
import { AmqpError, publishBufferDefaults as defaults, type PublishBufferParameters } from '../../amqp/index.js';

export class WaitingPublishes {
  readonly #ends = new Set<(error?: Error) => void>();
  #bytes = 0;

  /** Resolves with `release`; rejects with an AmqpError with `refuse`, and past a bound. */
  wait(
    bytes: number,
    buffer: PublishBufferParameters,
    signal: AbortSignal | undefined,
    timeout: number | undefined,
  ): Promise<void> {
    const { messages = defaults.messages, bytes: mostBytes = defaults.bytes } = buffer;
    const limit = Math.min(buffer.timeout ?? defaults.timeout, timeout ?? Infinity);
    const problem = this.#problem(messages, this.#bytes + bytes > mostBytes ? mostBytes : undefined, limit);
    if (problem !== undefined) return Promise.reject(new AmqpError(`the connection is not ready yet, and ${problem}`));
    return new Promise((resolve, reject) => {
      const end = (error?: Error): void => {
        if (!this.#ends.delete(end)) return;
        this.#bytes -= bytes;
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        if (error) reject(error);
        else resolve();
      };
      const onAbort = (): void => {
        end(new AmqpError('it was aborted', { cause: signal?.reason }));
      };
      const timer = setTimeout(() => {
        end(new AmqpError(`the connection was not ready within ${String(limit)} ms`));
      }, limit);
      this.#ends.add(end);
      this.#bytes += bytes;
      signal?.addEventListener('abort', onAbort, { once: true });
      if (signal?.aborted === true) onAbort();
    });
  }

  /** The connection is ready. */
  release(): void {
    for (const end of [...this.#ends]) end();
  }

  /** The connection will not be ready. */
  refuse(error: Error): void {
    for (const end of [...this.#ends]) end(error);
  }

  #problem(messages: number, mostBytes: number | undefined, limit: number): string | undefined {
    if (limit <= 0) return 'nothing waits for it';
    if (this.#ends.size >= messages) return `${String(messages)} publishes wait already`;
    if (mostBytes !== undefined) return `publishes with ${String(mostBytes)} bytes may wait, no more`;
    return undefined;
  }
}
