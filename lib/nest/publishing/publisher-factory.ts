/** Makes the publishers of one application. Tests may override it to see what is published without a broker. */
import { Inject, Injectable, Logger } from '@nestjs/common';
import { publisherFaults, type PublisherOptions } from '../decorators/inject-publisher.decorator.js';
import { ConfigurationError } from '../errors.js';
import { defaultConnection } from '../module/amqp-options.js';
import { AmqpConnections } from '../module/connections.js';
import type { NamedConnection } from '../module/named-connection.js';
import { Publisher } from './publisher.js';

@Injectable()
export class PublisherFactory {
  readonly #connections: AmqpConnections;
  readonly #logger = new Logger(Publisher.name);
  /** Which connections were asked for, and by whom first: looked at when all connections are known. */
  readonly #asked = new Map<string, string>();
  /** For each connection the exchanges that publishers were made for. */
  readonly #exchanges = new Map<string, Set<string>>();

  constructor(@Inject(AmqpConnections) connections: AmqpConnections) {
    this.#connections = connections;
  }

  /** A publisher. `where` names who asks, for errors. Throws ConfigurationError for wrong options. */
  create<Events extends object = Record<string, unknown>>(
    options: PublisherOptions = {},
    where = 'PublisherFactory.create',
  ): Publisher<Events> {
    const faults = publisherFaults(options);
    if (faults.length > 0) throw new ConfigurationError(where, faults.join('; '));
    const { exchange = '', connection = defaultConnection, ...defaults } = options;
    if (!this.#asked.has(connection)) this.#asked.set(connection, where);
    this.#exchanges.set(connection, (this.#exchanges.get(connection) ?? new Set()).add(exchange));
    const connections = this.#connections;
    return new Publisher<Events>(
      {
        get isReady() {
          return connections.get(connection, where).isReady;
        },
        untilReady: async (bytes, signal, limit) => connections.get(connection, where).untilReady(bytes, signal, limit),
        get delayQueues() {
          return connections.get(connection, where).delayQueues;
        },
        delayChannel: async (bytes, signal, limit) =>
          connections.get(connection, where).channelWithin('to delay messages', bytes, signal, limit),
        requestChannel: async () => connections.get(connection, where).requestChannel(),
        get openedChannel() {
          return connections.get(connection, where).openedChannel(purposeOf(exchange));
        },
        channel: async (bytes, signal, limit) =>
          connections.get(connection, where).channelWithin(purposeOf(exchange), bytes, signal, limit),
        onUnheard: (message) => {
          this.#logger.error(message);
        },
      },
      { exchange, defaults },
    );
  }

  /** @internal Throws UnknownConnectionError where a publisher names a connection that is not there. */
  checkConnections(): void {
    for (const [connection, where] of this.#asked) this.#connections.get(connection, where);
  }

  /**
   * @internal Opens the channels of the publishers there are, so that an outage before their first publish finds them
   * there, with their buffer and its limits.
   */
  async openChannels(connection: NamedConnection): Promise<void> {
    const exchanges = [...(this.#exchanges.get(connection.name) ?? [])];
    await Promise.all(exchanges.map((exchange) => connection.publishChannel(purposeOf(exchange))));
  }
}

function purposeOf(exchange: string): string {
  return `to publish to exchange "${exchange}"`;
}
