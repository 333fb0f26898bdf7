/**
 * The x-arguments of a queue: checked, and read into a form that the queue works with.
 *
 * Pure; knows RabbitMQ's words for what is wrong with them, not what is done with them.
 */
import type { FieldTable } from '../../amqp/protocol/index.js';
import type { Behaviour } from './behaviour.js';
import { areEqualFields, describedDifference, typeName } from './field-text.js';
import { channelRefusal, type ReplyError } from './reply-error.js';

export type QueueType = 'classic' | 'quorum';

export type Overflow = 'drop-head' | 'reject-publish' | 'reject-publish-dlx';

export interface QueueSettings {
  readonly type: QueueType;
  /** x-message-ttl, in milliseconds. */
  readonly messageTtl: number | undefined;
  /** x-expires: milliseconds without use after which the queue is deleted. */
  readonly expires: number | undefined;
  readonly maximumLength: number | undefined;
  readonly maximumBytes: number | undefined;
  readonly overflow: Overflow;
  readonly maximumPriority: number;
  readonly deadLetterExchange: string | undefined;
  readonly deadLetterRoutingKey: string | undefined;
  readonly isSingleActiveConsumer: boolean;
  /** x-delivery-limit; undefined: none. */
  readonly deliveryLimit: number | undefined;
}

export interface QueueDeclaration {
  readonly name: string;
  readonly isDurable: boolean;
  readonly isAutoDelete: boolean;
  /** The connection that it is exclusive to; undefined: open to all. */
  readonly exclusiveOwner: number | undefined;
  readonly arguments: Readonly<FieldTable>;
}

/** Arguments that two declarations of one queue must agree on, in the order in which RabbitMQ checks them. */
const comparedArguments = [
  'x-expires',
  'x-message-ttl',
  'x-dead-letter-exchange',
  'x-dead-letter-routing-key',
  'x-dead-letter-strategy',
  'x-max-length',
  'x-max-length-bytes',
  'x-overflow',
  'x-max-priority',
  'x-single-active-consumer',
  'x-delivery-limit',
  'x-queue-type',
  'x-queue-mode',
  'x-queue-version',
] as const;

/** Reads a queue's arguments, or throws the refusal that RabbitMQ answers. */
export function queueSettings(declaration: QueueDeclaration, vhost: string, behaviour: Behaviour): QueueSettings {
  const table = declaration.arguments;
  const refuse = (name: string, reason: string): ReplyError =>
    channelRefusal(
      'preconditionFailed',
      `invalid arg '${name}' for queue '${declaration.name}' in vhost '${vhost}': ${reason}`,
    );
  const integer = (name: string, least: number): number | undefined => {
    const value = table[name];
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      throw refuse(name, `"expected integer, got ${typeName(value)}"`);
    }
    if (value < least) {
      throw refuse(name, value === 0 ? '{value_zero,0}' : `{value_negative,${String(value)}}`);
    }
    return value;
  };
  const text = (name: string): string | undefined => {
    const value = table[name];
    if (value === undefined || typeof value === 'string') return value;
    throw refuse(name, `{unacceptable_type,${typeName(value)}}`);
  };
  const type = queueType(text('x-queue-type') ?? 'classic', declaration, vhost);
  const isSingleActiveConsumer = table['x-single-active-consumer'] ?? false;
  if (typeof isSingleActiveConsumer !== 'boolean') {
    throw refuse('x-single-active-consumer', `{unacceptable_type,${typeName(isSingleActiveConsumer)}}`);
  }
  const mode = table['x-queue-mode'] ?? 'default';
  if (behaviour.knowsQueueMode && mode !== 'default' && mode !== 'lazy') {
    throw refuse('x-queue-mode', `"unsupported queue mode '${mode as string}'"`);
  }
  const deadLetterExchange = table['x-dead-letter-exchange'];
  if (deadLetterExchange !== undefined && typeof deadLetterExchange !== 'string') {
    throw channelRefusal(
      'preconditionFailed',
      `invalid type '${typeName(deadLetterExchange)}' for arg 'x-dead-letter-exchange' in queue ` +
        `'${declaration.name}' in vhost '${vhost}'`,
    );
  }
  const deadLetterRoutingKey = text('x-dead-letter-routing-key');
  if (deadLetterRoutingKey !== undefined && deadLetterExchange === undefined) {
    throw refuse('x-dead-letter-routing-key', 'routing_key_but_no_dlx_defined');
  }
  const overflow = text('x-overflow') ?? 'drop-head';
  if (!isOverflow(overflow)) throw refuse('x-overflow', `invalid_overflow`);
  const maximumPriority = integer('x-max-priority', 0);
  if (maximumPriority !== undefined && maximumPriority > 255) {
    throw refuse('x-max-priority', `{max_value_exceeded,${String(maximumPriority)}}`);
  }
  const limit = integer('x-delivery-limit', -Infinity) ?? behaviour.defaultDeliveryLimit;
  return {
    type,
    messageTtl: integer('x-message-ttl', 0),
    expires: integer('x-expires', 1),
    maximumLength: integer('x-max-length', 0),
    maximumBytes: integer('x-max-length-bytes', 0),
    overflow,
    maximumPriority: type === 'quorum' ? 0 : (maximumPriority ?? 0),
    deadLetterExchange,
    deadLetterRoutingKey,
    isSingleActiveConsumer,
    deliveryLimit: type === 'quorum' && limit !== undefined && limit >= 0 ? limit : undefined,
  };
}

