/** What the end of a channel or connection says of those it concerns: the broker names the method that failed. */
import {
  ChannelClosedByBrokerError,
  ChannelClosedError,
  ConnectionClosedByBrokerError,
  ConnectionClosedError,
  type AmqpError,
} from '../errors.js';
import { failedMethodName } from '../protocol/index.js';

/** True when somebody else hears of it: the caller of a synchronous method, or of a confirmed publish. */
export function isHeardByCaller(cause: AmqpError, isConfirming: boolean): boolean {
  if (!(cause instanceof ChannelClosedByBrokerError)) return false;
  const { classId, methodId } = cause;
  if (classId === undefined || classId === 0) return false;
  const name = failedMethodName(classId, methodId ?? 0);
  if (name === 'basic.publish') return isConfirming;
  return name !== 'basic.ack' && name !== 'basic.nack' && name !== 'basic.reject';
}

/** True when a life ended for a reason that has nothing to do with the method, and another may follow. */
export function isUnrelated(cause: unknown, method: string): boolean {
  if (cause instanceof ConnectionClosedError || cause instanceof ChannelClosedError) return false;
  const isByBroker = cause instanceof ConnectionClosedByBrokerError || cause instanceof ChannelClosedByBrokerError;
  if (!isByBroker || cause.classId === undefined || cause.classId === 0) return true;
  return failedMethodName(cause.classId, cause.methodId ?? 0) !== method;
}

/** Whether the broker says that it is about this queue: it names it in all that it says over a basic.consume. */
export function isNamedIn(cause: AmqpError, queue: string): boolean {
  return cause instanceof ChannelClosedByBrokerError && cause.replyText.includes(`queue '${queue}' in vhost`);
}
