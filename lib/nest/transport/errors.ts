/** What can go wrong in the transport, beside the errors of the client itself. */
import { AmqpError, TimeoutError } from '../../amqp/index.js';
import { ConfigurationError } from '../errors.js';

/** Two request handlers (`@MessagePattern`) stand for one pattern: nobody could say which one replies. */
export class DuplicateHandlerError extends ConfigurationError {
  readonly pattern: string;

  constructor(pattern: string) {
    super('AmqpServer', `two @MessagePattern handlers for "${pattern}": only one of them could reply`);
    this.pattern = pattern;
  }
}

/** The other side answered the request with an error. */
export class RemoteError extends AmqpError {
  readonly pattern: string;
  /** What the other side sent: for Nest mostly `{ status, message }`, or a string. */
  readonly error: unknown;

  constructor(pattern: string, error: unknown) {
    super(`request "${pattern}" was answered with an error: ${describeRemote(error)}`);
    this.pattern = pattern;
    this.error = error;
  }
}

/** No queue took the request: its queue, exchange or binding is missing. Nobody has seen it. */
export class NoReceiverError extends AmqpError {
  readonly pattern: string;

  constructor(pattern: string, destination: string, cause: unknown) {
    super(`request "${pattern}": nobody receives it at ${destination}`, { cause, recoverable: true });
    this.pattern = pattern;
  }
}

/** The reply to a request did not come in time; it may have been carried out all the same. `limit` in milliseconds. */
export class RequestTimeoutError extends TimeoutError {
  readonly pattern: string;

  constructor(pattern: string, limit: number) {
    super(`request "${pattern}"`, limit);
    this.pattern = pattern;
  }
}

function describeRemote(error: unknown): string {
  if (typeof error === 'string') return error;
  if (typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string') {
    return error.message;
  }
  // It came as JSON.
  return JSON.stringify(error);
}
