// @cloudamqp/amqp-client (https://github.com/cloudamqp/amqp-client.js), its low-level API: AMQPClient and AMQPChannel.
// AMQPSession, which its documentation puts first, adds recovery above them and confirms every publish.
// publish: basicPublish() resolves once the socket has taken the message; 100 of them are under way at a time, which
//          was faster than 1,000 and no slower than awaiting each (each holds a buffer of frame-max size from a pool).
// confirm: confirmSelect(), and basicPublish() resolves at the broker's confirmation.
// consume: prefetch(), a callback, ack() for each message without awaiting the write (awaiting it measured the same).
import { AMQPClient } from '@cloudamqp/amqp-client';
import { allDelivered, slidingWindow } from '../flow.mjs';

const writesUnderWay = 100;

export async function connect(url) {
  const connection = await new AMQPClient(url).connect();

  const publishAll = (channel, messages, inFlight, { exchange, routingKey, body, properties }) =>
    slidingWindow(messages, inFlight, (done, failed) => {
      channel.basicPublish(exchange, routingKey, body, properties).then(done, failed);
    });

  return {
    async publish({ messages, queue, ...message }) {
      const channel = await connection.channel();
      await publishAll(channel, messages, writesUnderWay, message);
      await channel.queueDeclare(queue, { passive: true });
    },

    async confirm({ messages, inFlight, ...message }) {
      const channel = await connection.channel();
      await channel.confirmSelect();
      await publishAll(channel, messages, inFlight, message);
    },

    async consume({ prefetch, noAck, queue, ...expected }) {
      const channel = await connection.channel();
      await channel.prefetch(prefetch);
      await allDelivered(expected, (delivered) =>
        channel.basicConsume(queue, { noAck }, (message) => {
          if (!noAck) void message.ack();
          delivered(message.body.length, message.properties.contentType);
        }),
      );
      await channel.queueDeclare(queue, { passive: true });
    },

    close: () => connection.close(),
  };
}
