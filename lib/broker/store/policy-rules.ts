/**
 * What may stand in a policy, and what each type of queue makes of it: the settings that each version of RabbitMQ knows,
 * and how it checks them.
 *
 * Pure; what policies apply to is policies.ts.
 */
import { ArgumentError } from '../../amqp/errors.js';
import type { QueueType } from './argument-rules.js';

/**
 * What a policy sets. A queue's own argument stands before it, or, for what is a number, the lower of both does. Settings of
 * RabbitMQ's that are not listed here are checked and do nothing (`queue-mode`, `ha-mode`, `consumer-timeout`, ...).
 */
export interface PolicyDefinition {
  /** Milliseconds that messages live; of those that come from now on. */
  readonly 'message-ttl'?: number;
  /** Milliseconds without use after which the queue is deleted. */
  readonly expires?: number;
  /** Messages that the queue keeps. */
  readonly 'max-length'?: number;
  /** Bytes of messages that the queue keeps. */
  readonly 'max-length-bytes'?: number;
  /** What happens above these limits. */
  readonly overflow?: 'drop-head' | 'reject-publish' | 'reject-publish-dlx';
  readonly 'dead-letter-exchange'?: string;
  readonly 'dead-letter-routing-key'?: string;
  /** Deliveries that may fail, of quorum queues; negative (RabbitMQ 4.3): any number. */
  readonly 'delivery-limit'?: number;
  /** Of exchanges: where messages go that no binding takes. */
  readonly 'alternate-exchange'?: string;
  readonly [other: string]: unknown;
}

/** What a policy is for. The three types of queues are not known to RabbitMQ 3.10. */
export type PolicyTarget = 'all' | 'queues' | 'exchanges' | 'classic_queues' | 'quorum_queues' | 'streams';

export interface PolicyOptions {
  /** Default `/`. */
  readonly virtualHost?: string | undefined;
  /** A regular expression that is looked for in names. */
  readonly pattern: string;
  readonly definition: PolicyDefinition;
  /** Of all policies that match one counts: that of the highest priority. Default 0. */
  readonly priority?: number | undefined;
  /** Default `all`. */
  readonly applyTo?: PolicyTarget | undefined;
}

/** What is wrong with a value; undefined: nothing. */
type Check = (value: unknown) => string | undefined;

export interface PolicyRules {
  /** As RabbitMQ's versions are named. */
  readonly version: string;
  readonly targets: readonly PolicyTarget[];
  readonly checks: Readonly<Record<string, Check>>;
  /** A policy with one of these is none for queues of that type. */
  readonly foreign: Readonly<Record<QueueType, readonly string[]>>;
}

const integer =
  (least: number, most = Infinity): Check =>
  (value) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return undefined;
    const upTo = most === Infinity ? ` of ${String(least)} or more` : ` from ${String(least)} to ${String(most)}`;
    return `must be an integer${least === -Infinity ? '' : upTo}`;
  };
const text: Check = (value) => (typeof value === 'string' ? undefined : 'must be a string');
const oneOf =
  (...known: readonly unknown[]): Check =>
  (value) =>
    known.includes(value) ? undefined : `must be one of ${known.join(', ')}`;
const maximumAge: Check = (value) =>
  typeof value === 'string' && /^\d*[1-9]\d*[YMDhms]$/.test(value) ? undefined : 'must be a number and a unit, as 7D';
const anything: Check = () => undefined;

const natural = integer(0);

const common: PolicyRules['checks'] = {
  'alternate-exchange': text,
  'dead-letter-exchange': text,
  'dead-letter-routing-key': text,
  'dead-letter-strategy': oneOf('at-most-once', 'at-least-once'),
  'delivery-limit': natural,
  expires: integer(1),
  'initial-cluster-size': natural,
  'max-age': maximumAge,
  'max-in-memory-bytes': natural,
  'max-in-memory-length': natural,
  'max-length': natural,
  'max-length-bytes': natural,
  'message-ttl': natural,
  overflow: oneOf('drop-head', 'reject-publish', 'reject-publish-dlx'),
  'queue-leader-locator': oneOf('client-local', 'balanced', 'random', 'least-leaders'),
  'queue-mode': oneOf('default', 'lazy'),
  'queue-version': oneOf(1, 2),
  'stream-max-segment-size-bytes': integer(0, 3_000_000_000),
  // RabbitMQ 4.0 and later refuse these, or know them with a plugin only. Here they do nothing, and definitions that were
  // exported elsewhere often have them.
  'federation-upstream': text,
  'federation-upstream-set': text,
  'ha-mode': oneOf('all', 'exactly', 'nodes'),
  'ha-params': anything,
  'ha-promote-on-failure': oneOf('always', 'when-synced'),
  'ha-promote-on-shutdown': oneOf('always', 'when-synced'),
  'ha-sync-batch-size': integer(1),
  'ha-sync-mode': oneOf('manual', 'automatic'),
  'queue-master-locator': oneOf('min-masters', 'client-local', 'random'),
};

