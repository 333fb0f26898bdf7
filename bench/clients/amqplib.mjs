// amqplib (https://amqp-node.github.io/amqplib/channel_api.html), its promise API.
// publish: publish() returns false when the channel's write buffer is full; its documentation says to wait for 'drain'.
//          The buffer keeps its default size: a larger one was no faster.
// confirm: a ConfirmChannel and the callback of each publish. waitForConfirms() after each batch is the other way that
//          its documentation shows; it lets the wire run dry between batches.
// consume: prefetch(), a callback, and ack() for each message.
// request: by hand, as in its documentation's tutorial: sendToQueue() with replyTo and correlationId.
// noDelay is set, an option of its documentation: small writes do not wait for each other.
import amqplib from 'amqplib';
import { Requests, allDelivered, replyQueue, slidingWindow } from '../flow.mjs';

export async function connect(url) {
  const connection = await amqplib.connect(url, { noDelay: true });

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

    async request({ queue, prefetch, body, properties, ...job }) {
      const [requester, responder] = [await connection.createChannel(), await connection.createChannel()];
      await responder.prefetch(prefetch);
      await responder.consume(queue, (request) => {
        const { replyTo, correlationId } = request.properties;
        responder.sendToQueue(replyTo, request.content, { correlationId });
        responder.ack(request);
      });
      const requests = new Requests(job);
      await requester.consume(replyQueue, (reply) => requests.answered(reply.properties.correlationId), {
        noAck: true,
      });
      const figures = await requests.run((correlationId) => {
        requester.sendToQueue(queue, body, { ...properties, replyTo: replyQueue, correlationId });
      });
      await responder.close();
      await requester.close();
      return figures;
    },

    async listen(queue, onBody) {
      const channel = await connection.createChannel();
      await channel.consume(queue, ({ content }) => onBody(content), { noAck: true });
    },

    async sender(queue, properties) {
      const channel = await connection.createChannel();
      return (body) => channel.sendToQueue(queue, body, properties);
    },

    close: () => connection.close(),
  };
}
