/**
 * One life of a worker's connection, at the side of the connection that carries it.
 *
 * The worker runs a client of its own, which takes us for a broker: we lead the handshake on channel 0 with what was
 * agreed on with the real one, and pass on the frames of its channels, under numbers of the real connection. What a
 * worker hands over at once are whole units; what comes from the broker is framed anew.
 *
 *   handshake --connection.open--> open --connection.close, port gone, connection lost--> ended
 *
 * Knows frames and connection methods; must not know what channels are used for.
 */
import type { ConnectionLife } from '../connection/index.js';
import { AmqpError, asError, ConnectionLostError, FrameError, messageOf } from '../errors.js';
import {
  ByteReader,
  ByteWriter,
  methodIds,
  protocolHeader,
  readMethod,
  replyCodes,
  writeMethod,
  type Method,
  type MethodInputs,
  type MethodName,
} from '../protocol/index.js';
import type { TransportListener } from '../transport/index.js';
import type { PortTransport } from './port-transport.js';
import { SharedChannel, type SharedChannelOwner } from './shared-channel.js';
import { channelOf, endOfFrame, endOfUnit, methodIdOf } from './worker-frames.js';

export interface SharedLifeOwner {
  updateSecret(secret: string | Uint8Array, reason: string): Promise<void>;
  onEnd(): void;
}

/** Frames of up to this many bytes in a row are copied into the connection's buffer; more go by reference. */
const copiedLimit = 8192;
/** Output beyond this many bytes is written at once, not at the end of the turn. */
const earlyFlushSize = 128 * 1024;
/**
 * Milliseconds that a worker with a full port may keep everybody's socket unread. RabbitMQ hangs up on the whole
 * connection after 15 s (`tcp_listen_options.send_timeout`).
 */
const stallLimit = 10_000;

export class SharedLife implements TransportListener, SharedChannelOwner {
  readonly life: ConnectionLife;
  /** Frames on their way to the worker. */
  readonly writer = new ByteWriter();
  readonly #worker: PortTransport;
  readonly #owner: SharedLifeOwner;
  /** By the worker's numbers. */
  readonly #channels = new Map<number, SharedChannel>();
  readonly #reader = new ByteReader();
  #state: 'handshake' | 'open' | 'ended' = 'handshake';
  #hasGreeted = false;
  #isBlockedKnown = false;
  #isFlushScheduled = false;
  #releaseReading: (() => void) | undefined;
  #stallTimer: NodeJS.Timeout | undefined;
  #onChannelsClosed: (() => void) | undefined;

  constructor(worker: PortTransport, life: ConnectionLife, owner: SharedLifeOwner) {
    this.#worker = worker;
    this.life = life;
    this.#owner = owner;
  }

  start(): void {
    this.#worker.listen(this);
  }