const ofStreams = ['max-age', 'stream-max-segment-size-bytes', 'initial-cluster-size'];
const ofMirrors = ['ha-mode', 'ha-params', 'ha-sync-mode', 'ha-promote-on-shutdown', 'ha-promote-on-failure'];

const unknownToQuorum = [...ofStreams, ...ofMirrors, 'queue-mode', 'queue-master-locator'];

export const policyRules310: PolicyRules = {
  version: '3.10',
  targets: ['all', 'queues', 'exchanges'],
  checks: common,
  foreign: {
    classic: [...ofStreams, 'queue-leader-locator', 'delivery-limit', 'dead-letter-strategy'],
    quorum: unknownToQuorum,
  },
};

export const policyRules43: PolicyRules = {
  version: '4.3',
  targets: ['all', 'queues', 'exchanges', 'classic_queues', 'quorum_queues', 'streams'],
  checks: {
    ...common,
    'consumer-disconnected-timeout': natural,
    'consumer-timeout': natural,
    'delayed-retry-max': integer(1),
    'delayed-retry-min': integer(1),
    'delayed-retry-type': oneOf('all', 'failed', 'returned', 'disabled'),
    'delivery-limit': integer(-Infinity),
    'stream-filter-size-bytes': integer(16, 255),
    'target-group-size': integer(1),
  },
  foreign: {
    classic: [
      ...[...ofStreams, 'delivery-limit', 'dead-letter-strategy', 'max-in-memory-length', 'max-in-memory-bytes'],
      'target-group-size',
    ],
    quorum: unknownToQuorum,
  },
};

const known = new Set(['virtualHost', 'pattern', 'definition', 'priority', 'applyTo']);

/**
 * Throws ArgumentError, which names what is wrong behind `path`, for instance `definition.message-ttl`. May be given
 * anything.
 */
export function assertPolicy(policy: PolicyOptions, rules: PolicyRules, path = ''): void {
  const fault = faultOf(policy, rules);
  if (fault) throw new ArgumentError(`${path}${fault.where}`, fault.problem);
}

function faultOf(policy: PolicyOptions, rules: PolicyRules): { where: string; problem: string } | undefined {
  if (!isRecord(policy)) return { where: 'policy', problem: 'must be an object' };
  const unknown = Object.keys(policy).find((key) => !known.has(key));
  if (unknown !== undefined) return { where: unknown, problem: `unknown; there is: ${[...known].join(', ')}` };
  const { pattern, definition, priority = 0, applyTo = 'all', virtualHost = '/' } = policy;
  if (typeof virtualHost !== 'string') return { where: 'virtualHost', problem: 'must be a string' };
  if (!isExpression(pattern)) return { where: 'pattern', problem: 'must be a regular expression, as a string' };
  if (!Number.isInteger(priority)) return { where: 'priority', problem: 'must be an integer' };
  if (!rules.targets.includes(applyTo)) {
    return { where: 'applyTo', problem: `must be one of ${rules.targets.join(', ')}` };
  }
  if (!isRecord(definition)) return { where: 'definition', problem: 'must be an object' };
  const entries = Object.entries(definition);
  if (entries.length === 0) return { where: 'definition', problem: 'sets nothing' };
  for (const [key, value] of entries) {
    const check = Object.hasOwn(rules.checks, key) ? rules.checks[key] : undefined;
    const problem = check ? check(value) : `is no setting that RabbitMQ ${rules.version} knows in a policy`;
    if (problem !== undefined) return { where: `definition.${key}`, problem };
  }
  return undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isExpression(pattern: unknown): boolean {
  if (typeof pattern !== 'string') return false;
  try {
    new RegExp(pattern);
    return true;
  } catch {
    return false;
  }
}
