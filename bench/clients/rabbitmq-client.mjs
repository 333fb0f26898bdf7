// rabbitmq-client (https://github.com/cody-greene/node-rabbitmq-client), its Channel, as in its own benchmark.ts.
// Its documentation prefers Publisher and Consumer for their safety. They wrap this Channel: measured beside it they
// were no faster, and the Channel is the same level as what the other clients are measured at.
// publish: basicPublish() resolves once the message is in the socket's buffer; 100 of them are under way at a time
//          (one and 1,000 measured the same). It always sends a timestamp and a delivery mode with a message.
// confirm: confirmSelect(), and basicPublish() resolves at the broker's confirmation.
// consume: basicQos(), basicConsume() with a callback, basicAck() for each message.
import { Connection } from 'rabbitmq-client';
import { allDelivered, slidingWindow } from '../flow.mjs';

const writesUnderWay = 100;

export async function connect(url) {
  const connection = new Connection(url);
  await connection.onConnect();

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

    close: () => connection.close(),
  };
}