  /** The connection is gone, or done with: what came before still reaches the worker. */
  lose(error: Error): void {
    if (this.#state === 'ended') return;
    this.#flush();
    this.#channels.clear();
    this.#worker.destroy(error);
    this.#end();
  }

  noteBlocked(reason: string): void {
    if (this.#state !== 'open' || this.#isBlockedKnown) return;
    this.#isBlockedKnown = true;
    this.#send('connection.blocked', { reason });
  }

  noteUnblocked(): void {
    if (!this.#isBlockedKnown) return;
    this.#isBlockedKnown = false;
    this.#send('connection.unblocked', {});
  }

  // --- from the worker ----------------------------------------------------------------------------

  onData(chunk: Buffer): void {
    if (this.#state === 'ended' || !this.life.isOpen) return;
    try {
      this.#passOn(chunk);
    } catch (error) {
      this.#abandon(asError(error));
      return;
    }
    // While the broker blocks us the worker knows it and holds its publishes back itself; its acks are to go out.
    if (this.life.hasRoom || this.life.blockedReason !== undefined) return;
    this.#worker.pauseReading(true);
    this.life.onRoom(() => {
      this.#worker.pauseReading(false);
    });
  }

  /** Also where something is wrong, what was before it goes out: a channel that is opened there is closed next. */
  #passOn(chunk: Buffer): void {
    const { frameMax } = this.life.tuning;
    let offset = this.#hasGreeted ? 0 : this.#greet(chunk);
    /** Where the units begin that are passed on in a row. */
    let rowStart = offset;
    try {
      while (offset < chunk.length) {
        const [start, end] = [offset, endOfUnit(chunk, offset, frameMax)];
        const [number, methodId] = [channelOf(chunk, start), methodIdOf(chunk, start)];
        const realNumber = number === 0 ? undefined : this.#realNumber(number, methodId);
        if (realNumber === undefined) {
          this.#append(chunk, rowStart, start);
          rowStart = end;
        }
        offset = end;
        if (realNumber !== undefined) renumber(chunk, start, end, realNumber);
        else if (number === 0) this.#onMethod(readMethod(methodId, this.#reader.reset(chunk, start + 11, end - 1)));
      }
    } finally {
      this.#append(chunk, rowStart, offset);
    }
  }

  #append(chunk: Buffer, start: number, end: number): void {
    if (start === end) return;
    const { writer } = this.life;
    const row = chunk.subarray(start, end);
    writer.begin();
    if (row.length <= copiedLimit) writer.bytes(row);
    else writer.reference(row);
    writer.commit();
    this.life.scheduleFlush();
  }

  #greet(chunk: Buffer): number {
    if (!chunk.subarray(0, protocolHeader.length).equals(protocolHeader)) {
      throw new FrameError('a worker began without the protocol header');
    }
    this.#hasGreeted = true;
    this.#send('connection.start', {
      versionMajor: 0,
      versionMinor: 9,
      serverProperties: this.life.serverProperties,
      // The login is the connection's, and was made.
      mechanisms: 'PLAIN',
      locales: this.life.parameters.locale,
    });
    return protocolHeader.length;
  }

  /** The number under which a unit of the worker goes out; undefined when it does not. */
  #realNumber(number: number, methodId: number): number | undefined {
    if (this.#state !== 'open') throw new FrameError('a worker used a channel before its connection was open');
    const channel = this.#channels.get(number);
    const isOpening = methodId === methodIds.ChannelOpen;
    if (channel && isOpening) throw new FrameError('a worker opened a channel that is open');
    if (channel) return channel.outgoing(methodId);
    // Frames for a channel that is closed mean nothing.
    return isOpening ? this.#openChannel(number) : undefined;
  }

  #openChannel(number: number): number | undefined {
    const channel = new SharedChannel(this, number);
    this.#channels.set(number, channel);
    try {
      return channel.attach();
    } catch (error) {
      channel.refuse(messageOf(error));
      return undefined;
    }
  }

  #onMethod(method: Method): void {
    switch (method.name) {
      case 'connection.start-ok': {
        const { channelMax, frameMax } = this.life.tuning;
        // Who shares a thread's memory with us needs no heartbeat: a port tells when its other end is gone.
        this.#send('connection.tune', { channelMax, frameMax, heartbeat: 0 });
        return;
      }
      case 'connection.open':
        this.#state = 'open';
        this.#send('connection.open-ok', {});
        if (this.life.blockedReason !== undefined) this.noteBlocked(this.life.blockedReason);
        return;
      case 'connection.update-secret':
        this.#updateSecret(method.fields.newSecret, method.fields.reason);
        return;
      case 'connection.close':
        // Not before the broker closed the channels: what the worker had not settled is back in its queues then.
        this.#closeChannels(() => {
          this.#send('connection.close-ok', {});
          this.#flush();
          this.#worker.end();
        });
        return;
      default:
      // connection.tune-ok agrees to what we gave; the rest a client does not send.
    }
  }

  #updateSecret(secret: Uint8Array, reason: string): void {
    this.#owner.updateSecret(Buffer.from(secret), reason).then(
      () => {
        this.#send('connection.update-secret-ok', {});
      },
      (error: unknown) => {
        const replyCode = (error instanceof AmqpError ? error.replyCode : undefined) ?? replyCodes.internalError;
        const replyText = messageOf(error).slice(0, 80);
        this.#send('connection.close', { replyCode, replyText, classId: 0, methodId: 0 });
      },
    );
  }

  // --- to the worker ------------------------------------------------------------------------------

  #send<Name extends MethodName>(name: Name, fields: MethodInputs[Name]): void {
    if (this.#state === 'ended') return;
    writeMethod(this.writer, 0, name, fields, 0);
    this.scheduleFlush();
  }

  scheduleFlush(): void {
    if (this.writer.length >= earlyFlushSize) {
      this.#flush();
    } else if (!this.#isFlushScheduled) {
      this.#isFlushScheduled = true;
      setImmediate(() => {
        this.#isFlushScheduled = false;
        this.#flush();
      });
    }
  }

  #flush(): void {
    if (this.writer.length === 0) return;
    const chunks = this.writer.take();
    if (this.#state === 'ended' || this.#worker.write(chunks) || this.#releaseReading) return;
    this.#releaseReading = this.life.holdReading();
    this.#stallTimer = setTimeout(() => {
      this.#abandon(new ConnectionLostError(`the worker did not read for ${String(stallLimit)} ms`));
    }, stallLimit);
    this.#stallTimer.unref();
  }

  onDrain(): void {
    clearTimeout(this.#stallTimer);
    this.#releaseReading?.();
    this.#releaseReading = undefined;
  }

  // --- the end ------------------------------------------------------------------------------------

  /** The worker closed its end, or ended itself in whatever way. */
  onClose(): void {
    if (this.#state === 'ended') return;
    this.#closeChannels(() => undefined);
    this.#end();
  }

  /** We are done with the worker. */
  #abandon(error: Error): void {
    if (this.#state === 'ended') return;
    this.#closeChannels(() => undefined);
    this.#worker.destroy(error);
    this.#end();
  }

  #end(): void {
    this.#state = 'ended';
    this.onDrain();
    this.#owner.onEnd();
  }

  #closeChannels(then: () => void): void {
    this.#onChannelsClosed = then;
    for (const channel of [...this.#channels.values()]) channel.close();
    this.#tellChannelsClosed();
  }

  onChannelClosed(number: number): void {
    this.#channels.delete(number);
    this.#tellChannelsClosed();
  }

  onConnectionEnd(error: Error): void {
    this.lose(error);
  }

  #tellChannelsClosed(): void {
    if (this.#channels.size > 0) return;
    const then = this.#onChannelsClosed;
    this.#onChannelsClosed = undefined;
    then?.();
  }
}

function renumber(chunk: Buffer, start: number, end: number, number: number): void {
  for (let frame = start; frame < end; frame = endOfFrame(chunk, frame)) chunk.writeUInt16BE(number, frame + 1);
}
