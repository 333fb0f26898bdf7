import { connect } from 'leveret/amqp';
import type { Broker } from './broker.js';
import { names } from './names.js';

/** Leaves nothing of this run on the broker. */
export async function deleteEverything({ url }: Broker): Promise<void> {
  const connection = await connect(url);
  try {
    const channel = await connection.openChannel();
    for (const queue of [names.orders, names.deadLetters, names.totals]) await channel.queueDelete(queue);
    for (const exchange of [names.shop, names.deadLetterExchange]) await channel.exchangeDelete(exchange);
  } finally {
    await connection.close();
  }
}
