/**
 * What the decorators say together with what the module's options say: `consumers`, by the name of a consumer, and the roles
 * of this process.
 */
import { consumeFaults, type ConsumeOptions } from '../decorators/consume-options.js';
import { ConfigurationError } from '../errors.js';
import { defaultConnection, moduleName } from '../module/amqp-options.js';
import type { AmqpConnections } from '../module/connections.js';
import type { NamedConnection } from '../module/named-connection.js';
import type { HandlerDefinition } from './handler-definition.js';

export interface ConfiguredHandler {
  readonly handler: HandlerDefinition;
  readonly connection: NamedConnection;
  readonly options: ConsumeOptions;
  /** Whether this process is to consume for it. */
  readonly hasRole: boolean;
}

/** Throws ConfigurationError for what the two make together, and UnknownConnectionError. */
export function configuredHandlers(
  handlers: readonly HandlerDefinition[],
  connections: AmqpConnections,
): ConfiguredHandler[] {
  return handlers.map((handler) => {
    const { name, options: own } = handler;
    const connection = connections.get(own.connection ?? defaultConnection, name);
    const { consumers = {}, roles } = connection.options;
    const configured = own.name !== undefined && Object.hasOwn(consumers, own.name) ? consumers[own.name] : undefined;
    const options = { ...own, ...configured };
    const place = `consumers.${String(own.name)} of ${moduleName(connection.name)}`;
    if (options.queue === undefined) {
      const problem = configured ? `and ${place} names none` : `and there is no ${place} to take it from`;
      throw new ConfigurationError(name, `@Consume names no queue, ${problem}`);
    }
    const faults = consumeFaults(options, true);
    if (faults.length > 0) {
      throw new ConfigurationError(name, `@Consume${configured ? ` with ${place}` : ''}: ${faults.join('; ')}`);
    }
    const hasRole = options.role === undefined || roles === undefined || roles.includes(options.role);
    return { handler, connection, options: { ...options, queue: options.queue }, hasRole };
  });
}

/** Who is left out by role, and what is configured for nobody: of a typing error nothing else would tell. */
export function configurationLines(
  handlers: readonly ConfiguredHandler[],
  connections: AmqpConnections,
): { readonly logs: readonly string[]; readonly warnings: readonly string[] } {
  const logs = handlers
    .filter(({ hasRole }) => !hasRole)
    .map(
      ({ handler, options }) =>
        `${handler.name} does not consume here: "${options.role ?? ''}" is no role of this process`,
    );
  const knownRoles = new Set(handlers.map(({ options }) => options.role));
  const roles = new Set(connections.all().flatMap((connection) => connection.options.roles ?? []));
  const unknownRoles = [...roles].filter((role) => !knownRoles.has(role));
  const knownNames = new Set(handlers.map(({ handler }) => handler.options.name));
  const names = new Set(connections.all().flatMap(({ options }) => Object.keys(options.consumers ?? {})));
  const unknownNames = [...names].filter((name) => !knownNames.has(name));
  const warnings = [
    ...unknownRoles.map((role) => `the role "${role}" is given, but no @Consume has it`),
    ...unknownNames.map((name) => `consumers.${name} is configured, but no @Consume has that name`),
  ];
  return { logs, warnings };
}
