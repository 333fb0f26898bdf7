// leveret, from the build of this checkout.
// publish: basicPublish without confirms; false means the buffer is full, and drained() waits for room.
// confirm: the promise of publish() on a confirm channel.
// consume: a callback consumer, ack() for each delivery.
import { connect as connectToBroker } from '../../dist/esm/amqp/index.js';
import { allDelivered, slidingWindow } from '../flow.mjs';

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

    close: () => connection.close(),
  };
}
