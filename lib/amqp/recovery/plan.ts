/**
 * What a set of declarations would change on the broker, told without changing anything.
 *
 * AMQP can ask little. A passive declare says whether an entity is there, and nothing more. An active declare of what is
 * there changes nothing and closes its channel over the first argument that differs, naming it with both values; declared
 * again with the broker's value it names the next. A queue that is deleted between the two questions must not be made anew
 * by the second, so that carries an argument that no broker makes a queue with. Bindings cannot be asked for, but the
 * management API tells them. Must not know what a user holds.
 */
import { ChannelLife } from '../channel/index.js';
import type { ConnectionLife } from '../connection/index.js';
import { AmqpError, asAmqpError, ChannelClosedByBrokerError } from '../errors.js';
import {
  ByteWriter,
  replyCodes,
  writeMethod,
  type FieldTable,
  type FieldValue,
  type MethodInputs,
} from '../protocol/index.js';
import { askManagement, type ManagementAccess } from './management.js';
import { withListing } from './plan-listing.js';
import { readDifference, withBrokersValue } from './plan-refusal.js';
import type { DeclaredTopology, Difference, PlanFindings, PlannedEntity, PlannedState } from './planned-entity.js';
import type { BindingRecord, ExchangeRecord, QueueRecord } from './topology-record.js';

/** So many entities are asked for at a time, each on a channel of its own. */
const lanes = 8;

/** RabbitMQ has some twenty arguments that may differ. */
const roundLimit = 64;

/** Where else a plan asks, and until when. */
export interface PlanQuestions {
  /** Without it bindings are unknown. */
  readonly management?: ManagementAccess | undefined;
  /** Gives up, with an AmqpError. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Rejects with ArgumentError, before anything is asked, for what no frame can hold; else with what the management API
 * fails with, or when the connection ends. The order is that of the declarations: exchanges, queues, bindings.
 */
export async function planTopology(
  connection: ConnectionLife,
  declared: DeclaredTopology,
  { management, signal }: PlanQuestions = {},
): Promise<PlanFindings> {
  const questions = [
    ...declared.exchanges.map((exchange) => exchangeQuestion(exchange)),
    ...declared.queues.map((queue) => queueQuestion(queue)),
  ];
  const { frameMax } = connection.tuning;
  for (const { method, active } of questions) {
    if (active) writeMethod(new ByteWriter(512), 1, method, active as MethodInputs[Declare], frameMax);
  }
  // Where one side fails the other need not go on.
  const givingUp = new AbortController();
  const giveUp = (): void => {
    givingUp.abort(signal?.reason);
  };
  if (signal?.aborted === true) giveUp();
  else signal?.addEventListener('abort', giveUp, { once: true });
  try {
    const [answers, listing] = await Promise.all([
      askAll(connection, questions, givingUp.signal),
      management && askManagement(management, connection.endpoint.virtualHost, givingUp.signal),
    ]);
    const entities = [...answers, ...declared.bindings.map((binding) => planBinding(binding, answers))];
    return listing ? withListing(entities, listing) : { entities, extra: [] };
  } finally {
    signal?.removeEventListener('abort', giveUp);
    givingUp.abort();
  }
}

async function askAll(
  connection: ConnectionLife,
  questions: readonly Question[],
  signal: AbortSignal,
): Promise<PlannedEntity[]> {
  const answers = new Array<PlannedEntity>(questions.length);
  let next = 0;
  const serve = async (): Promise<void> => {
    const asking = new AskingChannel(connection);
    try {
      for (let index = next++; index < questions.length; index = next++) {
        if (signal.aborted) throw new AmqpError('the plan was given up', { cause: signal.reason });
        const question = questions[index];
        if (question) answers[index] = await ask(asking, question);
      }
    } finally {
      await asking.close();
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, questions.length) }, serve));
  return answers;
}

// --- what is asked --------------------------------------------------------------------------------

type Declare = 'exchange.declare' | 'queue.declare';

interface Question {
  readonly declared: ExchangeRecord | QueueRecord;
  readonly kind: 'exchange' | 'queue';
  readonly name: string;
  readonly method: Declare;
  readonly passive: MethodInputs[Declare];
  /** Undefined where a declare would be refused whatever it says: the names that brokers choose. */
  readonly active: Readonly<Record<string, unknown>> | undefined;
}

function exchangeQuestion(exchange: ExchangeRecord): Question {
  const { name, type, durable, autoDelete, internal, arguments: table } = exchange;
  return {
    declared: exchange,
    kind: 'exchange',
    name,
    method: 'exchange.declare',
    passive: { exchange: name, type: '', passive: true },
    active: name === '' ? undefined : { exchange: name, type, durable, autoDelete, internal, arguments: table },
  };
}

function queueQuestion(queue: QueueRecord): Question {
  const { name, durable, exclusive, autoDelete, arguments: table } = queue;
  return {
    declared: queue,
    kind: 'queue',
    name,
    method: 'queue.declare',
    passive: { queue: name, passive: true },
    active: queue.isServerNamed ? undefined : { queue: name, durable, exclusive, autoDelete, arguments: table },
  };
}

