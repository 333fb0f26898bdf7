/** What can go wrong in the Nest layer, beside the errors of the client. None ever holds a credential or a payload. */
import type { LoggerService } from '@nestjs/common';
import { AmqpError, TimeoutError, type PlannedEntity } from '../amqp/index.js';

/**
 * The application asks for something impossible: an unknown option, two consumers that contradict each other, a queue
 * that is there with other arguments. Thrown by decorators, and at start, where it ends the start.
 */
export class ConfigurationError extends AmqpError {
  /** Who asks: `Orders.onOrder`, or the module with the name of its connection. */
  readonly where: string;

  constructor(where: string, problem: string, options: { cause?: unknown } = {}) {
    super(`${where}: ${problem}`, options);
    this.where = where;
  }
}

/** A decorator names a connection that no `AmqpModule` was configured for. */
export class UnknownConnectionError extends ConfigurationError {
  readonly connection: string;

  constructor(where: string, connection: string, known: readonly string[]) {
    super(where, `there is no connection "${connection}"; configured are ${listed(known)}`);
    this.connection = connection;
  }
}

/** ConsumerRegistry was asked for a consumer that nobody has. */
export class UnknownConsumerError extends ConfigurationError {
  readonly consumer: string;

  constructor(where: string, consumer: string, known: readonly string[]) {
    super(where, `there is no consumer "${consumer}"; there are ${listed(known)}`);
    this.consumer = consumer;
  }
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.map((name) => `"${name}"`).join(', ');
}

/** Exchanges or queues are on the broker otherwise than declared. Nothing was declared. */
export class TopologyConflictError extends ConfigurationError {
  /** What differs, and in which arguments. */
  readonly conflicts: readonly PlannedEntity[];

  constructor(where: string, problem: string, conflicts: readonly PlannedEntity[]) {
    super(where, problem);
    this.conflicts = conflicts;
  }
}

/** One message of a batch that was not confirmed. */
export interface PublishBatchFailure {
  /** Its place in the batch, from 0. */
  readonly index: number;
  readonly routingKey: string;
  /** What `publish` would have rejected with: UnroutableError, NackError, UnknownOutcomeError, NotSentError. */
  readonly error: unknown;
}

/** Some messages of a batch were not confirmed. All others were. */
export class PublishBatchError extends AmqpError {
  readonly failures: readonly PublishBatchFailure[];
  /** How many were confirmed. */
  readonly confirmed: number;

  constructor(failures: readonly PublishBatchFailure[], count: number) {
    const [first] = failures;
    const { name, message } = describeError(first?.error);
    super(
      `${String(failures.length)} of ${String(count)} messages were not confirmed; message ${String(first?.index)}, ` +
        `routing key "${String(first?.routingKey)}": ${name}: ${message}`,
      { cause: first?.error },
    );
    this.failures = failures;
    this.confirmed = count - failures.length;
  }
}

/** A message's body cannot be read as what it should be. Settled by the handler's policy; the handler never sees it. */
export class UnreadableBodyError extends AmqpError {
  constructor(problem: string, options: { cause?: unknown } = {}) {
    super(`the body cannot be read: ${problem}`, options);
  }
}

/** A compressed body becomes larger than `maxDecompressedSize`; no more than that was ever decompressed. */
export class BodyTooLargeError extends UnreadableBodyError {
  /** Bytes. */
  readonly limit: number;

  constructor(limit: number) {
    super(`decompressed it is larger than ${String(limit)} bytes (maxDecompressedSize)`);
    this.limit = limit;
  }
}

/** No handler stands for a message's pattern, or its routing key. Settled by policy. */
export class NoHandlerError extends AmqpError {
  /** The pattern, or the routing key. */
  readonly pattern: string;

  constructor(pattern: string) {
    super(`there is no handler for "${pattern}"`);
    this.pattern = pattern;
  }
}

/**
 * A handler took longer than its `timeout`, or held its message for almost as long as the broker allows (`consumerTimeout`).
 * Settled by its policy; what the handler does afterwards is ignored.
 */
export class HandlerTimeoutError extends TimeoutError {
  /** `Class.method`, or the pattern. */
  readonly handler: string;

  /** `limit`: milliseconds. `isOfBroker`: they are the broker's. */
  constructor(handler: string, limit: number, isOfBroker = false) {
    super(handler, limit);
    this.handler = handler;
    this.message = isOfBroker
      ? `${handler}: the message is not settled, and the broker allows ${String(limit)} ms from its delivery`
      : `${handler}: not done within ${String(limit)} ms`;
  }
}

/** What is to order a message (`ordered`) cannot be read from it. Settled by policy; the handler never sees it. */
export class OrderKeyError extends AmqpError {
  constructor(by: string, problem: string, options: { cause?: unknown } = {}) {
    super(`the message cannot be put in order by ${by}: ${problem}`, options);
  }
}

/** The reason of a context's `signal` when a handler outlived `drainTimeout`: its message went back to the queue. */
export class ShutdownError extends AmqpError {
  constructor(handler: string, limit: number) {
    super(`${handler}: not done within ${String(limit)} ms of the shutdown; its message went back to the queue`, {
      recoverable: true,
    });
  }
}

/**
 * What a person may read of anything that was thrown: name and message, at most `limit` characters. Never throws,
 * whatever was thrown: names and messages that are no strings, getters that throw, proxies.
 */
export function describeError(thrown: unknown, limit = 1_000): { name: string; message: string } {
  try {
    if (thrown instanceof Error) {
      // Few classes set the name; that of the class says more than `Error`.
      const name = thrown.name === 'Error' ? thrown.constructor.name : thrown.name;
      return {
        name: excerpt(textOf(name, 'Error'), 100),
        message: excerpt(textOf(thrown.message, 'no message'), limit),
      };
    }
    if (typeof thrown === 'object' && thrown !== null) {
      const { message } = thrown as { message?: unknown };
      return { name: 'object', message: excerpt(textOf(message, 'no message'), limit) };
    }
    return { name: typeof thrown, message: excerpt(String(thrown), limit) };
  } catch {
    return { name: typeof thrown, message: 'what was thrown cannot be described' };
  }
}

/** What was thrown, or an Error in its place where it cannot even be asked what it is (a revoked proxy). */
export function tamed(thrown: unknown): unknown {
  try {
    if (typeof thrown === 'object' && thrown !== null) Object.getPrototypeOf(thrown);
    return thrown;
  } catch {
    return new Error('what was thrown cannot be looked at');
  }
}

/**
 * The beginning of a text, which may come from anywhere: at most so many characters, and no half of one, which neither a
 * header nor a log could hold.
 */
export function excerpt(text: string, limit: number): string {
  return Buffer.from(text.slice(0, limit), 'utf8').toString('utf8');
}

/** The line, and the stack of what was thrown where it has one: Nest would print an undefined one. */
export function logError(logger: LoggerService, line: string, thrown: unknown): void {
  const stack = stackOf(thrown);
  if (stack === undefined) logger.error(line);
  else logger.error(line, stack);
}

/** An error's stack, not longer than a log bears. Never throws: stacks are made when they are read, and may fail then. */
function stackOf(thrown: unknown): string | undefined {
  try {
    return thrown instanceof Error && typeof thrown.stack === 'string' ? excerpt(thrown.stack, 10_000) : undefined;
  } catch {
    return undefined;
  }
}

function textOf(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}
