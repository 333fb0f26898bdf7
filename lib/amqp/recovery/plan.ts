/**
 * What a set of declarations would change on the broker, told without changing anything.
 *
 * AMQP can ask little. A passive declare says whether an entity is there, and nothing more. An active declare of what is
 * there changes nothing and closes its channel over the first argument that differs, naming it with both values; declared
 * again with the broker's value it names the next. Bindings cannot be asked for. Must not know what a user holds.
 */
import { ChannelLife } from '../channel/index.js';
import type { ConnectionLife } from '../connection/index.js';
import { ChannelClosedByBrokerError, type AmqpError } from '../errors.js';
import {
  ByteWriter,
  replyCodes,
  writeMethod,
  type FieldTable,
  type FieldValue,
  type MethodInputs,
} from '../protocol/index.js';
import type { BindingRecord, ExchangeRecord, QueueRecord } from './topology-record.js';

/** What is to be on the broker. A connection's `topology` is one. */
export interface DeclaredTopology {
  /** Exchanges. */
  readonly exchanges: readonly ExchangeRecord[];
  /** Queues. */
  readonly queues: readonly QueueRecord[];
  /** Bindings, to queues and to exchanges. */
  readonly bindings: readonly BindingRecord[];
}

/** One property or argument of a declaration that the broker has otherwise. */
export interface Difference {
  /** `type`, `durable`, `autoDelete`, `internal`, `exclusive`, or an argument such as `x-message-ttl`. */
  readonly argument: string;
  /** As declared; undefined where it is not. */
  readonly declared: FieldValue | undefined;
  /** As the broker has it; undefined where it has none. */
  readonly onBroker: FieldValue | undefined;
}

/**
 * `missing`: a declare would make it. `equal`: a declare changes nothing. `conflict`: a declare would be refused (406).
 * `unknown`: the broker did not say, and `error` may tell why; bindings, whose both ends are there, are always unknown.
 */
export type PlannedState = 'missing' | 'equal' | 'conflict' | 'unknown';

/** An entity of a plan. */
export interface PlannedEntity {
  /** What it is. */
  readonly kind: 'exchange' | 'queue' | 'binding';
  /** Its name; for a binding `source -> destination (routing key)`. */
  readonly name: string;
  /** What a declare would do. */
  readonly state: PlannedState;
  /** Of a conflict: in what it differs. */
  readonly differences: readonly Difference[];
  /** False for a conflict that may differ in more than `differences` says. */
  readonly isComplete: boolean;
  /** What the broker said, where that was not enough. */
  readonly error: AmqpError | undefined;
}

/** So many entities are asked for at a time, each on a channel of its own. */
const lanes = 8;

/** RabbitMQ has some twenty arguments that may differ. */
const roundLimit = 64;

/**
 * Rejects with ArgumentError, before anything is asked, for what no frame can hold; else only when the connection ends.
 * The order is that of the declarations: exchanges, queues, bindings.
 */
export async function planTopology(connection: ConnectionLife, declared: DeclaredTopology): Promise<PlannedEntity[]> {
  const questions = [
    ...declared.exchanges.map((exchange) => exchangeQuestion(exchange)),
    ...declared.queues.map((queue) => queueQuestion(queue)),
  ];
  const { frameMax } = connection.tuning;
  for (const { method, active } of questions) {
    if (active) writeMethod(new ByteWriter(512), 1, method, active as MethodInputs[Declare], frameMax);
  }
  const answers = new Array<PlannedEntity>(questions.length);
  let next = 0;
  const serve = async (): Promise<void> => {
    const asking = new AskingChannel(connection);
    for (let index = next++; index < questions.length; index = next++) {
      const question = questions[index];
      if (question) answers[index] = await ask(asking, question);
    }
    await asking.close();
  };
  await Promise.all(Array.from({ length: Math.min(lanes, questions.length) }, serve));
  return [...answers, ...declared.bindings.map((binding) => planBinding(binding, answers))];
}

// --- what is asked --------------------------------------------------------------------------------

type Declare = 'exchange.declare' | 'queue.declare';

interface Question {
  readonly kind: 'exchange' | 'queue';
  readonly name: string;
  readonly method: Declare;
  readonly passive: MethodInputs[Declare];
  /** Undefined where a declare would be refused whatever it says: the names that brokers choose. */
  readonly active: Readonly<Record<string, unknown>> | undefined;
}

function exchangeQuestion({ name, type, durable, autoDelete, internal, arguments: table }: ExchangeRecord): Question {
  return {
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
    kind: 'queue',
    name,
    method: 'queue.declare',
    passive: { queue: name, passive: true },
    active: queue.isServerNamed ? undefined : { queue: name, durable, exclusive, autoDelete, arguments: table },
  };
}

