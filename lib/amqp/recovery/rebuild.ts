/**
 * Declares a topology record again, in a life of a connection.
 *
 * Everything is pipelined. A small record goes over one channel in one stroke, in the order exchanges, queues, bindings;
 * a large one over several channels at a time, one kind after the other. An entity that the broker refuses closes its
 * channel: it is skipped and reported, and the rest goes on over a new one. A lost connection ends it all.
 */
import { asAmqpError, type AmqpError } from '../errors.js';
import { ChannelLife } from '../channel/index.js';
import type { ConnectionLife } from '../connection/index.js';
import { replyCodes, type MethodFields } from '../protocol/index.js';
import { wait } from './back-off.js';
import {
  bindingName,
  TopologyRecord,
  type BindingRecord,
  type ExchangeRecord,
  type QueueRecord,
} from './topology-record.js';
import type { Trials } from './trials.js';

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

export interface RebuildOptions {
  readonly trials: Trials;
  /** Told of each server-named queue's new name at once: where it is cut short, the next attempt starts from there. */
  onRenamed(from: string, to: string): void;
}

interface Step {
  readonly kind: 'exchange' | 'queue' | 'binding';
  readonly name: string;
  readonly method: 'exchange.declare' | 'queue.declare' | 'queue.bind' | 'exchange.bind';
  /** What the step is for, by identity. */
  readonly subject: object;
  /** Sends the method; called in order, not awaited before the next. */
  run(channel: ChannelLife): Promise<unknown>;
  onDone(): void;
  onRefused(error: AmqpError): void;
  /** Worth a few tries: an exclusive queue stays locked until the broker notices that our old connection is gone. */
  readonly isLockExpected?: boolean;
}

/** A record of so many entities goes in one stroke. */
const strokeSize = 30;
/** So many channels are used at a time, where there is enough to do: the broker works on them side by side. */
const maximumLanes = 4;
/** A channel more is worth its opening for so many calls. */
const leastWindow = 10;
/** So many calls are on their way on each: a refusal means that those behind it are made again. */
const largestWindow = 250;
const lockRetries = 10;
const lockRetryDelay = 300;

/** Rejects only when the connection ends meanwhile. */
export async function rebuildTopology(
  connection: ConnectionLife,
  record: TopologyRecord,
  options: RebuildOptions,
): Promise<RebuildReport> {
  const remainder = new TopologyRecord();
  const broken: BrokenEntity[] = [];
  const counts = { exchange: 0, queue: 0, binding: 0 };
  const report = (): RebuildReport => ({
    exchanges: counts.exchange,
    queues: counts.queue,
    bindings: counts.binding,
    broken,
    remainder,
  });
  if (record.isEmpty) return report();

  /** A step that declares something of the record, counted or put into the remainder. */
  const declaration = (
    step: Pick<Step, 'kind' | 'name' | 'method' | 'subject' | 'run' | 'isLockExpected'>,
    keep: () => void,
  ): Step => ({
    ...step,
    onDone: () => {
      counts[step.kind] += 1;
    },
    onRefused: (error) => {
      broken.push({ kind: step.kind, name: step.name, error });
      keep();
    },
  });
  const exchangeStep = (exchange: ExchangeRecord): Step =>
    declaration(declareExchange(exchange), () => {
      remainder.addExchange(exchange);
    });
  const queueStep = (queue: QueueRecord): Step =>
    declaration(
      declareQueue(queue, (to) => {
        options.onRenamed(queue.name, to);
        // Nothing to do where the record is the one that was just told.
        record.renameQueue(queue.name, to);
      }),
      () => {
        remainder.addQueue(queue);
      },
    );
  const bindingStep = (binding: BindingRecord): Step =>
    declaration(makeBinding(binding), () => {
      remainder.addBinding(binding);
    });

  const lanes = new Lanes(connection, options.trials);
  const run = (steps: readonly Step[]): Promise<void> => lanes.run(steps);
  const survivors = await survivingQueues(record.queues, run);
  counts.queue += survivors.size;
  const exchanges = record.exchanges.map(exchangeStep);
  const queues = record.queues.filter(({ name }) => !survivors.has(name)).map(queueStep);
  const isNamed = ({ kind, destination }: BindingRecord): boolean =>
    kind === 'exchange' || survivors.has(destination) || record.queue(destination)?.isServerNamed !== true;
  // One at a time is an order of its own: what hangs together must not go in one stroke then.
  const isTrial = [...exchanges, ...queues].some(({ method, subject }) => options.trials.isSuspect(method, subject));
  if (!isTrial && exchanges.length + queues.length + record.bindings.length <= strokeSize) {
    const named = record.bindings.filter(isNamed).map(bindingStep);
    await run([...exchanges, ...queues, ...named]);
    // By now the others' queues have names.
    await run(record.bindings.filter((binding) => !isNamed(binding)).map(bindingStep));
  } else {
    await run([...exchanges, ...queues]);
    await run(record.bindings.map(bindingStep));
  }
  await lanes.close();
  return report();
}