function queueType(type: string, declaration: QueueDeclaration, vhost: string): QueueType {
  const { name } = declaration;
  if (type === 'classic') {
    refuseArgumentsOfOthers(classicLacks, 'rabbit_classic_queue', declaration, vhost);
    return type;
  }
  if (type !== 'quorum') {
    throw channelRefusal(
      'preconditionFailed',
      `invalid arg 'x-queue-type' for queue '${name}' in vhost '${vhost}': "unsupported queue type '${type}'"`,
    );
  }
  const refuse = (property: string): ReplyError =>
    channelRefusal('preconditionFailed', `invalid property '${property}' for queue '${name}' in vhost '${vhost}'`);
  if (!declaration.isDurable) throw refuse('non-durable');
  if (declaration.isAutoDelete) throw refuse('auto-delete');
  if (declaration.exclusiveOwner !== undefined) throw refuse('exclusive-owner');
  refuseArgumentsOfOthers(quorumLacks, 'rabbit_quorum_queue', declaration, vhost);
  return type;
}

const ofStreams = ['x-max-age', 'x-stream-max-segment-size-bytes', 'x-initial-cluster-size'];
const classicLacks = [
  ...['x-delivery-limit', 'x-dead-letter-strategy', 'x-quorum-initial-group-size'],
  ...['x-max-in-memory-length', 'x-max-in-memory-bytes', ...ofStreams],
];
const quorumLacks = ['x-max-priority', 'x-queue-mode', ...ofStreams];

/** What only queues of another type know; what no queue knows is taken. */
function refuseArgumentsOfOthers(lacks: readonly string[], type: string, of: QueueDeclaration, vhost: string): void {
  const argument = lacks.find((name) => of.arguments[name] !== undefined);
  if (argument === undefined) return;
  throw channelRefusal(
    'preconditionFailed',
    `invalid arg '${argument}' for queue '${of.name}' in vhost '${vhost}' of queue type ${type}`,
  );
}

/** Throws RabbitMQ's refusal where a second declaration differs; the first argument that does is the one named. */
export function assertSameQueue(
  current: QueueDeclaration,
  received: QueueDeclaration,
  vhost: string,
  behaviour: Behaviour,
): void {
  const differs = (argument: string, was: string, is: string): ReplyError =>
    inequivalent(argument, `queue '${current.name}' in vhost '${vhost}'`, was, is);
  if (current.isDurable !== received.isDurable) {
    throw differs('durable', `'${received.isDurable}'`, `'${current.isDurable}'`);
  }
  if (current.isAutoDelete !== received.isAutoDelete) {
    throw differs('auto_delete', `'${received.isAutoDelete}'`, `'${current.isAutoDelete}'`);
  }
  const isQuorum = current.arguments['x-queue-type'] === 'quorum';
  for (const argument of comparedArguments) {
    if (argument === 'x-delivery-limit' && !isQuorum) continue;
    const was = received.arguments[argument];
    const is = current.arguments[argument];
    const implied = argument === 'x-queue-type' ? 'classic' : undefined;
    if (areEqualFields(was ?? implied, is ?? implied)) continue;
    const shown = behaviour.defaultsQueueType ? implied : undefined;
    const described = describedDifference(was ?? shown, is ?? shown);
    throw differs(argument, described.received, described.current);
  }
}

/** RabbitMQ's refusal of a declaration that differs; `received` and `current` come quoted. */
export function inequivalent(argument: string, entity: string, received: string, current: string): ReplyError {
  return channelRefusal(
    'preconditionFailed',
    `inequivalent arg '${argument}' for ${entity}: received ${received} but current is ${current}`,
  );
}

function isOverflow(value: string): value is Overflow {
  return value === 'drop-head' || value === 'reject-publish' || value === 'reject-publish-dlx';
}
