// What is measured of leveret's memory. Each part runs alone in a process, on an embedded broker in another one.
import { setTimeout as pause } from 'node:timers/promises';
import { NotSentError, connect, publishBufferDefaults } from '../../dist/esm/amqp/index.js';
import { slidingWindow } from '../flow.mjs';
import { held, heldForEach } from './held.mjs';

const properties = { contentType: 'application/octet-stream' };

/** Calls `make` so many times, a few at a time, and keeps what it gives. */
async function many(count, make) {
  const made = [];
  await slidingWindow(count, 20, (done, failed) => {
    make(made.length).then((one) => done(made.push(one)), failed);
  });
  return made;
}

async function fill(channel, queue, messages, size) {
  const body = Buffer.alloc(size, 'x');
  await slidingWindow(messages, 500, (done, failed) => {
    channel.publish('', queue, body, properties).then(done, failed);
  });
}

export const parts = {
  async connections({ url, count }) {
    return { count, bytes: await heldForEach(count, (number) => many(number, () => connect(url))) };
  },

  async channels({ url, count }) {
    const connection = await connect(url);
    return { count, bytes: await heldForEach(count, (number) => many(number, () => connection.openChannel())) };
  },

  async consumers({ url, count, queue }) {
    const connection = await connect(url);
    const channel = await connection.openChannel();
    await channel.queueDeclare(queue, { exclusive: true, durable: false });
    const start = () => channel.basicConsume(queue, () => {});
    return { count, bytes: await heldForEach(count, (number) => many(number, start)) };
  },

  /** The broker confirms none of them. The caller's promise is counted, its body is one for all. */
  async 'in-flight publishes'({ url, count, queue }) {
    const channel = await (await connect(url)).openChannel({ confirm: true });
    const body = Buffer.alloc(256, 'x');
    const publish = async (number) => {
      const promises = Array.from({ length: number }, () => channel.publish('amq.direct', queue, body, properties));
      // Until the socket has them.
      await pause(200);
      return promises;
    };
    return { count, bytes: await heldForEach(count, publish) };
  },

  /** A small body, or a delivery, that is kept for long, out of a stream of others that are not. */
  async 'kept bodies'({ url, queue, messages, size, every }) {
    return kept({ url, queue, messages, size, every }, ({ body }) => body);
  },

  async 'kept deliveries'({ url, queue, messages, size, every }) {
    return kept({ url, queue, messages, size, every }, (delivery) => delivery);
  },

  /** Through a queue and out of it, confirmed and acknowledged, looking at the heap now and then. */
  async heap({ url, queue, messages, samples }) {
    const connection = await connect(url);
    const publisher = await connection.openChannel({ confirm: true });
    const consumer = await connection.openChannel({ prefetch: 250 });
    await publisher.queueDeclare(queue, { exclusive: true, durable: false });
    let delivered = 0;
    let onDelivery = () => {};
    await consumer.basicConsume(queue, (delivery) => {
      delivery.ack();
      delivered += 1;
      onDelivery();
    });
    const body = Buffer.alloc(256, 'x');
    const each = Math.ceil(messages / samples);
    const found = [];
    for (let sample = 0; sample <= samples; sample++) {
      const until = delivered + each;
      const all = new Promise((resolve) => {
        onDelivery = () => delivered === until && resolve();
      });
      await slidingWindow(each, 1000, (done, failed) => {
        publisher.publish('', queue, body, { ...properties, headers: { number: delivered } }).then(done, failed);
      });
      await all;
      found.push({ messages: delivered, bytes: await held() });
    }
    return { samples: found };
  },

  /** A handler that takes its time: no more than the prefetch is held, however full the queue is. */
  async 'slow consumer'({ url, queue, messages, size, prefetch }) {
    const connection = await connect(url);
    const channel = await connection.openChannel({ confirm: true });
    await channel.queueDeclare(queue, { exclusive: true, durable: false });
    await fill(channel, queue, messages, size);
    const before = await held();
    const waiting = [];
    let most = 0;
    await channel.basicConsume(queue, (delivery) => waiting.push(delivery), { prefetch });
    for (let settled = 0; settled < messages / 4; settled += 10) {
      await pause(2);
      most = Math.max(most, waiting.length);
      for (const delivery of waiting.splice(0, 10)) delivery.ack();
    }
    await pause(200);
    return { bytes: (await held()) - before, most, bound: prefetch * size };
  },

  /** Publishing goes on while the broker takes nothing: what waits is bounded, the rest is told that it was not sent. */
  async 'blocked broker'({ url, queue, messages, size }) {
    const connection = await connect(url);
    const blocked = new Promise((resolve) => connection.once('blocked', resolve));
    const channel = await connection.openChannel({ confirm: true });
    channel.publish('amq.direct', queue, 'blocks', properties).catch(() => {});
    await blocked;
    const before = await held();
    let refused = 0;
    for (let sent = 0; sent < messages; sent++) {
      channel.publish('amq.direct', queue, Buffer.alloc(size, 'x'), properties).catch((error) => {
        if (!(error instanceof NotSentError)) throw error;
        refused += 1;
      });
    }
    const bytes = (await held()) - before;
    const { messages: most, bytes: mostBytes } = publishBufferDefaults;
    return { bytes, waiting: messages - refused, refused, bound: Math.min(mostBytes, most * size) };
  },
};

async function kept({ url, queue, messages, size, every }, keptOf) {
  const connection = await connect(url);
  const channel = await connection.openChannel({ confirm: true });
  await channel.queueDeclare(queue, { exclusive: true, durable: false });
  const pass = async (isKeeping) => {
    const found = [];
    await fill(channel, queue, messages, size);
    let count = 0;
    let onAll;
    const all = new Promise((resolve) => (onAll = resolve));
    const consumer = await channel.basicConsume(
      queue,
      (delivery) => {
        if (isKeeping && count % every === 0) found.push(keptOf(delivery));
        if (++count === messages) onAll();
      },
      { noAck: true },
    );
    await all;
    await consumer.cancel();
    return found;
  };
  await pass(false);
  const before = await held();
  const found = await pass(true);
  const bytes = ((await held()) - before) / found.length;
  return { count: found.length, size, bytes };
}
