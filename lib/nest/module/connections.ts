/** The connections of one application by their names. */
import { isDeepStrictEqual } from 'node:util';
import { Inject, Injectable } from '@nestjs/common';
import { ConfigurationError, UnknownConnectionError } from '../errors.js';
import { RecoveryService } from '../recovery/index.js';
import { defaultConnection, moduleName, type AmqpFeatureOptions, type AmqpModuleOptions } from './amqp-options.js';
import { NamedConnection, type WantedTopology } from './named-connection.js';

@Injectable()
export class AmqpConnections {
  readonly #connections = new Map<string, NamedConnection>();
  readonly #features: { readonly connection: string; readonly wanted: WantedTopology }[] = [];
  readonly #recovery: RecoveryService;

  constructor(@Inject(RecoveryService) recovery: RecoveryService) {
    this.#recovery = recovery;
  }

  /** @internal Called by each AmqpModule. Throws ConfigurationError for a name that is taken. */
  add(name: string, options: AmqpModuleOptions): void {
    if (this.#connections.has(name)) {
      throw new ConfigurationError(
        moduleName(name),
        'it is configured twice; call forRoot once and give further connections a name of their own',
      );
    }
    this.#connections.set(name, new NamedConnection(name, options, this.#recovery));
    this.#recovery.add(name);
  }

  /** @internal Called by each feature; `where` says whose. */
  addFeature({ connection = defaultConnection, ...wanted }: AmqpFeatureOptions, where: string): void {
    this.#features.push({ connection, wanted: { where, ...wanted } });
  }

  /**
   * @internal All connections and features are known. Throws ConfigurationError where two want one exchange or queue
   * otherwise, and UnknownConnectionError.
   */
  complete(): void {
    for (const { connection, wanted } of this.#features.splice(0)) {
      this.get(connection, wanted.where).addFeature(wanted);
    }
    for (const connection of this.all()) refuseContradictions(connection);
  }

  all(): readonly NamedConnection[] {
    return [...this.#connections.values()];
  }

  /** Throws UnknownConnectionError; `where` says who asks. */
  get(name: string, where: string): NamedConnection {
    const connection = this.#connections.get(name);
    if (!connection) throw new UnknownConnectionError(where, name, [...this.#connections.keys()]);
    return connection;
  }
}

function refuseContradictions({ topologies }: NamedConnection): void {
  const known = new Map<string, { readonly where: string; readonly definition: object }>();
  for (const { where, exchanges = [], queues = [] } of topologies) {
    const named = [
      ...exchanges.map((definition) => [`exchange "${definition.name}"`, definition] as const),
      ...queues.map((definition) => [`queue "${definition.name}"`, definition] as const),
    ];
    for (const [title, definition] of named) {
      const other = known.get(title);
      if (other && !isDeepStrictEqual(other.definition, definition)) {
        throw new ConfigurationError(where, `the ${title} is declared by ${other.where} too, and otherwise`);
      }
      known.set(title, { where, definition });
    }
  }
}
