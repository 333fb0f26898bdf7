/**
 * A channel of its own on each connection, by which a run looks at queues without disturbing the channels of the
 * sequence. It is opened again where its question closed it.
 */
import type { MethodInputs, MethodName } from '../../lib/amqp/protocol/index.js';
import type { Wire, WireEvent } from './wire.js';

export const probeChannel = 9;

export class Probe {
  readonly #wire: (connection: 0 | 1) => Promise<Wire>;
  readonly #until: (condition: () => boolean) => Promise<boolean>;
  readonly #replies: WireEvent[][] = [[], []];
  readonly #isOpen = [false, false];

  /** `until` waits for a condition, and answers whether it came. */
  constructor(wire: (connection: 0 | 1) => Promise<Wire>, until: (condition: () => boolean) => Promise<boolean>) {
    this.#wire = wire;
    this.#until = until;
  }

  /** The connection is a new one. */
  reset(connection: 0 | 1): void {
    this.#isOpen[connection] = false;
  }

  /** What came on the channel of the probe. */
  hear(connection: 0 | 1, event: WireEvent): void {
    this.#replies[connection]?.push(event);
  }

  /** Throws where no answer comes. */
  async ask<Name extends MethodName>(connection: 0 | 1, name: Name, fields: MethodInputs[Name]): Promise<WireEvent> {
    const wire = await this.#wire(connection);
    const replies = this.#replies[connection] ?? [];
    const next = async (): Promise<WireEvent> => {
      await this.#until(() => replies.length > 0 || wire.isClosed);
      const reply = replies.shift();
      if (!reply) throw new Error(`no answer to ${name}`);
      return reply;
    };
    if (!this.#isOpen[connection]) {
      wire.send(probeChannel, 'channel.open', {});
      await next();
      this.#isOpen[connection] = true;
    }
    wire.send(probeChannel, name, fields);
    const reply = await next();
    if (reply.name === 'channel.close') {
      wire.send(probeChannel, 'channel.close-ok', {});
      this.#isOpen[connection] = false;
    }
    return reply;
  }
}
