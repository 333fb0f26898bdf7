/** Definitions that were read become policies, exchanges, queues and bindings; what the broker refuses of them is a fault. */
import { ArgumentError, DefinitionsError } from '../../amqp/errors.js';
import { assertPolicy } from '../store/policy-rules.js';
import { ReplyError } from '../store/reply-error.js';
import type { VirtualHost } from '../store/virtual-host.js';
import type { Definitions, Placed } from './read-definitions.js';

/** Declared by nobody's connection: ids begin with 1. */
const nobody = 0;

/** Throws DefinitionsError with every fault; for a broker that is thrown away then. */
export function applyDefinitions(definitions: Definitions, virtualHosts: ReadonlyMap<string, VirtualHost>): void {
  const faults: string[] = [];
  const each = <Entity>(
    entities: readonly Placed<Entity>[],
    apply: (host: VirtualHost, entity: Entity) => void,
  ): void => {
    for (const { virtualHost, entity, path } of entities) {
      const host = virtualHosts.get(virtualHost);
      if (!host) {
        faults.push(`${path}.vhost: there is no virtual host "${virtualHost.slice(0, 100)}"`);
        continue;
      }
      try {
        apply(host, entity);
      } catch (error) {
        if (error instanceof ReplyError) faults.push(`${path}: ${error.replyText}`);
        else if (error instanceof ArgumentError)
          faults.push(`${path}.${error.message.replace(/^applyTo:/, 'apply-to:')}`);
        else throw error;
      }
    }
  };
  each(definitions.policies, (host, { name, ...policy }) => {
    assertPolicy(policy, host.behaviour.policyRules);
    host.setPolicy(name, policy);
  });
  each(definitions.exchanges, (host, exchange) => {
    host.declareExchange(exchange);
  });
  each(definitions.queues, (host, queue) => {
    host.declareQueue(queue, nobody);
  });
  each(definitions.bindings, (host, binding) => {
    host.exchange(binding.source);
    if (binding.destinationKind === 'queue') host.queue(binding.destination, nobody);
    else host.exchange(binding.destination);
    host.bind(binding);
  });
  if (faults.length > 0) throw new DefinitionsError(faults);
}
