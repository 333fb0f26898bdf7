/**
 * The policies of a virtual host, which of them counts for a queue or an exchange, and what a queue's arguments are with it.
 *
 * Pure. RabbitMQ documents them at https://www.rabbitmq.com/docs/policies.
 */
import type { FieldTable, FieldValue } from '../../amqp/protocol/index.js';
import type { QueueType } from './argument-rules.js';
import type { Behaviour } from './behaviour.js';
import type { PolicyDefinition, PolicyOptions, PolicyTarget } from './policy-rules.js';

/** A policy with nothing left open. */
export interface Policy {
  readonly name: string;
  readonly pattern: string;
  readonly definition: PolicyDefinition;
  readonly priority: number;
  readonly applyTo: PolicyTarget;
}

interface CompiledPolicy extends Policy {
  readonly expression: RegExp;
}

export class Policies {
  /** In the order in which they are asked: by priority, then by name. */
  #policies: readonly CompiledPolicy[] = [];
  readonly #behaviour: Behaviour;

  constructor(behaviour: Behaviour) {
    this.#behaviour = behaviour;
  }

  get all(): readonly Policy[] {
    return this.#policies.map(({ name, pattern, definition, priority, applyTo }) => {
      return { name, pattern, definition, priority, applyTo };
    });
  }

  /** Takes a policy that was checked, in place of one of the same name. */
  set(name: string, { pattern, definition, priority = 0, applyTo = 'all' }: PolicyOptions): void {
    const policy = { name, pattern, definition: { ...definition }, priority, applyTo, expression: new RegExp(pattern) };
    this.#policies = [...this.#without(name), policy].sort(
      (left, right) => right.priority - left.priority || (left.name < right.name ? -1 : 1),
    );
  }

  /** Answers whether there was one. */
  delete(name: string): boolean {
    const count = this.#policies.length;
    this.#policies = this.#without(name);
    return this.#policies.length < count;
  }

  #without(name: string): readonly CompiledPolicy[] {
    return this.#policies.filter((policy) => policy.name !== name);
  }

  /** The one that counts for a queue: with a setting that its type does not know, it is not for it at all. */
  ofQueue(name: string, type: QueueType): Policy | undefined {
    const foreign = this.#behaviour.policyRules.foreign[type];
    const targets: readonly PolicyTarget[] = ['all', 'queues', `${type}_queues`];
    return this.#policies.find(
      ({ applyTo, expression, definition }) =>
        targets.includes(applyTo) &&
        expression.test(name) &&
        !Object.keys(definition).some((key) => foreign.includes(key)),
    );
  }

  ofExchange(name: string): Policy | undefined {
    // The default exchange is not there to be configured.
    if (name === '') return undefined;
    return this.#policies.find(
      ({ applyTo, expression }) => (applyTo === 'all' || applyTo === 'exchanges') && expression.test(name),
    );
  }
}

/** Of an argument and the setting of the same name in a policy, neither undefined, the one that counts. */
type Choice = (argument: FieldValue, setting: FieldValue) => FieldValue;

const lower: Choice = (argument, setting) => Math.min(Number(argument), Number(setting));
const argumentFirst: Choice = (argument) => argument;
const policyFirst: Choice = (_argument, setting) => setting;
/** Negative is no limit, and a limit is less than none. */
const lowerLimit: Choice = (argument, setting) => {
  const [one, other] = [Number(argument), Number(setting)];
  return one < 0 || other < 0 ? Math.max(one, other) : Math.min(one, other);
};

function choices(type: QueueType, behaviour: Behaviour): Readonly<Record<string, Choice>> {
  const isQuorum = type === 'quorum';
  return {
    'message-ttl': lower,
    expires: isQuorum && behaviour.quorumPoliciesSetExpiry ? policyFirst : lower,
    'max-length': lower,
    'max-length-bytes': lower,
    'delivery-limit': behaviour.negativeLimitIsNone ? lowerLimit : lower,
    'dead-letter-exchange': argumentFirst,
    'dead-letter-routing-key': argumentFirst,
    overflow: isQuorum ? policyFirst : argumentFirst,
  };
}

/** A queue's arguments as they are with a policy. */
export function argumentsWith(
  definition: PolicyDefinition | undefined,
  table: Readonly<FieldTable>,
  type: QueueType,
  behaviour: Behaviour,
): Readonly<FieldTable> {
  if (!definition) return table;
  const effective: FieldTable = { ...table };
  for (const [key, choose] of Object.entries(choices(type, behaviour))) {
    const setting = definition[key] as FieldValue;
    if (setting === undefined) continue;
    const argument = table[`x-${key}`];
    effective[`x-${key}`] = argument === undefined ? setting : choose(argument, setting);
  }
  return effective;
}
