/**
 * What a broker says no with: a reply code, RabbitMQ's words, and whether it ends the channel or the connection.
 *
 * Thrown by the store and by the handlers, before they changed anything; must not know how it reaches the client.
 */
import { replyCodes } from '../../amqp/protocol/index.js';

/** What an error ends: the channel it happened on, or the whole connection. */
export type ReplyScope = 'channel' | 'connection';

/** RabbitMQ's reply texts begin with the code's name. */
const codeNames = new Map<number, string>([
  [replyCodes.contentTooLarge, 'CONTENT_TOO_LARGE'],
  [replyCodes.connectionForced, 'CONNECTION_FORCED'],
  [replyCodes.invalidPath, 'INVALID_PATH'],
  [replyCodes.accessRefused, 'ACCESS_REFUSED'],
  [replyCodes.notFound, 'NOT_FOUND'],
  [replyCodes.resourceLocked, 'RESOURCE_LOCKED'],
  [replyCodes.preconditionFailed, 'PRECONDITION_FAILED'],
  [replyCodes.frameError, 'FRAME_ERROR'],
  [replyCodes.syntaxError, 'SYNTAX_ERROR'],
  [replyCodes.commandInvalid, 'COMMAND_INVALID'],
  [replyCodes.channelError, 'CHANNEL_ERROR'],
  [replyCodes.unexpectedFrame, 'UNEXPECTED_FRAME'],
  [replyCodes.resourceError, 'RESOURCE_ERROR'],
  [replyCodes.notAllowed, 'NOT_ALLOWED'],
  [replyCodes.notImplemented, 'NOT_IMPLEMENTED'],
  [replyCodes.internalError, 'INTERNAL_ERROR'],
]);

/** A refusal on its way to the client. */
export class ReplyError extends Error {
  constructor(
    readonly scope: ReplyScope,
    readonly replyCode: number,
    /** The whole text, as `NOT_FOUND - no queue 'x' in vhost '/'`. */
    readonly replyText: string,
  ) {
    super(replyText);
    this.name = 'ReplyError';
  }
}

type RefusalName = Exclude<keyof typeof replyCodes, 'success' | 'noRoute' | 'noConsumers'>;

/** A refusal that ends the channel. */
export function channelRefusal(name: RefusalName, text: string): ReplyError {
  return new ReplyError('channel', replyCodes[name], withName(replyCodes[name], text));
}

/** A refusal that ends the connection. */
export function connectionRefusal(name: RefusalName, text: string): ReplyError {
  return new ReplyError('connection', replyCodes[name], withName(replyCodes[name], text));
}

function withName(replyCode: number, text: string): string {
  return `${codeNames.get(replyCode) ?? String(replyCode)} - ${text}`;
}
