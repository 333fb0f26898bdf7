/** Points everything in a Nest container that would connect to RabbitMQ at a private broker instead. */
import type { INestApplicationContext } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { ConnectionParameters, EndpointParameters, TransportFactory } from '../amqp/index.js';
import { AmqpClient, AmqpConnections, AmqpServer } from '../nest/index.js';

/** Something that connects, and whose way to the broker can be changed until it does. */
interface Connector {
  readonly parameters: ConnectionParameters;
  pointAt(parameters: ConnectionParameters): void;
}

/** The connections of AmqpModule first, then the AmqpClients among the providers, then the given strategies. */
export function findConnectors(nest: INestApplicationContext, strategies: readonly AmqpServer[]): Connector[] {
  const instances = new Set<unknown>();
  for (const { providers } of nest.get(ModulesContainer).values()) {
    for (const { instance } of providers.values()) instances.add(instance);
  }
  const connections = [...instances].filter((instance) => instance instanceof AmqpConnections);
  return [...new Set([...connections, ...instances, ...strategies])].flatMap((instance): Connector[] => {
    if (instance instanceof AmqpClient || instance instanceof AmqpServer) {
      return [
        {
          parameters: instance.connectionParameters,
          pointAt: (parameters) => {
            instance.pointAt(parameters);
          },
        },
      ];
    }
    if (instance instanceof AmqpConnections) {
      return instance.all().map((connection) => ({
        parameters: connection.options,
        pointAt: (parameters) => {
          connection.configure(parameters);
        },
      }));
    }
    return [];
  });
}

/**
 * The same parameters with another way to the broker: virtual host, buffers, recovery and names stay as they are. What
 * says nothing of where its broker is (a strategy of `{ queue }` alone) is taken to `virtualHost`.
 */
export function redirected(
  parameters: ConnectionParameters,
  transport: TransportFactory,
  virtualHost: string,
): ConnectionParameters {
  const { url: _url, endpoints: _endpoints, host: _host, port: _port, tls: _tls, tcp: _tcp, ...kept } = parameters;
  const { username: _username, password: _password, credentials: _credentials, ...rest } = kept;
  return { ...rest, virtualHost: virtualHostOf(parameters, virtualHost), transport };
}

/** What a URI says wins, as it does for the client. */
export function virtualHostOf(parameters: ConnectionParameters, fallback = '/'): string {
  const { url, endpoints, host, virtualHost } = parameters;
  const first: EndpointParameters | undefined = endpoints?.[0];
  const uri = (typeof url === 'string' ? url : url?.[0]) ?? first?.url;
  const path = uri === undefined ? undefined : /^amqps?:\/\/[^/?#]*\/([^/?#]*)/i.exec(uri)?.[1];
  if (path !== undefined) return decodeURIComponent(path);
  const isPlaced = uri !== undefined || first !== undefined || host !== undefined;
  return first?.virtualHost ?? virtualHost ?? (isPlaced ? '/' : fallback);
}
