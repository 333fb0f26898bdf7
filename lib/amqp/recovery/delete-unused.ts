/** Deletes queues that nobody consumes from, each on a channel of its own: a refusal must cost nobody anything. */
import { ChannelLife } from '../channel/index.js';
import type { ConnectionLife } from '../connection/index.js';

/** queue.delete with `if-unused`. What is consumed from, or gone, stays as it is. Never rejects. */
export async function deleteUnusedQueues(connection: ConnectionLife, names: readonly string[]): Promise<void> {
  for (const queue of names) {
    try {
      const channel = await ChannelLife.open(connection);
      await channel.call('queue.delete', { queue, ifUnused: true });
      await channel.close();
    } catch {
      // In use (406), gone (404), or the connection ended, and with it whatever made it ours.
    }
  }
}
