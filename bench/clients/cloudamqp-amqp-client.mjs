// @cloudamqp/amqp-client (https://github.com/cloudamqp/amqp-client.js), its low-level API: AMQPClient and AMQPChannel.
// AMQPSession, which its documentation puts first, adds recovery above them and confirms every publish.
// It has no option for Nagle's algorithm.
// publish: basicPublish() resolves once the socket has taken the message; 100 of them are under way at a time, which
//          was faster than 1,000 and no slower than awaiting each (each holds a buffer of frame-max size from a pool).
// confirm: confirmSelect(), and basicPublish() resolves at the broker's confirmation.
// consume: prefetch(), a callback, ack() for each message without awaiting the write (awaiting it measured the same).
// request: by hand on channels; the RPC client of its session does the same with more promises.
import { AMQPClient } from '@cloudamqp/amqp-client';
import { Requests, allDelivered, replyQueue, slidingWindow } from '../flow.mjs';

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

    async request({ queue, prefetch, body, properties, ...job }) {
      const [requester, responder] = [await connection.channel(), await connection.channel()];
      await responder.prefetch(prefetch);
      await responder.basicConsume(queue, { noAck: false }, (request) => {
        const { replyTo, correlationId } = request.properties;
        void responder.basicPublish('', replyTo, request.body, { correlationId });
        void request.ack();
      });
      const requests = new Requests(job);
      await requester.basicConsume(replyQueue, { noAck: true }, (reply) =>
        requests.answered(reply.properties.correlationId),
      );
      const figures = await requests.run((correlationId, failed) => {
        requester.basicPublish('', queue, body, { ...properties, replyTo: replyQueue, correlationId }).catch(failed);
      });
      await responder.close();
      await requester.close();
      return figures;
    },

    async listen(queue, onBody) {
      const channel = await connection.channel();
      await channel.basicConsume(queue, { noAck: true }, ({ body }) => onBody(body));
    },

    async sender(queue, properties) {
      const channel = await connection.channel();
      return (body) => void channel.basicPublish('', queue, body, properties);
    },

    close: () => connection.close(),
  };
}
