// The reading half of the floor: looks at the head of each frame, and at the arguments of the few methods that it knows.

export const methods = {
  start: 0x000a000a,
  tune: 0x000a001e,
  openOk: 0x000a0029,
  closeOk: 0x000a0033,
  channelOpenOk: 0x0014000b,
  channelCloseOk: 0x00140029,
  declareOk: 0x0032000b,
  qosOk: 0x003c000b,
  consumeOk: 0x003c0015,
  deliver: 0x003c003c,
  ack: 0x003c0050,
  selectOk: 0x0055000b,
};

export class FrameReader {
  /** (tag, channel) of each basic.deliver. */
  onDeliver;
  /** (bytes, start) of each content header. */
  onHeader;
  /** (bytes, start, end) of each body frame. Without it, a body that goes on behind a chunk is passed over, not collected. */
  onBody;
  /** (tag) of each basic.ack of the broker's. */
  onAck;
  /** After each chunk. */
  onChunkEnd;
  #rest;
  /** Bytes of a body frame that are still to come. */
  #skip = 0;
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

  stop() {
    this.onDeliver = this.onHeader = this.onBody = this.onAck = this.onChunkEnd = undefined;
  }

  #read(chunk) {
    const bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = this.#skip;
    this.#skip = 0;
    while (at + 8 <= bytes.length) {
      const type = bytes[at];
      const end = at + 8 + bytes.readUInt32BE(at + 3);
      if (end > bytes.length && (type !== 3 || this.onBody !== undefined)) break;
      if (type === 1) this.#method(bytes, at, end - 1);
      else if (type === 2) this.onHeader?.(bytes, at + 7);
      else if (type === 3) this.onBody?.(bytes, at + 7, end - 1);
      at = end;
    }
    if (at > bytes.length) this.#skip = at - bytes.length;
    this.#rest = at < bytes.length ? bytes.subarray(at) : undefined;
    this.onChunkEnd?.();
  }

  #method(bytes, at, end) {
    const start = at + 7;
    const id = bytes.readUInt32BE(start);
    if (id === methods.deliver) {
      // The low half of the tag, behind the consumer tag.
      this.onDeliver?.(bytes.readUInt32BE(start + 5 + bytes[start + 4] + 4), bytes.readUInt16BE(at + 1));
    } else if (id === methods.ack) {
      this.onAck?.(bytes.readUInt32BE(start + 8));
    } else {
      const resolve = this.#awaited.get(id);
      this.#awaited.delete(id);
      resolve?.(Buffer.from(bytes.subarray(start + 4, end)));
    }
  }
}