async function ask(asking: AskingChannel, { kind, name, method, passive, active }: Question): Promise<PlannedEntity> {
  const differences: Difference[] = [];
  const answer = (state: PlannedState, error?: AmqpError): PlannedEntity => {
    return { kind, name, state, differences, isComplete: state !== 'conflict' || error === undefined, error };
  };
  const refusal = await asking.refusalOf(method, passive);
  if (refusal?.replyCode === replyCodes.notFound) return answer('missing');
  // 405 is a queue that is exclusive to another connection; 403 a name that we may not see.
  if (refusal) return answer('unknown', refusal);
  if (!active) return answer('equal');
  let attempt = active;
  for (let round = 0; round < roundLimit; round++) {
    const conflict = await asking.refusalOf(method, attempt as MethodInputs[Declare]);
    if (!conflict) return answer(differences.length === 0 ? 'equal' : 'conflict');
    const difference =
      conflict.replyCode === replyCodes.preconditionFailed ? readDifference(conflict, attempt) : undefined;
    const isNews = difference && !differences.some(({ argument }) => argument === difference.argument);
    if (!isNews) return answer(conflict.replyCode === replyCodes.preconditionFailed ? 'conflict' : 'unknown', conflict);
    differences.push(difference);
    attempt = withBrokersValue(attempt, difference);
  }
  return answer('conflict');
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
    state: isMissing ? 'missing' : 'unknown',
    differences: [],
    isComplete: true,
    error: undefined,
  };
}

/** A channel for questions, replaced each time an answer closed it. */
class AskingChannel {
  readonly #connection: ConnectionLife;
  #channel: ChannelLife | undefined;

  constructor(connection: ConnectionLife) {
    this.#connection = connection;
  }

  /** What the broker closed the channel with; undefined when it said yes. Rejects when the connection ends. */
  async refusalOf(method: Declare, fields: MethodInputs[Declare]): Promise<ChannelClosedByBrokerError | undefined> {
    if (this.#channel?.isOpen !== true) this.#channel = await ChannelLife.open(this.#connection);
    try {
      await this.#channel.call(method, fields);
      return undefined;
    } catch (error) {
      if (error instanceof ChannelClosedByBrokerError) return error;
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    if (this.#channel?.isOpen === true) await this.#channel.close();
  }
}

// --- what a 406 says ------------------------------------------------------------------------------

/** RabbitMQ's names of what is no argument. */
const propertyNames: Readonly<Record<string, string>> = { auto_delete: 'autoDelete' };

const inequivalent = /inequivalent arg '([^']+)' for .*: received (.*) but current is (.*?)(?: \([a-z.]+\))?$/s;
const typedValue = /^the value '(.*)' of type '([a-z]+)'$/s;
const bareValue = /^'(.*)'$/s;

/**
 * "inequivalent arg 'x-expires' for queue 'q' in vhost '/': received none but current is the value '5' of type 'long'".
 * Undefined where it says something else, or a value that cannot be read back (a table).
 */
function readDifference(error: AmqpError, attempt: Readonly<Record<string, unknown>>): Difference | undefined {
  const [, argument, , current] = inequivalent.exec(error.replyText ?? '') ?? [];
  if (argument === undefined || current === undefined) return undefined;
  const property = propertyNames[argument] ?? argument;
  const isProperty = Object.hasOwn(attempt, property);
  const table = attempt['arguments'] as FieldTable;
  const declared = isProperty ? attempt[property] : Object.hasOwn(table, argument) ? table[argument] : undefined;
  const onBroker = readValue(current, declared as FieldValue | undefined);
  if (onBroker === null) return undefined;
  return { argument: property, declared: declared as FieldValue | undefined, onBroker };
}

/** Null where it cannot be read. A value without a type has the declared one's. */
function readValue(text: string, declared: FieldValue | undefined): FieldValue | undefined {
  if (text === 'none') return undefined;
  const [, typed, type] = typedValue.exec(text) ?? [];
  if (typed !== undefined && type !== undefined) {
    if (type === 'longstr') return typed;
    if (type === 'bool') return typed === 'true';
    return readNumber(typed);
  }
  const [, bare] = bareValue.exec(text) ?? [];
  if (bare === undefined) return null;
  if (typeof declared === 'boolean') return bare === 'true';
  if (typeof declared === 'number' || typeof declared === 'bigint') return readNumber(bare) ?? bare;
  return bare;
}

function readNumber(text: string): FieldValue {
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : null;
}

function withBrokersValue(
  attempt: Readonly<Record<string, unknown>>,
  { argument, onBroker }: Difference,
): Readonly<Record<string, unknown>> {
  if (Object.hasOwn(attempt, argument)) return { ...attempt, [argument]: onBroker };
  const { [argument]: _, ...table } = attempt['arguments'] as FieldTable;
  return { ...attempt, arguments: onBroker === undefined ? table : { ...table, [argument]: onBroker } };
}
