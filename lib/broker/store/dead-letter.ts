/**
 * What a message looks like after it died: its x-death header, its new routing key, what it loses.
 *
 * Pure; where it goes then is virtual-host.ts. RabbitMQ documents the header under "Dead Letter Exchanges".
 */
import { TypedField, type FieldTable, type FieldValue } from '../../amqp/protocol/index.js';
import type { Behaviour } from './behaviour.js';
import { edited, type Death, type DeathReason, type Message } from './message.js';

export interface DeathCircumstances {
  readonly queue: string;
  readonly reason: DeathReason;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly deadLetterExchange: string;
  /** Undefined: the message keeps its routing keys. */
  readonly deadLetterRoutingKey: string | undefined;
}

/** The message to publish to the dead-letter exchange. */
export function deadLetter(message: Message, circumstances: DeathCircumstances, behaviour: Behaviour): Message {
  const { queue, reason, deadLetterExchange, deadLetterRoutingKey } = circumstances;
  const known = deathsOf(message, behaviour);
  const deaths = withDeath(known, message, circumstances);
  const dropsCopies = deadLetterRoutingKey !== undefined && !behaviour.keepsCopiesOfDeadLetters;
  // Whatever a client wrote as x-death counts as one: RabbitMQ then takes it that the first death is told already.
  const hasDied =
    known.length > 0 || (behaviour.readsClientDeaths && message.properties.headers?.['x-death'] !== undefined);
  const firstDeath: FieldTable = hasDied
    ? {}
    : { 'x-first-death-exchange': message.exchange, 'x-first-death-queue': queue, 'x-first-death-reason': reason };
  const lastDeath: FieldTable = behaviour.writesLastDeath
    ? { 'x-last-death-exchange': message.exchange, 'x-last-death-queue': queue, 'x-last-death-reason': reason }
    : {};
  return {
    ...edited(message, {
      withoutHeaders: dropsCopies ? ['CC'] : [],
      headers: { 'x-death': deaths.map(encodedDeath), ...firstDeath, ...lastDeath },
      withoutExpiration: true,
    }),
    exchange: deadLetterExchange,
    routingKey: deadLetterRoutingKey ?? message.routingKey,
    copies: deadLetterRoutingKey === undefined ? message.copies : [],
    visibleCopies: deadLetterRoutingKey === undefined ? message.visibleCopies : [],
    deaths,
  };
}

/**
 * Whether a dead letter would go round for ever: it died in this queue before, and nobody rejected it since.
 * RabbitMQ drops it then.
 */
export function isDeadLetterCycle(message: Message, queue: string): boolean {
  const deaths = message.deaths ?? [];
  const before = deaths.findIndex((death) => death.queue === queue);
  return before >= 0 && deaths.slice(0, before + 1).every(({ reason }) => reason !== 'rejected');
}

function deathsOf(message: Message, behaviour: Behaviour): readonly Death[] {
  if (message.deaths) return message.deaths;
  const header = message.properties.headers?.['x-death'];
  return behaviour.readsClientDeaths && Array.isArray(header) ? header.flatMap(decodedDeath) : [];
}

/** The same queue and reason again counts up and comes first. */
function withDeath(known: readonly Death[], message: Message, circumstances: DeathCircumstances): Death[] {
  const { queue, reason, time } = circumstances;
  const before = known.find((death) => death.queue === queue && death.reason === reason);
  const others = known.filter((death) => death !== before);
  if (before) {
    const count = before.count + 1;
    const received = before.received && { received: { ...before.received, count: new TypedField('int64', count) } };
    return [{ ...before, count, ...received }, ...others];
  }
  const death: Death = {
    queue,
    reason,
    count: 1,
    time,
    exchange: message.exchange,
    routingKeys: [message.routingKey, ...message.visibleCopies],
    originalExpiration: message.properties.expiration,
  };
  return [death, ...others];
}

function encodedDeath(death: Death): FieldTable {
  if (death.received) return death.received;
  return {
    count: new TypedField('int64', death.count),
    reason: death.reason,
    queue: death.queue,
    time: new Date(death.time),
    exchange: death.exchange,
    'routing-keys': death.routingKeys,
    ...(death.originalExpiration === undefined ? {} : { 'original-expiration': death.originalExpiration }),
  };
}

/** A death that a client, or another broker, wrote; nothing when it cannot be understood. */
function decodedDeath(entry: FieldValue): Death[] {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return [];
  const fields = entry as Readonly<FieldTable>;
  const { queue, reason, count, time, exchange } = fields;
  if (typeof queue !== 'string' || !isReason(reason)) return [];
  const keys = fields['routing-keys'];
  const originalExpiration = fields['original-expiration'];
  return [
    {
      queue,
      reason,
      count: typeof count === 'number' ? count : 1,
      time: time instanceof Date && !Number.isNaN(time.getTime()) ? time.getTime() : 0,
      exchange: typeof exchange === 'string' ? exchange : '',
      routingKeys: Array.isArray(keys) ? keys.filter((key): key is string => typeof key === 'string') : [],
      originalExpiration: typeof originalExpiration === 'string' ? originalExpiration : undefined,
      received: fields,
    },
  ];
}

function isReason(value: FieldValue): value is DeathReason {
  return value === 'rejected' || value === 'expired' || value === 'maxlen' || value === 'delivery_limit';
}
