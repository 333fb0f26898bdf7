/** Refusals on their way to the client: what was thrown becomes channel.close or connection.close. Pure. */
import { FrameSyntaxError, messageOf, UnexpectedFrameError } from '../../amqp/errors.js';
import { replyCodes, type MethodInputs } from '../../amqp/protocol/index.js';
import { connectionRefusal, ReplyError } from '../store/reply-error.js';

/** The fields of channel.close and connection.close that carry a refusal. */
export function closeFields(refusal: ReplyError, methodId: number): MethodInputs['connection.close'] {
  return {
    replyCode: refusal.replyCode,
    replyText: shortened(refusal.replyText),
    classId: methodId >>> 16,
    methodId: methodId & 0xffff,
  };
}

/** A reply text is a short string: 255 bytes at most. */
function shortened(text: string): string {
  const bytes = Buffer.from(text);
  return bytes.length <= 255 ? text : bytes.toString('utf8', 0, 252).replaceAll('\ufffd', '');
}

/** What the parser threw: nothing that follows can be read. */
export function framingRefusal(error: unknown): ReplyError {
  if (error instanceof ReplyError) return error;
  return connectionRefusal(error instanceof UnexpectedFrameError ? 'unexpectedFrame' : 'frameError', messageOf(error));
}

/** Anything that was thrown while a frame was handled, as a refusal. */
export function refusalOf(error: unknown): ReplyError {
  if (error instanceof ReplyError) return error;
  if (error instanceof FrameSyntaxError) return connectionRefusal('frameError', `cannot decode: ${error.message}`);
  if (error instanceof UnexpectedFrameError) return connectionRefusal('commandInvalid', error.message);
  return new ReplyError('connection', replyCodes.internalError, `INTERNAL_ERROR - ${messageOf(error)}`);
}
