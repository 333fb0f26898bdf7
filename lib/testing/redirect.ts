/** Leads everything in a Nest container that would connect to RabbitMQ to a private broker instead. */
import type { ModulesContainer } from '@nestjs/core';
import {
  ArgumentError,
  type ConnectionParameters,
  type EndpointParameters,
  type TransportFactory,
} from '../amqp/index.js';
import type { EmbeddedBroker } from '../broker/index.js';
import { shown } from '../broker/shown.js';
import { AmqpClient, AmqpConnections, AmqpServer } from '../nest/index.js';

/** Something that connects, and whose way to the broker can be changed until it does. */
interface Connector {
  /** The NamedConnection, the client or the strategy. */
  readonly source: object;
  readonly parameters: ConnectionParameters;
  pointAt(parameters: ConnectionParameters): void;
  /** Milliseconds that its handlers have at the end. `isDefault`: where its options do not say. */
  limitDrain?(milliseconds: number, isDefault: boolean): void;
  /** Idempotent, never rejects. */
  close(): Promise<void>;
}

/** Milliseconds; less than the hooks of a test runner have (5 s in Jest). */
const defaultDrainTimeout = 2_000;

export class Redirection {
  /** What was led here. */
  readonly sources = new Set<object>();
  readonly #broker: EmbeddedBroker;
  readonly #drainTimeout: number | undefined;
  readonly #connectors: Connector[] = [];
  #virtualHost: string | undefined;

  /** Throws ArgumentError for a `drainTimeout` that is no number of milliseconds. */
  constructor(broker: EmbeddedBroker, drainTimeout?: number) {
    if (drainTimeout !== undefined && (!Number.isFinite(drainTimeout) || drainTimeout < 0)) {
      throw new ArgumentError('drainTimeout', `must be a number from 0 on, not ${shown(drainTimeout)}`);
    }
    this.#broker = broker;
    this.#drainTimeout = drainTimeout;
  }

  /** That of the first connection. */
  get virtualHost(): string {
    return this.#virtualHost ?? '/';
  }

  /**
   * To be called before anything connects; again where strategies were added. The connections of AmqpModule come first, then
   * the AmqpClients among the providers, then the given strategies.
   */
  lead(modules: ModulesContainer, strategies: readonly AmqpServer[]): void {
    for (const connector of findConnectors(modules, strategies)) {
      if (this.sources.has(connector.source)) continue;
      this.sources.add(connector.source);
      this.#connectors.push(connector);
      this.#virtualHost ??= virtualHostOf(connector.parameters);
      const parameters = redirected(connector.parameters, this.#broker.memory(), this.#virtualHost);
      this.#broker.addVirtualHost(parameters.virtualHost);
      connector.pointAt(parameters);
      connector.limitDrain?.(this.#drainTimeout ?? defaultDrainTimeout, this.#drainTimeout === undefined);
    }
  }

  /** Connections that the application left open would look for their broker for ever. */
  async close(): Promise<void> {
    await Promise.all(this.#connectors.map((connector) => connector.close()));
  }
}

function findConnectors(modules: ModulesContainer, strategies: readonly AmqpServer[]): Connector[] {
  const instances = new Set<unknown>();
  for (const { providers } of modules.values()) {
    for (const { instance } of providers.values()) instances.add(instance);
  }
  const connections = [...instances].filter((instance) => instance instanceof AmqpConnections);
  return [...new Set([...connections, ...instances, ...strategies])].flatMap((instance): Connector[] => {
    if (instance instanceof AmqpClient || instance instanceof AmqpServer) {
      return [
        {
          source: instance,
          parameters: instance.connectionParameters,
          pointAt: (parameters) => {
            instance.pointAt(parameters);
          },
          limitDrain: (milliseconds, isDefault) => {
            if (instance instanceof AmqpServer) instance.limitDrain(milliseconds, isDefault);
          },
          close: () => instance.close(),
        },
      ];
    }
    if (instance instanceof AmqpConnections) {
      return instance.all().map((connection) => ({
        source: connection,
        parameters: connection.options,
        pointAt: (parameters) => {
          connection.configure(parameters);
        },
        limitDrain: (milliseconds, isDefault) => {
          const { options } = connection;
          const own = isDefault ? options.defaults?.drainTimeout : undefined;
          connection.configure({ ...options, defaults: { ...options.defaults, drainTimeout: own ?? milliseconds } });
        },
        close: () => connection.close(),
      }));
    }
    return [];
  });
}

/**
 * The same parameters with another way to the broker: virtual host, buffers, recovery and names stay as they are. Each
 * delivery has a basic.ack of its own unless the module says otherwise, since faults may count them. What
 * says nothing of where its broker is (a strategy of `{ queue }` alone) is taken to `virtualHost`.
 */
function redirected(
  parameters: ConnectionParameters,
  transport: TransportFactory,
  virtualHost: string,
): ConnectionParameters & { readonly virtualHost: string } {
  const { url: _url, endpoints: _endpoints, host: _host, port: _port, tls: _tls, tcp: _tcp, ...kept } = parameters;
  const { username: _username, password: _password, credentials: _credentials, ...rest } = kept;
  return { joinAcks: false, ...rest, virtualHost: virtualHostOf(parameters, virtualHost), transport };
}

/** What a URI says wins, as it does for the client. */
function virtualHostOf(parameters: ConnectionParameters, fallback = '/'): string {
  const { url, endpoints, host, virtualHost } = parameters;
  const first: EndpointParameters | undefined = endpoints?.[0];
  const uri = (typeof url === 'string' ? url : url?.[0]) ?? first?.url;
  const path = uri === undefined ? undefined : /^amqps?:\/\/[^/?#]*\/([^/?#]*)/i.exec(uri)?.[1];
  if (path !== undefined) return decodeURIComponent(path);
  const isPlaced = uri !== undefined || first !== undefined || host !== undefined;
  return first?.virtualHost ?? virtualHost ?? (isPlaced ? '/' : fallback);
}
