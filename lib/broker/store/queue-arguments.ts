/**
 * The x-arguments of a queue: checked, and read into a form that the queue works with.
 *
 * Pure; knows RabbitMQ's words for what is wrong with them, not what is done with them.
 */
import type { FieldTable, FieldValue } from '../../amqp/protocol/index.js';
import { queueTypeCheck, type KnownArguments, type QueueType } from './argument-rules.js';
import type { Behaviour } from './behaviour.js';
import { areEqualFields, describedDifference, typeName } from './field-text.js';
import { channelRefusal, connectionRefusal, type ReplyError } from './reply-error.js';

export type { QueueType } from './argument-rules.js';

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
  /** Of messages that have none. */
  readonly defaultPriority: number;
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

/** Checks and reads a queue's arguments, or throws the refusal that RabbitMQ answers. */
export function queueSettings(declaration: QueueDeclaration, vhost: string, behaviour: Behaviour): QueueSettings {
  const { name } = declaration;
  const table = declaration.arguments;
  const refuse = (text: string): ReplyError => channelRefusal('preconditionFailed', text);
  const described = `queue '${name}' in vhost '${vhost}'`;
  const deadLetterExchange = table['x-dead-letter-exchange'];
  if (deadLetterExchange !== undefined && typeof deadLetterExchange !== 'string') {
    throw refuse(`invalid type '${typeName(deadLetterExchange)}' for arg 'x-dead-letter-exchange' in ${described}`);
  }
  const type = checkedArguments(declaration, vhost, behaviour);
  if (type === 'quorum') assertReplicable(declaration, described);
  return settingsOf(type, table, behaviour);
}

/** Reads arguments that were checked. */
export function settingsOf(type: QueueType, table: Readonly<FieldTable>, behaviour: Behaviour): QueueSettings {
  const deadLetterExchange = table['x-dead-letter-exchange'];
  const deadLetterRoutingKey = table['x-dead-letter-routing-key'];
  const overflow = table['x-overflow'];
  const integer = (argument: string): number | undefined => {
    const value = table[argument];
    return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined;
  };
  const limit = integer('x-delivery-limit') ?? behaviour.defaultDeliveryLimit;
  return {
    type,
    messageTtl: integer('x-message-ttl'),
    expires: integer('x-expires'),
    maximumLength: integer('x-max-length'),
    maximumBytes: integer('x-max-length-bytes'),
    overflow: overflowOf(overflow, type),
    ...priorities(type, integer('x-max-priority'), behaviour),
    deadLetterExchange: typeof deadLetterExchange === 'string' ? deadLetterExchange : undefined,
    deadLetterRoutingKey: typeof deadLetterRoutingKey === 'string' ? deadLetterRoutingKey : undefined,
    isSingleActiveConsumer: table['x-single-active-consumer'] === true,
    deliveryLimit: type === 'classic' || (behaviour.negativeLimitIsNone && (limit ?? 0) < 0) ? undefined : limit,
  };
}

/** Throws where an argument is wrong, or one that queues of this type do not know. What no type knows is taken. */
function checkedArguments(declaration: QueueDeclaration, vhost: string, behaviour: Behaviour): QueueType {
  const table = declaration.arguments;
  const described = `queue '${declaration.name}' in vhost '${vhost}'`;
  const refuse = (argument: string, reason: string): ReplyError =>
    channelRefusal('preconditionFailed', `invalid arg '${argument}' for ${described}${reason}`);
  const type = table['x-queue-type'] === undefined ? 'classic' : table['x-queue-type'];
  const wrongType = queueTypeCheck(type, table);
  if (wrongType !== undefined || typeof type !== 'string') throw refuse('x-queue-type', `: ${wrongType ?? ''}`);
  const known = behaviour.knownArguments;
  const knownHere = known[type as keyof KnownArguments];
  for (const [argument, check] of behaviour.argumentChecks) {
    if (table[argument] === undefined || !knownHere.includes(argument)) continue;
    const reason = check(table[argument], table);
    if (reason !== undefined) throw refuse(argument, `: ${reason}`);
  }
  const knownAnywhere = Object.values(known).flat() as string[];
  const names = Object.keys(table);
  // Where RabbitMQ puts the type in that was not said, it sorts the others.
  if (behaviour.defaultsQueueType && table['x-queue-type'] === undefined) names.sort();
  const foreign = names.find((name) => knownAnywhere.includes(name) && !knownHere.includes(name));
  if (foreign !== undefined) throw refuse(foreign, ` of queue type rabbit_${type}_queue`);
  if (behaviour.refusesMasterLocator && table['x-queue-master-locator'] !== undefined) throw noMasterLocator();
  if (type === 'stream') throw refuse('x-queue-type', ': the embedded broker has no streams');
  return type as QueueType;
}

/** As RabbitMQ tells it: cut after 255 bytes. */
function noMasterLocator(): ReplyError {
  return connectionRefusal(
    'internalError',
    'Feature `queue_master_locator` is deprecated.\nBy default, this feature is not permitted anymore.\n' +
      'The feature will be removed from a future major RabbitMQ version, regardless of the configuration; ' +
      'actual version to be determined.\nTo con...',
  );
}

function assertReplicable(declaration: QueueDeclaration, described: string): void {
  const refuse = (property: string): ReplyError =>
    channelRefusal('preconditionFailed', `invalid property '${property}' for ${described}`);
  if (declaration.isAutoDelete) throw refuse('auto-delete');
  if (declaration.exclusiveOwner !== undefined) throw refuse('exclusive-owner');
  if (!declaration.isDurable) throw refuse('non-durable');
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
  const type = current.arguments['x-queue-type'] === 'quorum' ? 'quorum' : 'classic';
  for (const argument of behaviour.knownArguments[type]) {
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

function priorities(
  type: QueueType,
  maximum: number | undefined,
  behaviour: Behaviour,
): Pick<QueueSettings, 'maximumPriority' | 'defaultPriority'> {
  if (type === 'quorum') {
    return behaviour.quorumQueuesPrioritise
      ? { maximumPriority: 31, defaultPriority: 4 }
      : { maximumPriority: 0, defaultPriority: 0 };
  }
  const maximumPriority = maximum === undefined ? 0 : Math.max(maximum, behaviour.leastMaximumPriority);
  return { maximumPriority, defaultPriority: 0 };
}

/** Quorum queues take `reject-publish-dlx`, and do as if it had not been said. */
function overflowOf(value: FieldValue, type: QueueType): Overflow {
  if (value === 'reject-publish') return value;
  return value === 'reject-publish-dlx' && type === 'classic' ? value : 'drop-head';
}
