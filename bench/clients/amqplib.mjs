// amqplib (https://amqp-node.github.io/amqplib/channel_api.html), its promise API.
// publish: publish() returns false when the channel's write buffer is full; its documentation says to wait for 'drain'.
//          The buffer keeps its default size and Nagle's algorithm its default state: neither a larger buffer nor
//          noDelay was faster.
// confirm: a ConfirmChannel and the callback of each publish. waitForConfirms() after each batch is the other way that
//          its documentation shows; it lets the wire run dry between batches.
// consume: prefetch(), a callback, and ack() for each message.
import amqplib from 'amqplib';
import { allDelivered, slidingWindow } from '../flow.mjs';

export async function connect(url) {
  const connection = await amqplib.connect(url);

  return {
    async publish({ messages, exchange, routingKey, body, properties, queue }) {
      const channel = await connection.createChannel();
      for (let sent = 0; sent < messages; sent++) {
        if (!channel.publish(exchange, routingKey, body, properties)) {
          await new Promise((resolve) => channel.once('drain', resolve));
        }
      }
      await channel.checkQueue(queue);
    },

    async confirm({ messages, inFlight, exchange, routingKey, body, properties }) {
      const channel = await connection.createConfirmChannel();
      await slidingWindow(messages, inFlight, (confirmed, failed) => {
        channel.publish(exchange, routingKey, body, properties, (error) => (error ? failed(error) : confirmed()));
      });
    },

    async consume({ prefetch, noAck, queue, ...expected }) {
      const channel = await connection.createChannel();
      await channel.prefetch(prefetch);
      await allDelivered(expected, (delivered) =>
        channel.consume(
          queue,
          (message) => {
            if (!noAck) channel.ack(message);
            delivered(message.content.length, message.properties.contentType);
          },
          { noAck },
        ),
      );
      await channel.checkQueue(queue);
    },

    close: () => connection.close(),
  };
}
