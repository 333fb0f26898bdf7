/** What the end of a connection is called, by how it came. */
import {
  AccessRefusedError,
  AuthenticationError,
  ConnectionClosedByBrokerError,
  ConnectionLostError,
  FrameError,
  FrameSyntaxError,
  TlsError,
  UnexpectedFrameError,
  type BrokerReply,
  type ConnectionError,
} from '../errors.js';
import { failedMethodName, replyCodes } from '../protocol/index.js';

/** The broker sent connection.close; `step` is what the handshake waited for, undefined when it was over. */
export function closedByBroker(reply: BrokerReply, step: string | undefined, virtualHost: string): ConnectionError {
  const refusal = step === undefined ? undefined : refusalAt(step, virtualHost, reply);
  if (refusal) return refusal;
  const failed = failedMethodName(reply.classId, reply.methodId);
  return new ConnectionClosedByBrokerError(
    failed === undefined ? reply : { ...reply, replyText: `${reply.replyText} (${failed})` },
  );
}

/** What a connection.close in the middle of the handshake means; undefined where it has no meaning of its own. */
function refusalAt(step: string, virtualHost: string, reply: BrokerReply): ConnectionError | undefined {
  const text = `${String(reply.replyCode)} ${reply.replyText}`;
  if (step === 'connection.tune' && reply.replyCode === replyCodes.accessRefused) {
    return new AuthenticationError(`the broker refused the login: ${text}`, { reply });
  }
  if (step === 'connection.open') {
    return new AccessRefusedError(`the broker refused virtual host "${virtualHost}": ${text}`, { reply });
  }
  return undefined;
}

/** The stream ended without a goodbye; `step` as above. */
export function lost(description: string, step: string | undefined, error: Error | undefined): ConnectionError {
  // With TLS 1.3 a broker refuses a client certificate only when ours are long under way.
  if (step !== undefined && error instanceof TlsError) return error;
  const where = step === undefined ? '' : ` during the handshake, while waiting for ${step}`;
  return new ConnectionLostError(
    `the connection to ${description} was lost${where}${error ? `: ${error.message}` : ''}`,
    error ? { cause: error } : {},
  );
}

/** What the broker is told that it did wrong. */
export function replyCodeFor(error: Error): number {
  if (error instanceof FrameSyntaxError) return replyCodes.syntaxError;
  if (error instanceof FrameError) return replyCodes.frameError;
  if (error instanceof UnexpectedFrameError) return replyCodes.unexpectedFrame;
  return replyCodes.internalError;
}
