// The floor: no client, a program that moves the same bytes. It writes frames that were encoded beforehand, and reads what
// the broker sends with a parser that looks at the frame's head and counts. What a client costs above it is its own.
//
// publish: 1,000 messages a write, as the socket takes them.
// confirm: at most `inFlight` unconfirmed; of a basic.ack only the tag and `multiple` are read.
// consume: for each delivery its own basic.ack, all acks of a chunk in one write.
//          With `noAck` it counts.
import { connect as connectSocket } from 'node:net';
import { once } from 'node:events';

const frameEnd = 0xce;
const methods = {
  tune: 0x000a001e,
  openOk: 0x000a0029,
  channelOpenOk: 0x0014000b,
  declareOk: 0x0032000b,
  qosOk: 0x003c000b,
  consumeOk: 0x003c0015,
  deliver: 0x003c003c,
  ack: 0x003c0050,
  selectOk: 0x0055000b,
};

export async function connect(url) {
  const { hostname, port, username, password, pathname } = new URL(url);
  const socket = connectSocket({ host: hostname, port: Number(port || 5672), noDelay: true });
  const reader = new FrameCounter(socket);
  await once(socket, 'connect');
  socket.write(Buffer.from('AMQP\0\0\x09\x01', 'latin1'));
  await reader.next(0x000a000a);
  const login = `\0${decodeURIComponent(username)}\0${decodeURIComponent(password)}`;
  socket.write(method(0, 0x000a000b, [long(0), shortText('PLAIN'), longText(login), shortText('en_US')]));
  const tune = await reader.next(methods.tune);
  socket.write(method(0, 0x000a001f, [tune.subarray(0, 6), short(0)]));
  const virtualHost = pathname.length > 1 ? decodeURIComponent(pathname.slice(1)) : '/';
  socket.write(method(0, 0x000a0028, [shortText(virtualHost), shortText(''), octet(0)]));
  await reader.next(methods.openOk);
  let channels = 0;

  const openChannel = async () => {
    const channel = ++channels;
    socket.write(method(channel, 0x0014000a, [shortText('')]));
    await reader.next(methods.channelOpenOk);
    return channel;
  };
  const awaitBroker = async (channel, queue) => {
    socket.write(method(channel, 0x0032000a, [short(0), shortText(queue), octet(1), long(0)]));
    await reader.next(methods.declareOk);
  };

  return {
    async publish({ messages, queue, ...message }) {
      const channel = await openChannel();
      const one = publishFrames(channel, message);
      const thousand = Buffer.concat(Array.from({ length: 1_000 }, () => one));
      for (let left = messages; left > 0; left -= 1_000) {
        if (!socket.write(left >= 1_000 ? thousand : thousand.subarray(0, left * one.length)))
          await once(socket, 'drain');
      }
      await awaitBroker(channel, queue);
    },

    async confirm({ messages, inFlight, ...message }) {
      const channel = await openChannel();
      socket.write(method(channel, 0x0055000a, [octet(0)]));
      await reader.next(methods.selectOk);
      const one = publishFrames(channel, message);
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
      reader.onAck = reader.onChunkEnd = undefined;
    },

    consume,

    async close() {
      socket.write(method(0, 0x000a0032, [short(200), shortText(''), short(0), short(0)]));
      // However it ends: the work is done.
      await new Promise((resolve) => socket.once('close', resolve));
    },
  };

  async function consume({ messages, prefetch, noAck, queue }) {
    const isAcknowledging = !noAck;
    const channel = await openChannel();
    if (isAcknowledging) {
      socket.write(method(channel, 0x003c000a, [long(0), short(prefetch), octet(0)]));
      await reader.next(methods.qosOk);
    }
    const ack = method(channel, methods.ack, [long(0), long(0), octet(0)]);
    let count = 0;
    let acks = [];
    const all = new Promise((resolve) => {
      reader.onDeliver = (tag) => {
        count += 1;
        if (!isAcknowledging) return;
        const mine = Buffer.from(ack);
        mine.writeUInt32BE(tag, 15);
        acks.push(mine);
      };
      reader.onChunkEnd = () => {
        if (acks.length > 0) socket.write(Buffer.concat(acks));
        acks = [];
        if (count === messages) resolve();
      };
    });
    socket.write(
      method(channel, 0x003c0014, [short(0), shortText(queue), shortText(''), octet(noAck ? 2 : 0), long(0)]),
    );
    await all;
    reader.onDeliver = reader.onChunkEnd = undefined;
    await awaitBroker(channel, queue);
  }
}

/** Looks at the head of each frame, and at the arguments of the few methods that it knows. */
class FrameCounter {
  onDeliver;
  onAck;
  onChunkEnd;
  #rest;
  #awaited = new Map();
  #fail;
  #failed = new Promise((_, reject) => (this.#fail = reject));

  constructor(socket) {
    this.#failed.catch(() => {});
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the broker closed the connection')));
  }

  /** Resolves with the method's arguments. */
  next(id) {
    return Promise.race([new Promise((resolve) => this.#awaited.set(id, resolve)), this.#failed]);
  }

  #read(chunk) {
    const bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = 0;
    while (at + 8 <= bytes.length) {
      const end = at + 8 + bytes.readUInt32BE(at + 3);
      if (end > bytes.length) break;
      if (bytes[at] === 1) this.#method(bytes, at + 7, end - 1);
      at = end;
    }
    this.#rest = at < bytes.length ? bytes.subarray(at) : undefined;
    this.onChunkEnd?.();
  }

  #method(bytes, start, end) {
    const id = bytes.readUInt32BE(start);
    if (id === methods.deliver) {
      // The low half of the tag, behind the consumer tag.
      this.onDeliver?.(bytes.readUInt32BE(start + 5 + bytes[start + 4] + 4));
    } else if (id === methods.ack) {
      this.onAck?.(bytes.readUInt32BE(start + 8));
    } else {
      const resolve = this.#awaited.get(id);
      this.#awaited.delete(id);
      resolve?.(Buffer.from(bytes.subarray(start + 4, end)));
    }
  }
}

function publishFrames(channel, { exchange, routingKey, body, properties }) {
  const publish = method(channel, 0x003c0028, [short(0), shortText(exchange), shortText(routingKey), octet(0)]);
  const header = frame(2, channel, [
    short(60),
    short(0),
    long(0),
    long(body.length),
    short(0x8000),
    shortText(properties.contentType),
  ]);
  return Buffer.concat([publish, header, ...(body.length > 0 ? [frame(3, channel, [body])] : [])]);
}

function method(channel, id, parts) {
  return frame(1, channel, [long(id), ...parts]);
}

function frame(type, channel, parts) {
  const payload = Buffer.concat(parts);
  return Buffer.concat([octet(type), short(channel), long(payload.length), payload, octet(frameEnd)]);
}

function octet(value) {
  return Buffer.of(value);
}

function short(value) {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function long(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function shortText(text) {
  const bytes = Buffer.from(text);
  return Buffer.concat([octet(bytes.length), bytes]);
}

function longText(text) {
  const bytes = Buffer.from(text);
  return Buffer.concat([long(bytes.length), bytes]);
}
