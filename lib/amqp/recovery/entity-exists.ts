/** Whether a queue or exchange is there, asked without harm to any channel in use. */
import { ChannelLife } from '../channel/index.js';
import type { ConnectionLife } from '../connection/index.js';
import { ChannelClosedByBrokerError } from '../errors.js';
import { replyCodes } from '../protocol/index.js';

/** Asks by a passive declare on a channel of its own, which a 404 closes. Rejects with any other refusal. */
export async function entityExists(
  connection: ConnectionLife,
  kind: 'queue' | 'exchange',
  name: string,
): Promise<boolean> {
  const channel = await ChannelLife.open(connection);
  try {
    if (kind === 'queue') await channel.call('queue.declare', { queue: name, passive: true });
    else await channel.call('exchange.declare', { exchange: name, type: '', passive: true });
    await channel.close();
    return true;
  } catch (error) {
    if (error instanceof ChannelClosedByBrokerError && error.replyCode === replyCodes.notFound) return false;
    // 405: there, and exclusive to another connection.
    if (error instanceof ChannelClosedByBrokerError && error.replyCode === replyCodes.resourceLocked) return true;
    if (channel.isOpen) await channel.close();
    throw error;
  }
}
