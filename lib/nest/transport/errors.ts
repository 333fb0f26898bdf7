/** What can go wrong in the transport, beside the errors of the client itself. */
import { ConfigurationError } from '../errors.js';

/** Two request handlers (`@MessagePattern`) stand for one pattern: nobody could say which one replies. */
export class DuplicateHandlerError extends ConfigurationError {
  readonly pattern: string;

  constructor(pattern: string) {
    super('AmqpServer', `two @MessagePattern handlers for "${pattern}": only one of them could reply`);
    this.pattern = pattern;
  }
}
