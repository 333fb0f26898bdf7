/**
 * Nest's own transport closes its channel under handlers that still run. They cannot acknowledge any more, which is an
 * error in the log, and their messages come again. A reply that the broker has not confirmed becomes a rejection that
 * nobody handles, and Node ends a process over one. No message is lost by either; here they are counted. (AmqpServer
 * takes no more messages, waits for its handlers, and then closes.)
 */
import { isatty } from 'node:tty';
import { ConsoleLogger, Injectable } from '@nestjs/common';

@Injectable()
export class NestEndings extends ConsoleLogger {
  #handlers = 0;
  #replies = 0;

  constructor() {
    super({ logLevels: ['warn', 'error', 'fatal'], colors: isatty(1) });
    process.on('unhandledRejection', (reason) => {
      if (!isClosedChannel(reason)) throw reason;
      this.#replies += 1;
    });
  }

  /** Handlers that could not acknowledge. */
  get handlers(): number {
    return this.#handlers;
  }

  /** Replies whose fate nobody knows. */
  get replies(): number {
    return this.#replies;
  }

  override error(message: unknown, ...rest: unknown[]): void {
    if (isClosedChannel(message)) this.#handlers += 1;
    else super.error(message, ...rest);
  }
}

/** In the words of amqplib and amqp-connection-manager. */
function isClosedChannel(thrown: unknown): boolean {
  return thrown instanceof Error && /^Channel clos(ed|ing)$/.test(thrown.message);
}
