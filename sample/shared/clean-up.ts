import { connect } from 'leveret/amqp';
import type { Broker } from './broker.js';

export interface Leftovers {
  readonly queues: readonly string[];
  readonly exchanges?: readonly string[];
}

/** Deletes what a sample has declared, so that nothing of a run stays on a broker. What is not there is no error. */
export async function deleteAll({ url }: Broker, { queues, exchanges = [] }: Leftovers): Promise<void> {
  const connection = await connect(url);
  try {
    const channel = await connection.openChannel();
    for (const queue of queues) await channel.queueDelete(queue);
    for (const exchange of exchanges) await channel.exchangeDelete(exchange);
  } finally {
    await connection.close();
  }
}