async function ask(asking: AskingChannel, question: Question): Promise<PlannedEntity> {
  const { declared, kind, name, method, passive, active } = question;
  const differences: Difference[] = [];
  const answer = (state: PlannedState, error?: AmqpError): PlannedEntity => {
    const isComplete = state !== 'conflict' || error === undefined;
    return { kind, name, declared, state, differences, isComplete, error, onBroker: undefined, policy: undefined };
  };
  let attempt = active;
  if (active && method === 'exchange.declare' && !knownTypes.includes(String(active['type']))) {
    attempt = { ...active, type: 'direct' };
  }
  let guard: Guard | undefined = method === 'queue.declare' ? guards.ofQueues : undefined;
  for (let round = 0; round < roundLimit; round++) {
    if (attempt && guard && isStream(attempt)) guard = guards.ofStreams;
    const { isThere, refusal } = await asking.ask(method, passive, attempt && guarded(attempt, guard));
    if (isThere && guard && refusal?.replyText.includes(`'${guard.argument}'`) === true) {
      // It was deleted in between: nobody makes one with that argument.
      if (refusal.replyText.includes('invalid arg')) return answer('missing');
      // It is of the other kind, or has the argument.
      guard = guard === guards.ofQueues ? guards.ofStreams : undefined;
      continue;
    }
    if (!isThere) {
      differences.length = 0;
      if (refusal?.replyCode === replyCodes.notFound) return answer('missing');
      // 405 is a queue that is exclusive to another connection; 403 a name that we may not see.
      return answer('unknown', refusal);
    }
    if (!active || !attempt) return answer('equal');
    if (!refusal) {
      // Asked for as `direct`, which it is, and not what was declared.
      const isOfOtherType = attempt['type'] !== active['type'] && !differences.some(isType);
      if (isOfOtherType) differences.push(typeDifference(active, attempt['type']));
      return answer(differences.length === 0 ? 'equal' : 'conflict');
    }
    if (refusal.replyCode !== replyCodes.preconditionFailed) return answer('unknown', refusal);
    const difference = readDifference(refusal, attempt);
    if (!difference || differences.some(({ argument }) => argument === difference.argument)) {
      return answer('conflict', refusal);
    }
    attempt = withBrokersValue(attempt, difference);
    // The type was asked for as another one than declared.
    if (!isType(difference)) differences.push(difference);
    else if (difference.onBroker !== active['type']) differences.push(typeDifference(active, difference.onBroker));
  }
  return answer('conflict');
}

/**
 * Each broker has these types. RabbitMQ 3 closes the connection over a type that it does not know (503), so a plugin's
 * is never said before the broker said it: `direct` is asked for, and the type is what RabbitMQ compares first.
 */
const knownTypes = ['direct', 'fanout', 'topic', 'headers'];

function isType({ argument }: Difference): boolean {
  return argument === 'type';
}

function typeDifference(active: Readonly<Record<string, unknown>>, onBroker: unknown): Difference {
  return { argument: 'type', declared: String(active['type']), onBroker: String(onBroker) };
}

interface Guard {
  readonly argument: string;
  readonly value: FieldValue;
}

/**
 * Arguments with which no queue can be made, and that do not count where the queue is there: RabbitMQ compares only those
 * that a queue of its type can have, and takes at its creation none that only others can have.
 */
const guards = {
  /** Of classic and quorum queues. */
  ofQueues: { argument: 'x-max-age', value: 0 },
  ofStreams: { argument: 'x-max-priority', value: 'none' },
} as const satisfies Record<string, Guard>;

function isStream(attempt: Readonly<Record<string, unknown>>): boolean {
  return (attempt['arguments'] as FieldTable)['x-queue-type'] === 'stream';
}

function guarded(attempt: Readonly<Record<string, unknown>>, guard: Guard | undefined): typeof attempt {
  const table = attempt['arguments'] as FieldTable;
  if (!guard || Object.hasOwn(table, guard.argument)) return attempt;
  return { ...attempt, arguments: { ...table, [guard.argument]: guard.value } };
}

/** Bindings cannot be asked for; but one that has no end is not there. */
function planBinding(binding: BindingRecord, answers: readonly PlannedEntity[]): PlannedEntity {
  const { kind, source, destination, routingKey } = binding;
  const isMissing = answers.some(
    (answer) =>
      answer.state === 'missing' &&
      ((answer.kind === 'exchange' && answer.name === source) || (answer.kind === kind && answer.name === destination)),
  );
  return {
    kind: 'binding',
    name: `${source} -> ${destination} (${routingKey})`,
    declared: binding,
    state: isMissing ? 'missing' : 'unknown',
    differences: [],
    isComplete: true,
    error: undefined,
    onBroker: undefined,
    policy: undefined,
  };
}

/** A channel for questions, replaced each time an answer closed it. */
class AskingChannel {
  readonly #connection: ConnectionLife;
  #channel: ChannelLife | undefined;

  constructor(connection: ConnectionLife) {
    this.#connection = connection;
  }

  /**
   * Whether the entity is there, and what the broker closed the channel with. Rejects when the connection ends.
   *
   * The two go out in one write: an exchange that is deleted between them would be made anew, and nothing comes between
   * them but what the broker does at that very moment. Where the first is refused the broker ignores the second.
   */
  async ask(
    method: Declare,
    passive: MethodInputs[Declare],
    active: Readonly<Record<string, unknown>> | undefined,
  ): Promise<{ readonly isThere: boolean; readonly refusal: ChannelClosedByBrokerError | undefined }> {
    if (this.#channel?.isOpen !== true) this.#channel = await ChannelLife.open(this.#connection);
    const [existence, declared] = await Promise.allSettled([
      this.#channel.call(method, passive),
      active && this.#channel.call(method, active as MethodInputs[Declare]),
    ]);
    const refused = existence.status === 'rejected' ? existence : declared;
    const error: unknown = refused.status === 'rejected' ? refused.reason : undefined;
    if (error !== undefined && !(error instanceof ChannelClosedByBrokerError)) throw asAmqpError(error);
    return { isThere: existence.status === 'fulfilled', refusal: error };
  }

  async close(): Promise<void> {
    if (this.#channel?.isOpen === true) await this.#channel.close();
  }
}
