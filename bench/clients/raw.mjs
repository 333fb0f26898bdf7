// The floor: no client, a program that moves the same bytes. It writes frames that were encoded beforehand, and reads what
// the broker sends with a parser that looks at the frame's head and counts. What a client costs above it is its own.
//
// publish: 1,000 messages a write, as the socket takes them.
// confirm: at most `inFlight` unconfirmed; of a basic.ack only the tag and `multiple` are read.
// consume: for each delivery its own basic.ack, all acks of a chunk in one write.
//          With `noAck` it counts.
// request: all requests and replies are the same bytes; replies are taken to come in the order of the requests.
import { connect as connectSocket } from 'node:net';
import { once } from 'node:events';
import { Latencies, replyQueue } from '../flow.mjs';
import { long, longText, method, octet, publishFrames, replyToOf, short, shortText } from './raw-frames.mjs';
import { FrameReader, methods } from './raw-reader.mjs';

export async function connect(url) {
  const { hostname, port, username, password, pathname } = new URL(url);
  const socket = connectSocket({ host: hostname, port: Number(port || 5672), noDelay: true });
  const reader = new FrameReader(socket);
  await once(socket, 'connect');
  socket.write(Buffer.from('AMQP\0\0\x09\x01', 'latin1'));
  await reader.next(methods.start);
  const login = `\0${decodeURIComponent(username)}\0${decodeURIComponent(password)}`;
  socket.write(method(0, 0x000a000b, [long(0), shortText('PLAIN'), longText(login), shortText('en_US')]));
  const tune = await reader.next(methods.tune);
  const frameMax = tune.readUInt32BE(2) || 131_072;
  socket.write(method(0, 0x000a001f, [short(tune.readUInt16BE(0)), long(frameMax), short(0)]));
  const virtualHost = pathname.length > 1 ? decodeURIComponent(pathname.slice(1)) : '/';
  socket.write(method(0, 0x000a0028, [shortText(virtualHost), shortText(''), octet(0)]));
  await reader.next(methods.openOk);
  let channels = 0;

  const ask = async (channel, id, parts, answer) => {
    socket.write(method(channel, id, parts));
    return reader.next(answer);
  };
  const openChannel = async () => {
    const channel = ++channels;
    await ask(channel, 0x0014000a, [shortText('')], methods.channelOpenOk);
    return channel;
  };
  const awaitBroker = (channel, queue) =>
    ask(channel, 0x0032000a, [short(0), shortText(queue), octet(1), long(0)], methods.declareOk);
  const limit = (channel, prefetch) => ask(channel, 0x003c000a, [long(0), short(prefetch), octet(0)], methods.qosOk);
  const consumeMethod = (channel, queue, noAck) =>
    method(channel, 0x003c0014, [short(0), shortText(queue), shortText(''), octet(noAck ? 2 : 0), long(0)]);
  const startConsumer = async (channel, queue, noAck) => {
    socket.write(consumeMethod(channel, queue, noAck));
    await reader.next(methods.consumeOk);
  };

  return {
    async publish({ messages, queue, ...message }) {
      const channel = await openChannel();
      const one = publishFrames(channel, message, frameMax);
      const thousand = Buffer.concat(Array.from({ length: 1_000 }, () => one));
      for (let sent = 0; sent < messages; sent += 1_000) {
        const count = Math.min(1_000, messages - sent);
        if (!socket.write(thousand.subarray(0, count * one.length))) await once(socket, 'drain');
      }
      await awaitBroker(channel, queue);
    },

    async confirm({ messages, inFlight, ...message }) {
      const channel = await openChannel();
      await ask(channel, 0x0055000a, [octet(0)], methods.selectOk);
      const one = publishFrames(channel, message, frameMax);
      const window = Buffer.concat(Array.from({ length: inFlight }, () => one));
      let sent = 0;
      let confirmed = 0;
      await new Promise((resolve) => {
        const fill = () => {
          const count = Math.min(messages - sent, inFlight - (sent - confirmed));
          if (count > 0) socket.write(window.subarray(0, count * one.length));
          sent += count;
        };
        reader.onAck = (tag) => {
          confirmed = tag;
        };
        reader.onChunkEnd = () => {
          if (confirmed === messages) resolve();
          else fill();
        };
        fill();
      });
      reader.stop();
    },

    async consume({ messages, prefetch, noAck, queue }) {
      const channel = await openChannel();
      if (!noAck) await limit(channel, prefetch);
      let count = 0;
      let acks = [];
      const all = new Promise((resolve) => {
        reader.onDeliver = (tag) => {
          count += 1;
          if (!noAck) acks.push(ackOf(channel, tag));
        };
        reader.onChunkEnd = () => {
          if (acks.length > 0) socket.write(Buffer.concat(acks));
          acks = [];
          if (count === messages) resolve();
        };
      });
      socket.write(consumeMethod(channel, queue, noAck));
      await all;
      reader.stop();
      await awaitBroker(channel, queue);
    },

    async request({ messages, inFlight, prefetch, queue, body, properties }) {
      const [requester, responder] = [await openChannel(), await openChannel()];
      await limit(responder, prefetch);
      await startConsumer(responder, queue, false);
      await startConsumer(requester, replyQueue, true);
      const request = publishFrames(
        requester,
        {
          exchange: '',
          routingKey: queue,
          body,
          properties: { ...properties, correlationId: '1', replyTo: replyQueue },
        },
        frameMax,
      );
      let reply;
      let isRequest = false;
      let parts = [];
      const latencies = new Latencies(messages);
      const begins = new Float64Array(messages);
      let started = 0;
      let answered = 0;
      await new Promise((resolve) => {
        const start = () => {
          for (; started < messages && started - answered < inFlight; started += 1) {
            begins[started] = performance.now();
            parts.push(request);
          }
        };
        reader.onDeliver = (tag, channel) => {
          isRequest = channel === responder;
          if (isRequest) {
            if (reply !== undefined) parts.push(reply);
            parts.push(ackOf(responder, tag));
          } else {
            latencies.add(performance.now() - begins[answered]);
            answered += 1;
          }
        };
        reader.onHeader = (bytes, start) => {
          if (!isRequest || reply !== undefined) return;
          const routingKey = replyToOf(bytes, start);
          reply = publishFrames(
            responder,
            { exchange: '', routingKey, body, properties: { correlationId: '1' } },
            frameMax,
          );
          parts.push(reply);
        };
        reader.onChunkEnd = () => {
          start();
          if (parts.length > 0) socket.write(Buffer.concat(parts));
          parts = [];
          if (answered === messages) resolve();
        };
        reader.onChunkEnd();
      });
      reader.stop();
      for (const channel of [responder, requester]) {
        await ask(channel, 0x00140028, [short(200), shortText(''), short(0), short(0)], methods.channelCloseOk);
      }
      return latencies.percentiles();
    },

    async listen(queue, onBody) {
      reader.onBody = (bytes, start, end) => onBody(bytes.subarray(start, end));
      await startConsumer(await openChannel(), queue, true);
    },

    async sender(queue, properties) {
      const channel = await openChannel();
      let head;
      return (body) => {
        // All bodies are of one length: the frames before them, and the end of the last, stay the same.
        head ??= publishFrames(channel, { exchange: '', routingKey: queue, body, properties }, frameMax);
        const message = Buffer.from(head);
        message.set(body, message.length - 1 - body.length);
        socket.write(message);
      };
    },

    async close() {
      await ask(0, 0x000a0032, [short(200), shortText(''), short(0), short(0)], methods.closeOk);
      socket.destroy();
    },
  };
}

function ackOf(channel, tag) {
  const bytes = Buffer.from((ackMethods[channel] ??= method(channel, methods.ack, [long(0), long(0), octet(0)])));
  bytes.writeUInt32BE(tag, 15);
  return bytes;
}

/** By channel, with tag 0. */
const ackMethods = [];
