/** Who hears of a channel that the broker closed, which names the method that failed. */
import { ChannelClosedByBrokerError, type AmqpError } from '../errors.js';
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