/** Server-named queues that outlived the connection: they keep their names, which nobody may declare again. */
async function survivingQueues(
  queues: readonly QueueRecord[],
  run: (steps: readonly Step[]) => Promise<void>,
): Promise<Set<string>> {
  const survivors = new Set<string>();
  const asked = queues.filter(({ isServerNamed, exclusive }) => isServerNamed && !exclusive);
  await run(
    asked.map((queue) => ({
      kind: 'queue',
      name: queue.name,
      method: 'queue.declare',
      subject: queue,
      run: (channel) => channel.call('queue.declare', { queue: queue.name, passive: true }),
      onDone: () => survivors.add(queue.name),
      onRefused: () => undefined,
    })),
  );
  return survivors;
}

// --- running --------------------------------------------------------------------------------------

/** The channels that steps run on, opened when they are worth it and kept for the steps that follow. */
class Lanes {
  readonly #connection: ConnectionLife;
  readonly #trials: Trials;
  readonly #lanes: Lane[] = [];

  constructor(connection: ConnectionLife, trials: Trials) {
    this.#connection = connection;
    this.#trials = trials;
  }

  /** Runs steps that do not depend on each other. Rejects when the connection ends. */
  async run(steps: readonly Step[]): Promise<void> {
    const due = steps.filter((step) => {
      const sentence = this.#trials.sentenceOn(step.subject);
      if (sentence) step.onRefused(sentence);
      return !sentence;
    });
    if (due.length === 0) return;
    const room = this.#lanes.length + this.#connection.freeChannels;
    const count = Math.max(1, Math.min(maximumLanes, Math.ceil(due.length / leastWindow), room));
    while (this.#lanes.length < count) this.#lanes.push(new Lane(this.#connection, this.#trials));
    const queue = new StepQueue(due, Math.min(largestWindow, Math.ceil(due.length / count)));
    await Promise.all(this.#lanes.slice(0, count).map((lane) => lane.run(queue)));
  }

  async close(): Promise<void> {
    const closed = Promise.all(this.#lanes.map((lane) => lane.close()));
    // Else nobody waits for the answers.
    if (this.#connection.freeChannels === 0) await closed;
  }
}

/** The steps that are still to be run, shared by the lanes. */
class StepQueue {
  readonly #windowSize: number;
  #steps: readonly Step[];
  #next = 0;
  #locked: Step[] = [];
  #rounds = 0;

  constructor(steps: readonly Step[], windowSize: number) {
    this.#steps = steps;
    this.#windowSize = windowSize;
  }

  /** The next steps; none when all are taken. */
  async take(): Promise<readonly Step[]> {
    if (this.#next >= this.#steps.length && this.#locked.length > 0) {
      this.#steps = this.#locked;
      this.#next = 0;
      this.#locked = [];
      this.#rounds += 1;
      await wait(lockRetryDelay);
    }
    const steps = this.#steps.slice(this.#next, this.#next + this.#windowSize);
    this.#next += steps.length;
    return steps;
  }

  /** Puts a step off whose queue the broker still has for our last life. False when that lasts too long. */
  putOff(step: Step): boolean {
    if (this.#rounds >= lockRetries) return false;
    this.#locked.push(step);
    return true;
  }
}

/** A channel that steps run on, replaced each time the broker closes it. */
class Lane {
  readonly #connection: ConnectionLife;
  readonly #trials: Trials;
  #channel: ChannelLife | undefined;

  constructor(connection: ConnectionLife, trials: Trials) {
    this.#connection = connection;
    this.#trials = trials;
  }

  async run(queue: StepQueue): Promise<void> {
    for (let steps = await queue.take(); steps.length > 0; steps = await queue.take()) {
      while (steps.length > 0) steps = steps.slice(await this.#runWindow(steps, queue));
    }
  }

  async close(): Promise<void> {
    await this.#channel?.close();
  }

  /** Runs steps until one costs the channel; answers how many are through, that one among them. */
  async #runWindow(steps: readonly Step[], queue: StepQueue): Promise<number> {
    const channel = (this.#channel ??= ChannelLife.start(this.#connection));
    const results = await Promise.allSettled(
      steps.map((step) => this.#trials.run(step.method, step.subject, () => step.run(channel))),
    );
    if (this.#connection.endedBy) throw this.#connection.endedBy;
    if (channel.endedBy) this.#channel = undefined;
    for (const [index, result] of results.entries()) {
      const step = steps[index];
      if (!step) break;
      if (result.status === 'fulfilled') {
        step.onDone();
        continue;
      }
      const error = asAmqpError(result.reason);
      const isLocked = step.isLockExpected === true && error.replyCode === replyCodes.resourceLocked;
      if (!isLocked || !queue.putOff(step)) step.onRefused(error);
      // The broker answers in order: it closed the channel for the first, and did not look at those behind it.
      if (error === channel.endedBy) return index + 1;
    }
    return steps.length;
  }
}

// --- what is declared -----------------------------------------------------------------------------

type Declaration = Pick<Step, 'kind' | 'name' | 'method' | 'subject' | 'run' | 'isLockExpected'>;

function declareExchange(exchange: ExchangeRecord): Declaration {
  const { name, type, durable, autoDelete, internal, arguments: table } = exchange;
  const fields = { exchange: name, type, durable, autoDelete, internal, arguments: table };
  const method = 'exchange.declare';
  return { kind: 'exchange', name, method, subject: exchange, run: (channel) => channel.call(method, fields) };
}

function declareQueue(queue: QueueRecord, onNamed: (name: string) => void): Declaration {
  const { name, isServerNamed, durable, exclusive, autoDelete, arguments: table } = queue;
  const fields = { queue: isServerNamed ? '' : name, durable, exclusive, autoDelete, arguments: table };
  const method = 'queue.declare';
  return {
    kind: 'queue',
    name,
    method,
    subject: queue,
    isLockExpected: exclusive,
    run: async (channel) => {
      const reply = await channel.call(method, fields);
      if (isServerNamed) onNamed((reply.fields as MethodFields['queue.declare-ok']).queue);
    },
  };
}

function makeBinding(binding: BindingRecord): Declaration {
  const { kind, source, destination, routingKey, arguments: table } = binding;
  const common = { kind: 'binding', name: bindingName(binding), subject: binding } as const;
  if (kind === 'queue') {
    const fields = { queue: destination, exchange: source, routingKey, arguments: table };
    return { ...common, method: 'queue.bind', run: (channel) => channel.call('queue.bind', fields) };
  }
  const fields = { destination, source, routingKey, arguments: table };
  return { ...common, method: 'exchange.bind', run: (channel) => channel.call('exchange.bind', fields) };
}
