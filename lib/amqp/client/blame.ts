/** Whose fault a close was, as far as the broker says: it names the method that failed. */
import { ChannelClosedByBrokerError, ConnectionClosedByBrokerError, type AmqpError } from '../errors.js';
import { failedMethodName } from '../protocol/index.js';

/** True when the broker closed the connection because of this method. */
export function isBlamedOn(cause: AmqpError, method: string): boolean {
  if (!(cause instanceof ConnectionClosedByBrokerError)) return false;
  const { classId, methodId } = cause;
  return classId !== undefined && classId !== 0 && failedMethodName(classId, methodId ?? 0) === method;
}

/** True when somebody else hears of it: the caller of a synchronous method, or of a confirmed publish. */
export function isHeardByCaller(cause: AmqpError, isConfirming: boolean): boolean {
  if (!(cause instanceof ChannelClosedByBrokerError)) return false;
  const { classId, methodId } = cause;
  if (classId === undefined || classId === 0) return false;
  const name = failedMethodName(classId, methodId ?? 0);
  if (name === 'basic.publish') return isConfirming;
  return name !== 'basic.ack' && name !== 'basic.nack' && name !== 'basic.reject';
}
