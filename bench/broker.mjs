// The neutral party: declares, fills, counts and deletes queues for all clients alike, from the runner's process, so
// that none of it is in a measurement. It uses amqplib because some client has to do it.
import amqplib from 'amqplib';

const connectTimeout = 10_000;
const unconfirmedLimit = 5_000;

export async function openBroker(url) {
  const connection = await amqplib.connect(url, { timeout: connectTimeout });
  const channel = await connection.createConfirmChannel();
  let failure;
  for (const emitter of [connection, channel]) emitter.on('error', (error) => (failure ??= error));
  const { product, version } = connection.connection.serverProperties;

  return {
    product,
    version,

    /** A durable classic queue; the broker deletes it ten minutes after it was last used, should we not come to it. */
    async declareQueue(queue) {
      await channel.assertQueue(queue, {
        durable: true,
        arguments: { 'x-queue-type': 'classic', 'x-expires': 600_000 },
      });
    },

    async bindQueue(queue, exchange, routingKey) {
      await channel.bindQueue(queue, exchange, routingKey);
    },

    async fillQueue(queue, messages, body, properties) {
      for (let sent = 1; sent <= messages; sent++) {
        channel.sendToQueue(queue, body, properties);
        if (sent % unconfirmedLimit === 0) await channel.waitForConfirms();
      }
      await channel.waitForConfirms();
    },

    async messageCount(queue) {
      return (await channel.checkQueue(queue)).messageCount;
    },

    async deleteQueue(queue) {
      if (!failure) await channel.deleteQueue(queue);
    },

    async close() {
      if (!failure) await connection.close();
    },
  };
}
