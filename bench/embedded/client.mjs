// The client of all measurements of brokers: leveret, as in ../clients/leveret.mjs, and requests by direct reply-to.
// request: a requester and a responder, each with a channel of its own on one connection.
import { connect as connectToBroker } from '../../dist/esm/amqp/index.js';
import { sessionOver } from '../clients/leveret.mjs';
import { slidingWindow } from '../flow.mjs';

export async function connect(url) {
  const connection = await connectToBroker(url);
  return {
    ...sessionOver(connection),

    async request({ messages, inFlight, queue, body, properties }) {
      const [requester, responder] = [await connection.openChannel(), await connection.openChannel({ prefetch: 250 })];
      await responder.basicConsume(queue, (request) => {
        const { replyTo, correlationId } = request.properties;
        responder.basicPublish('', replyTo, request.body, { correlationId });
        request.ack();
      });
      const pending = new Map();
      await requester.basicConsume(
        'amq.rabbitmq.reply-to',
        (reply) => {
          const { correlationId } = reply.properties;
          pending.get(correlationId)();
          pending.delete(correlationId);
        },
        { noAck: true },
      );
      let started = 0;
      await slidingWindow(messages, inFlight, (answered) => {
        const correlationId = String((started += 1));
        pending.set(correlationId, answered);
        requester.basicPublish('', queue, body, { ...properties, replyTo: 'amq.rabbitmq.reply-to', correlationId });
      });
      await responder.close();
      await requester.close();
    },
  };
}
