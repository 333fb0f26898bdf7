/**
 * Declares a topology record again, in a new life of a connection.
 *
 * Exchanges, then queues, then bindings; each step is pipelined on one channel. An entity that the broker refuses
 * closes that channel: it is skipped and reported, and the rest goes on over a new one. A lost connection ends it.
 */
import { asAmqpError, ChannelClosedByBrokerError, type AmqpError } from '../errors.js';
import { ChannelLife } from '../channel/index.js';
import type { ConnectionLife } from '../connection/index.js';
import { replyCodes, type MethodFields } from '../protocol/index.js';
import { wait } from './back-off.js';
import { entityExists } from './entity-exists.js';
import { TopologyRecord, type BindingRecord, type ExchangeRecord, type QueueRecord } from './topology-record.js';

/** An entity that could not be restored, and why. */
export interface BrokenEntity {
  /** What it is. */
  readonly kind: 'exchange' | 'queue' | 'binding' | 'consumer';
  /** Its name; for a binding `source -> destination (routing key)`. */
  readonly name: string;
  /** What the broker said, or what else went wrong. */
  readonly error: AmqpError;
}

export interface RebuildReport {
  readonly exchanges: number;
  readonly queues: number;
  readonly bindings: number;
  readonly broken: readonly BrokenEntity[];
  /** What is broken, to be tried again later. */
  readonly remainder: TopologyRecord;
}

interface Step {
  readonly kind: BrokenEntity['kind'];
  readonly name: string;
  /** Sends the method; called in order, not awaited before the next. */
  readonly run: (channel: ChannelLife) => Promise<unknown>;
  /** Puts the entity into a record of what is still to be restored. */
  readonly note: (remainder: TopologyRecord) => void;
  /** Worth a few tries: an exclusive queue stays locked until the broker notices that our old connection is gone. */
  readonly isLockExpected: boolean;
}

const lockRetries = 10;
const lockRetryDelay = 300;

/**
 * Rejects only when the connection ends meanwhile. `onRenamed` is told of each server-named queue's new name at once:
 * the next attempt starts from there.
 */
export async function rebuildTopology(
  connection: ConnectionLife,
  record: TopologyRecord,
  onRenamed: (from: string, to: string) => void,
): Promise<RebuildReport> {
  const report = {
    exchanges: 0,
    queues: 0,
    bindings: 0,
    broken: [] as BrokenEntity[],
    remainder: new TopologyRecord(),
  };
  if (record.isEmpty) return report;
  const bench = new Bench(connection, report.broken, report.remainder);
  report.exchanges = await bench.run(record.exchanges.map(declareExchange));
  const survivors = await survivingQueues(connection, record.queues);
  const queues = record.queues.filter(({ name }) => !survivors.has(name));
  report.queues = survivors.size + (await bench.run(queues.map((queue) => declareQueue(queue, onRenamed))));
  report.bindings = await bench.run(record.bindings.map(declareBinding));
  await bench.close();
  return report;
}

/** Server-named queues that outlived the connection: they keep their names, which nobody may declare again. */
async function survivingQueues(connection: ConnectionLife, queues: readonly QueueRecord[]): Promise<Set<string>> {
  const survivors = new Set<string>();
  for (const { name, isServerNamed, exclusive } of queues) {
    if (isServerNamed && !exclusive && (await entityExists(connection, 'queue', name))) survivors.add(name);
  }
  return survivors;
}

/** The channel that the declares run on, replaced each time the broker closes it. */
class Bench {
  readonly #connection: ConnectionLife;
  readonly #broken: BrokenEntity[];
  readonly #remainder: TopologyRecord;
  #channel: ChannelLife | undefined;

  constructor(connection: ConnectionLife, broken: BrokenEntity[], remainder: TopologyRecord) {
    this.#connection = connection;
    this.#broken = broken;
    this.#remainder = remainder;
  }

  /** Runs the steps; answers how many the broker accepted. */
  async run(steps: readonly Step[]): Promise<number> {
    let restored = 0;
    let remaining = steps;
    let retries = 0;
    while (remaining.length > 0) {
      const channel = (this.#channel ??= await ChannelLife.open(this.#connection));
      const results = await Promise.allSettled(remaining.map((step) => step.run(channel)));
      const failedIndex = results.findIndex(({ status }) => status === 'rejected');
      if (failedIndex < 0) return restored + remaining.length;
      restored += failedIndex;
      const failed = remaining[failedIndex];
      const result = results[failedIndex];
      if (!failed || result?.status !== 'rejected') break;
      const error = asAmqpError(result.reason);
      if (this.#connection.endedBy) throw this.#connection.endedBy;
      if (!(error instanceof ChannelClosedByBrokerError) && channel.isOpen) await channel.close();
      this.#channel = undefined;
      if (failed.isLockExpected && error.replyCode === replyCodes.resourceLocked && retries < lockRetries) {
        retries += 1;
        await wait(lockRetryDelay);
        remaining = remaining.slice(failedIndex);
        continue;
      }
      this.#broken.push({ kind: failed.kind, name: failed.name, error });
      failed.note(this.#remainder);
      remaining = remaining.slice(failedIndex + 1);
    }
    return restored;
  }

  async close(): Promise<void> {
    await this.#channel?.close();
  }
}

function declareExchange(exchange: ExchangeRecord): Step {
  const { name, type, durable, autoDelete, internal } = exchange;
  return {
    kind: 'exchange',
    name,
    isLockExpected: false,
    note: (remainder) => {
      remainder.addExchange(exchange);
    },
    run: (channel) =>
      channel.call('exchange.declare', {
        exchange: name,
        type,
        durable,
        autoDelete,
        internal,
        arguments: exchange.arguments,
      }),
  };
}

function declareQueue(queue: QueueRecord, onRenamed: (from: string, to: string) => void): Step {
  const { name, isServerNamed, durable, exclusive, autoDelete } = queue;
  return {
    kind: 'queue',
    name,
    isLockExpected: exclusive,
    note: (remainder) => {
      remainder.addQueue(queue);
    },
    run: async (channel) => {
      const reply = await channel.call('queue.declare', {
        queue: isServerNamed ? '' : name,
        durable,
        exclusive,
        autoDelete,
        arguments: queue.arguments,
      });
      if (isServerNamed) onRenamed(name, (reply.fields as MethodFields['queue.declare-ok']).queue);
    },
  };
}

function declareBinding(binding: BindingRecord): Step {
  const { kind, source, destination, routingKey } = binding;
  return {
    kind: 'binding',
    name: `${source} -> ${destination} (${routingKey})`,
    isLockExpected: false,
    note: (remainder) => {
      remainder.addBinding(binding);
    },
    run: (channel) =>
      kind === 'queue'
        ? channel.call('queue.bind', {
            queue: destination,
            exchange: source,
            routingKey,
            arguments: binding.arguments,
          })
        : channel.call('exchange.bind', { destination, source, routingKey, arguments: binding.arguments }),
  };
}
