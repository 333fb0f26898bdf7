// leveret with much of something: channels, connections, queues, fields. A session as in ../clients/index.mjs, whose methods
// resolve with the CPU time of what they set up, in microseconds for each, and of each message after that.
import { connect as connectToBroker } from '../../dist/esm/amqp/index.js';
import { sessionOver } from '../clients/leveret.mjs';
import { slidingWindow } from '../flow.mjs';

/** As many are opened at a time. */
const opening = 10;

export async function connect(url) {
  const connection = await connectToBroker(url);

  /** Confirmed publishes over the channels, in turns. */
  const publishOver = (channels, { messages, inFlight, exchange, routingKey, body, properties }) => {
    let next = 0;
    return slidingWindow(messages, inFlight, (confirmed, failed) => {
      const channel = channels[next];
      next = next + 1 === channels.length ? 0 : next + 1;
      channel.publish(exchange, routingKey, body, properties).then(confirmed, failed);
    });
  };

  return {
    ...sessionOver(connection),

    async channels({ count, ...job }) {
      const channels = [];
      const setup = await cpuOf(count, () =>
        slidingWindow(count, opening, (done, failed) => {
          connection.openChannel({ confirm: true }).then((channel) => done(channels.push(channel)), failed);
        }),
      );
      const message = await cpuOf(job.messages, () => publishOver(channels, job));
      for (const channel of channels) await channel.close();
      return { setup, message };
    },

    async connections({ count, ...job }) {
      const connections = [];
      const channels = [];
      const setup = await cpuOf(count, () =>
        slidingWindow(count, opening, (done, failed) => {
          openOne().then(done, failed);
        }),
      );
      const message = await cpuOf(job.messages, () => publishOver(channels, job));
      await Promise.all(connections.map((one) => one.close()));
      return { setup, message };

      async function openOne() {
        const one = await connectToBroker(url);
        connections.push(one);
        channels.push(await one.openChannel({ confirm: true }));
      }
    },

    async queues({ count, messages, queue, body, properties }) {
      const channels = await Promise.all(Array.from({ length: Math.min(count, 10) }, () => connection.openChannel()));
      const names = Array.from({ length: count }, (_, index) => `${queue}.${index}`);
      let onDelivery;
      let started = 0;
      const setup = await cpuOf(count, () =>
        slidingWindow(count, opening, (done, failed) => {
          const index = started++;
          consumeFrom(names[index], channels[index % channels.length]).then(done, failed);
        }),
      );
      let sent = 0;
      const message = await cpuOf(messages, () =>
        slidingWindow(messages, 100, (done) => {
          onDelivery = done;
          channels[0].basicPublish('', names[sent++ % count], body, properties);
        }),
      );
      // They are exclusive: the broker deletes them with the connection.
      return { setup, message };

      async function consumeFrom(name, channel) {
        await channel.queueDeclare(name, { exclusive: true, durable: false });
        await channel.basicConsume(name, (delivery) => {
          delivery.ack();
          onDelivery();
        });
      }
    },

    async consumeHeaders({ prefetch, messages, queue }) {
      const channel = await connection.openChannel({ prefetch });
      await new Promise((resolve, reject) => {
        let count = 0;
        const consuming = channel.basicConsume(queue, (delivery) => {
          if (delivery.properties.headers === null) reject(new Error('headers'));
          delivery.ack();
          if (++count === messages) resolve();
        });
        consuming.catch(reject);
      });
      await channel.queueDeclare(queue, { passive: true });
    },
  };
}

/** CPU microseconds of this process for each of so many. */
export async function cpuOf(count, work) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}
