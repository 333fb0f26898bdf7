// rabbitmq-client (https://github.com/cody-greene/node-rabbitmq-client), its Channel, as in its own benchmark.ts.
// Its documentation prefers Publisher and Consumer for their safety. They wrap this Channel: measured beside it they
// were no faster, and the Channel is the same level as what the other clients are measured at.
// publish: basicPublish() resolves once the message is in the socket's buffer; 100 of them are under way at a time
//          (one and 1,000 measured the same). It always sends a timestamp and a delivery mode with a message.
// confirm: confirmSelect(), and basicPublish() resolves at the broker's confirmation.
// consume: basicQos(), basicConsume() with a callback, basicAck() for each message.
// noDelay is set, an option of its documentation: small writes do not wait for each other.
// request: by hand on channels; its RPCClient is the same with a timer for each request.
import { Connection } from 'rabbitmq-client';
import { Requests, allDelivered, replyQueue, slidingWindow } from '../flow.mjs';

const writesUnderWay = 100;

export async function connect(url) {
  const connection = new Connection({ url, noDelay: true });
  await connection.onConnect();

  let listening;
  let sending;

  const publishAll = (channel, messages, inFlight, { exchange, routingKey, body, properties }) => {
    const envelope = { exchange, routingKey, ...properties };
    return slidingWindow(messages, inFlight, (done, failed) => {
      channel.basicPublish(envelope, body).then(done, failed);
    });
  };

  return {
    async publish({ messages, queue, ...message }) {
      const channel = await connection.acquire();
      await publishAll(channel, messages, writesUnderWay, message);
      await channel.queueDeclare({ queue, passive: true });
      await channel.close(); // close() of the connection waits for each acquired channel
    },

    async confirm({ messages, inFlight, ...message }) {
      const channel = await connection.acquire();
      await channel.confirmSelect();
      await publishAll(channel, messages, inFlight, message);
      await channel.close();
    },

    async consume({ prefetch, noAck, queue, ...expected }) {
      const channel = await connection.acquire();
      await channel.basicQos({ prefetchCount: prefetch });
      await allDelivered(expected, (delivered) =>
        channel.basicConsume({ queue, noAck }, (message) => {
          if (!noAck) channel.basicAck({ deliveryTag: message.deliveryTag });
          delivered(message.body.length, message.contentType);
        }),
      );
      await channel.queueDeclare({ queue, passive: true });
      await channel.close();
    },

    async request({ queue, prefetch, body, properties, ...job }) {
      const [requester, responder] = [await connection.acquire(), await connection.acquire()];
      await responder.basicQos({ prefetchCount: prefetch });
      await responder.basicConsume({ queue }, ({ replyTo, correlationId, deliveryTag, body: answer }) => {
        void responder.basicPublish({ routingKey: replyTo, correlationId }, answer);
        responder.basicAck({ deliveryTag });
      });
      const requests = new Requests(job);
      await requester.basicConsume({ queue: replyQueue, noAck: true }, (reply) =>
        requests.answered(reply.correlationId),
      );
      const figures = await requests.run((correlationId, failed) => {
        requester
          .basicPublish({ routingKey: queue, ...properties, replyTo: replyQueue, correlationId }, body)
          .catch(failed);
      });
      await responder.close();
      await requester.close();
      return figures;
    },

    async listen(queue, onBody) {
      listening = await connection.acquire();
      await listening.basicConsume({ queue, noAck: true }, ({ body }) => onBody(body));
    },

    async sender(queue, properties) {
      sending = await connection.acquire();
      const envelope = { routingKey: queue, ...properties };
      return (body) => void sending.basicPublish(envelope, body);
    },

    async close() {
      await listening?.close();
      await sending?.close();
      await connection.close();
    },
  };
}
