// Who is measured by recovery.mjs: each declares the same topology over as many channels, and can lose its connection.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import manager from 'amqp-connection-manager';
import { connect, connectTcp as connectTransport } from '../dist/esm/amqp/index.js';
import { ByteWriter, FrameParser, writeMethod } from '../dist/esm/amqp/protocol/index.js';

const prefetch = 10;

/** Looks at the broker, and tidies up. */
export async function openAdmin(url) {
  // Thousands of deletes take long.
  const connection = await connect({ url, methodTimeout: 300_000 });
  return {
    version: connection.serverProperties.version,
    clean: async ({ exchange, queues }) => {
      const channel = await connection.openChannel();
      await Promise.all(queues.map((queue) => channel.queueDelete(queue)));
      await channel.exchangeDelete(exchange);
      await channel.close();
    },
    close: () => connection.close(),
  };
}

/** From connection.open-ok of the new connection to `recovered`. */
export async function startLeveret(url, { exchange, queues, channels }) {
  let transport;
  const connection = await connect({
    url,
    recovery: { initialDelay: 1, maxDelay: 2 },
    transport: async (endpoint, setup) => (transport = await connectTransport(endpoint, setup)),
  });
  const open = await Promise.all(Array.from({ length: channels }, () => connection.openChannel({ prefetch })));
  await open[0].exchangeDeclare(exchange, 'topic');
  await Promise.all(queues.map((queue) => open[0].queueDeclare(queue)));
  await Promise.all(queues.map((queue) => open[0].queueBind(queue, exchange, queue)));
  await Promise.all(queues.map((queue, index) => open[index % channels].basicConsume(queue, () => undefined)));
  return {
    recover: async () => {
      let connectedAt = 0;
      const note = ({ error }) => {
        if (!error) connectedAt = performance.now();
      };
      subscribe('leveret:connect', note);
      const recovered = new Promise((resolve) => connection.once('recovered', resolve));
      transport.destroy();
      const { restored, broken } = await recovered;
      const took = performance.now() - connectedAt;
      unsubscribe('leveret:connect', note);
      if (broken.length > 0 || restored.consumers !== queues.length) throw new Error('leveret: not all came back');
      return took;
    },
    close: () => connection.close(),
  };
}

/** From its `connect` event until every channel's setup is through; each channel sets up its own share of queues. */
export async function startConnectionManager(url, { exchange, queues, channels }) {
  const connection = manager.connect([url], { reconnectTimeInSeconds: 0.05 });
  // Without a listener a cut would end this process.
  connection.on('disconnect', () => undefined).on('connectFailed', () => undefined);
  let consuming = 0;
  const wrappers = Array.from({ length: channels }, (_, at) => {
    const own = queues.filter((_queue, index) => index % channels === at);
    return connection.createChannel({
      setup: async (channel) => {
        await channel.prefetch(prefetch);
        await channel.assertExchange(exchange, 'topic');
        await Promise.all(
          own.map(async (queue) => {
            await channel.assertQueue(queue);
            await channel.bindQueue(queue, exchange, queue);
            await channel.consume(queue, () => undefined);
            consuming += 1;
          }),
        );
      },
    });
  });
  const whenAll = async () => {
    while (consuming < queues.length) await new Promise((resolve) => setTimeout(resolve, 0.5));
  };
  await whenAll();
  return {
    recover: async () => {
      consuming = 0;
      const connected = once(connection, 'connect');
      // Without an error amqplib would only notice by its heartbeat.
      connection.connection.connection.stream.destroy(new Error('cut'));
      await connected;
      const connectedAt = performance.now();
      await whenAll();
      return performance.now() - connectedAt;
    },
    close: async () => {
      for (const wrapper of wrappers) wrapper.removeAllListeners();
      await connection.close();
    },
  };
}

/**
 * The broker's own time: everything written ahead, no answer waited for but where a later call on another channel needs it.
 * Over one channel nothing is waited for before the consumers; over four, exchange, queues and bindings are three steps.
 */
export async function declareRaw(url, { exchange, queues, channels }, lanes) {
  const { hostname, port, username, password } = new URL(url);
  const socket = connectTcp({ host: hostname, port: Number(port || 5672) }).setNoDelay(true);
  await once(socket, 'connect');
  let expected = 0;
  let came = 0;
  let resolveAll = () => undefined;
  const ignore = () => undefined;
  const parser = new FrameParser(
    {
      onMethod: (_channel, methodId) => {
        // channel.close and connection.close: something of the above is wrong.
        if (methodId === 0x14_0028 || methodId === 0x0a_0032) socket.destroy(new Error('raw: refused by the broker'));
        if (++came === expected) resolveAll();
      },
      onHeader: ignore,
      onBody: ignore,
      onHeartbeat: ignore,
    },
    { frameMax: 0, headerFrameMax: 1_000_000 },
  );
  let failure;
  socket.on('data', (chunk) => parser.push(chunk));
  socket.on('error', (error) => {
    failure = error;
    resolveAll();
  });
  const writer = new ByteWriter();
  const add = (channel, name, fields) => writeMethod(writer, channel, name, fields, 0);
  /** Writes what was added, and waits for so many methods. */
  const answers = async (count) => {
    const all = new Promise((resolve) => (resolveAll = resolve));
    [expected, came] = [count, 0];
    for (const bytes of writer.take()) socket.write(bytes);
    await all;
    if (failure) throw failure;
  };
  socket.write('AMQP\0\0\x09\x01', 'latin1');
  await answers(1);
  add(0, 'connection.start-ok', {
    clientProperties: { capabilities: { consumer_cancel_notify: true } },
    mechanism: 'PLAIN',
    response: Buffer.from(`\0${decodeURIComponent(username)}\0${decodeURIComponent(password)}`),
    locale: 'en_US',
  });
  await answers(1);
  add(0, 'connection.tune-ok', { channelMax: 2047, frameMax: 131_072, heartbeat: 0 });
  add(0, 'connection.open', { virtualHost: '/' });
  await answers(1);

  const began = performance.now();
  const lane = (index) => 1 + (index % lanes);
  const consumerChannel = (index) => 100 + (index % channels);
  for (let at = 0; at < lanes; at++) add(lane(at), 'channel.open', {});
  for (let at = 0; at < channels; at++) add(consumerChannel(at), 'channel.open', {});
  add(1, 'exchange.declare', { exchange, type: 'topic', durable: true, arguments: {} });
  let due = lanes + channels + 1;
  const step = async (calls) => {
    if (lanes > 1) {
      await answers(due);
      due = 0;
    }
    calls();
    due += queues.length;
  };
  await step(() => {
    for (const [at, queue] of queues.entries()) add(lane(at), 'queue.declare', { queue, durable: true, arguments: {} });
  });
  await step(() => {
    for (const [at, queue] of queues.entries()) {
      add(lane(at), 'queue.bind', { queue, exchange, routingKey: queue, arguments: {} });
    }
  });
  await answers(due);
  for (let at = 0; at < channels; at++)
    add(consumerChannel(at), 'basic.qos', { prefetchSize: 0, prefetchCount: prefetch });
  for (const [at, queue] of queues.entries()) {
    add(consumerChannel(at), 'basic.consume', { queue, consumerTag: `raw-${at}`, arguments: {} });
  }
  await answers(channels + queues.length);
  const took = performance.now() - began;

  add(0, 'connection.close', { replyCode: 200, replyText: 'done', classId: 0, methodId: 0 });
  await answers(1);
  socket.destroy();
  return took;
}
