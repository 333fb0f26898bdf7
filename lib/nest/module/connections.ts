/** The connections of one application by their names. */
import { Inject, Injectable } from '@nestjs/common';
import { ConfigurationError, UnknownConnectionError } from '../errors.js';
import { RecoveryService } from '../recovery/index.js';
import { moduleName, type AmqpModuleOptions } from './amqp-options.js';
import { NamedConnection } from './named-connection.js';

@Injectable()
export class AmqpConnections {
  readonly #connections = new Map<string, NamedConnection>();
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
