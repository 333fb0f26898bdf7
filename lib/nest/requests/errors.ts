/** What can become of a request, beside the errors of the client itself. */
import { RpcException } from '@nestjs/microservices';
import { AmqpError, TimeoutError } from '../../amqp/index.js';

/**
 * The other side answered the request with an error. Nest passes an RpcException on as it is: a handler that lets this one
 * through answers its own caller with the same error. `getError()` is what the other side sent: for Nest mostly
 * `{ status, message }`, a string where it has no such handler.
 */
export class RemoteError extends RpcException {
  readonly pattern: string;

  constructor(pattern: string, error: unknown) {
    // Services that are not Nest's may send anything that is not falsy.
    super(error as string | object);
    this.name = new.target.name;
    this.message = `request "${pattern}" was answered with an error: ${describeRemote(error)}`;
    this.pattern = pattern;
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
