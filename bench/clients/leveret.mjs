// leveret, from the build of this checkout.
// publish: basicPublish without confirms; false means the buffer is full, and drained() waits for room.
// confirm: the promise of publish() on a confirm channel.
// consume: a callback consumer, ack() for each delivery.
// request: a requester and a responder, each with a channel of its own on one connection.
import { Requests, allDelivered, replyQueue, slidingWindow } from '../flow.mjs';

/** Another build where one is compared with ours: `worth/` says it. */
const build = process.env.LEVERET_BENCH_BUILD ?? new URL('../../dist/esm/', import.meta.url).href;
const { connect: connectToBroker } = await import(new URL('amqp/index.js', build).href);

export async function connect(url) {
  return sessionOver(await connectToBroker(url));
}

/** The same for every kind of connection: leveret-io-thread.mjs and leveret-shared.mjs use it too. */
export function sessionOver(connection) {
  return {
    async publish({ messages, exchange, routingKey, body, properties, queue }) {
      const channel = await connection.openChannel();
      for (let sent = 0; sent < messages; sent++) {
        if (!channel.basicPublish(exchange, routingKey, body, properties)) await channel.drained();
      }
      await channel.queueDeclare(queue, { passive: true });
    },

    async confirm({ messages, inFlight, exchange, routingKey, body, properties }) {
      const channel = await connection.openChannel({ confirm: true });
      await slidingWindow(messages, inFlight, (confirmed, failed) => {
        channel.publish(exchange, routingKey, body, properties).then(confirmed, failed);
      });
    },

    async consume({ prefetch, noAck, queue, ...expected }) {
      const channel = await connection.openChannel({ prefetch });
      await allDelivered(expected, (delivered) =>
        channel.basicConsume(
          queue,
          (delivery) => {
            if (!noAck) delivery.ack();
            delivered(delivery.body.length, delivery.properties.contentType);
          },
          { noAck },
        ),
      );
      await channel.queueDeclare(queue, { passive: true });
    },

    async request({ queue, prefetch, body, properties, ...job }) {
      const [requester, responder] = [await connection.openChannel(), await connection.openChannel({ prefetch })];
      await responder.basicConsume(queue, (request) => {
        const { replyTo, correlationId } = request.properties;
        responder.basicPublish('', replyTo, request.body, { correlationId });
        request.ack();
      });
      const requests = new Requests(job);
      await requester.basicConsume(replyQueue, (reply) => requests.answered(reply.properties.correlationId), {
        noAck: true,
      });
      const figures = await requests.run((correlationId) => {
        requester.basicPublish('', queue, body, { ...properties, replyTo: replyQueue, correlationId });
      });
      await responder.close();
      await requester.close();
      return figures;
    },

    async listen(queue, onBody) {
      const channel = await connection.openChannel();
      await channel.basicConsume(queue, ({ body }) => onBody(body), { noAck: true });
    },

    async sender(queue, properties) {
      const channel = await connection.openChannel();
      return (body) => channel.basicPublish('', queue, body, properties);
    },

    close: () => connection.close(),
  };
}
