/** The connection by which a test publishes: it is opened when it is needed, and again where it, or its channel, was lost. */
import {
  ChannelClosedByBrokerError,
  connect,
  UnknownOutcomeError,
  type Channel,
  type Connection,
} from '../amqp/index.js';
import type { EmbeddedBroker } from '../broker/index.js';

interface OpenPublisher {
  readonly virtualHost: string;
  readonly connection: Connection;
  readonly channel: Channel;
}

export class TestPublisher {
  readonly #broker: EmbeddedBroker;
  #opening: Promise<OpenPublisher> | undefined;

  constructor(broker: EmbeddedBroker) {
    this.#broker = broker;
  }

  /** A channel with confirms, which is open. */
  async channel(virtualHost: string): Promise<Channel> {
    const before = this.#opening;
    const open = await before?.catch(() => undefined);
    if (open?.virtualHost === virtualHost && open.channel.isOpen) return open.channel;
    // Of several that come here the first opens it for all, and they go on in their order.
    const opening = this.#opening === before || !this.#opening ? this.#open(virtualHost) : this.#opening;
    if (opening !== this.#opening) void open?.connection.close().catch(() => undefined);
    this.#opening = opening;
    return (await opening).channel;
  }

  async close(): Promise<void> {
    const open = await this.#opening?.catch(() => undefined);
    await open?.connection.close();
  }

  async #open(virtualHost: string): Promise<OpenPublisher> {
    const connection = await connect({
      transport: this.#broker.memory({ spared: true }),
      virtualHost,
      connectionName: 'leveret/testing',
      recovery: false,
    });
    return { virtualHost, connection, channel: await connection.openChannel({ confirm: true }) };
  }
}

/** What the broker said against a message, where that is known: an exchange that is not there, one that may not be published to. */
export function refusalOf(error: unknown): unknown {
  return error instanceof UnknownOutcomeError && error.cause instanceof ChannelClosedByBrokerError
    ? error.cause
    : error;
}
