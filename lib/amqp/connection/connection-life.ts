/**
 * One life of a connection: from an open transport over the AMQP handshake to its end. It never comes back; recovery
 * opens another.
 *
 *   handshake --open-ok--> open --close--> closing --close-ok--> ended
 *        \__________________/______ error, close by the broker ____/
 *
 * Owns the write buffer (flushed once per turn), the frame parser, the heartbeat and channel 0, and hands frames of
 * other channels to their sinks. Must not know what a channel does with them.
 */
import type { ConnectionIdentity } from '../diagnostics.js';
import {
  asConnectionError,
  asError,
  BlockedTimeoutError,
  ConnectionClosedError,
  ConnectionError,
  FrameError,
  HeartbeatTimeoutError,
  UnexpectedFrameError,
} from '../errors.js';
import {
  ByteReader,
  FrameParser,
  minimumFrameMax,
  protocolHeader,
  readMethod,
  replyCodes,
  writeHeartbeat,
  writeMethod,
  type ByteWriter,
  type FieldTable,
  type FrameSink,
  type Method,
  type MethodFields,
  type MethodInputs,
  type MethodName,
} from '../protocol/index.js';
import type { Transport, TransportListener } from '../transport/index.js';
import { ChannelTable, type ChannelSink } from './channel-table.js';
import { initialFrameMax, leadHandshake, type HandshakePort, type Tuning } from './handshake.js';
import { closedByBroker, lost, replyCodeFor } from './endings.js';
import { ExpectedMethod } from './expected-method.js';
import { Heartbeat } from './heartbeat.js';
import { Output } from './output.js';
import type { ResolvedEndpoint, ResolvedParameters } from './parameters.js';

export interface ConnectionLifeListener {
  onBlocked(reason: string): void;
  onUnblocked(): void;
  /** Called exactly once, after every channel sink was told. */
  onEnd(error: ConnectionError): void;
}

type State = 'handshake' | 'open' | 'closing' | 'ended';

/** Why a connection or a channel is closed, as the broker's log shows it. */
export interface CloseReason {
  /** AMQP reply code. */
  readonly replyCode: number;
  readonly replyText: string;
}

export const ordinaryClose: CloseReason = { replyCode: replyCodes.success, replyText: 'closed by the client' };

/** How long a dying connection waits for its last bytes to go out, in milliseconds. */
const farewellTime = 1_000;

/** RabbitMQ's own limit of max_message_size, in bytes. */
const largestBody = 536_870_912;

export class ConnectionLife implements FrameSink, TransportListener {
  /** The buffer that frames are encoded into; `scheduleFlush` lets it go out. */
  readonly writer: ByteWriter;
  /** What the broker says of itself (connection.start). */
  serverProperties: Readonly<FieldTable> = {};
  readonly parameters: ResolvedParameters;
  readonly endpoint: ResolvedEndpoint;

  readonly #transport: Transport;
  readonly #output: Output;
  readonly #parser: FrameParser;
  readonly #reader = new ByteReader();
  readonly #channels = new ChannelTable();
  #tuning: Tuning = { channelMax: 0, frameMax: minimumFrameMax, heartbeat: 0 };
  #state: State = 'handshake';
  readonly #expected = new ExpectedMethod();
  #heartbeat: Heartbeat | undefined;
  #listener: ConnectionLifeListener | undefined;
  #end: ConnectionError | undefined;
  #blockedReason: string | undefined;
  #blockedTimer: NodeJS.Timeout | undefined;

  private constructor(transport: Transport, endpoint: ResolvedEndpoint, parameters: ResolvedParameters) {
    this.#transport = transport;
    this.#output = new Output(transport, () => this.#heartbeat?.noteSent());
    this.writer = this.#output.writer;
    this.endpoint = endpoint;
    this.parameters = parameters;
    this.#parser = new FrameParser(this, { frameMax: minimumFrameMax, headerFrameMax: parameters.maxHeaderSize });
  }

  /**
   * Takes over an open transport and leads the handshake. Rejects with a typed error, the transport then being
   * closed. `signal` ends it early.
   */
  static async open(
    transport: Transport,
    endpoint: ResolvedEndpoint,
    parameters: ResolvedParameters,
    signal: AbortSignal,
  ): Promise<ConnectionLife> {
    const life = new ConnectionLife(transport, endpoint, parameters);
    const onAbort = (): void => {
      life.destroy(
        new ConnectionClosedError(`closed while waiting for ${life.#expected.step}`, { cause: signal.reason }),
      );
    };
    transport.listen(life);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    try {
      // A user's credentials function is not waited for once the life ended.
      await Promise.race([life.#leadHandshake(), life.#untilEnd()]);
    } catch (error) {
      const failure = life.#end ?? asConnectionError(error);
      life.destroy(failure);
      throw failure;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
    return life;
  }

  async #untilEnd(): Promise<void> {
    if (!this.#end) await new Promise<void>((resolve) => this.#endWaiters.push(resolve));
    this.#throwIfEnded();
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** What was agreed on with the broker. */
  get tuning(): Readonly<Tuning> {
    return this.#tuning;
  }

  /** Why the life ended; undefined while it has not. */
  get endedBy(): ConnectionError | undefined {
    return this.#end;
  }

  /** Why the broker blocks publishing; undefined while it does not. */
  get blockedReason(): string | undefined {
    return this.#blockedReason;
  }

  /** Where the connection leads, for messages to people. */
  get description(): string {
    return this.#transport.description;
  }

  /** Who we are, for diagnostics. */
  get identity(): ConnectionIdentity {
    return { name: this.parameters.connectionName, endpoint: this.description };
  }

  listen(listener: ConnectionLifeListener): void {
    this.#listener = listener;
    if (this.#end) {
      const error = this.#end;
      queueMicrotask(() => {
        listener.onEnd(error);
      });
    } else if (this.#blockedReason !== undefined) {
      listener.onBlocked(this.#blockedReason);
    }
  }

  // --- channels -----------------------------------------------------------------------------------

  /** Reserves a channel number. Throws WrongStateError when all are taken, and what ended the life when it is over. */
  attach(sink: ChannelSink): number {
    this.#throwIfEnded();
    return this.#channels.attach(sink, this.#tuning.channelMax);
  }

  detach(number: number): void {
    this.#channels.detach(number);
  }

  /** How many channels may be opened at present. */
  get freeChannels(): number {
    return this.#tuning.channelMax - this.#channels.size;
  }

  // --- writing ------------------------------------------------------------------------------------

  /** False while the broker blocks us or the transport's buffer is full. */
  get hasRoom(): boolean {
    return this.#output.hasRoom;
  }

  /** Calls back, once, when there is room again or the life ended. */
  onRoom(callback: () => void): void {
    this.#output.onRoom(callback);
  }

  /**
   * connection.update-secret. Rejects with TimeoutError, or with what ended the life meanwhile; throws ArgumentError,
   * nothing being written, for what is too long. One at a time.
   */
  async updateSecret(secret: Uint8Array, reason: string, limit = this.parameters.methodTimeout): Promise<void> {
    this.#throwIfEnded();
    this.send(0, 'connection.update-secret', { newSecret: secret, reason });
    await this.#expect('connection.update-secret-ok', ['connection.update-secret-ok'], limit);
  }

  /**
   * Writes one method, behind what was held back, and lets it go out at the end of this turn. Throws ArgumentError, nothing
   * of it being written.
   */
  send<Name extends MethodName>(channel: number, name: Name, fields: MethodInputs[Name]): void {
    this.#output.writeHeldBack();
    writeMethod(this.writer, channel, name, fields, this.tuning.frameMax);
    this.scheduleFlush();
  }

  /** Calls back, once, at the end of this turn, or before the next method: then it is to be written. */
  holdBack(write: () => void): void {
    this.#output.holdBack(write);
  }

  /** Lets what stands in the writer go out at the end of this turn, or at once when it is much. */
  scheduleFlush(): void {
    this.#output.scheduleFlush();
  }

  // --- handshake ----------------------------------------------------------------------------------

  #leadHandshake(): Promise<void> {
    const port: HandshakePort = {
      way: this.#transport,
      sendProtocolHeader: () => {
        this.writer.begin();
        this.writer.bytes(protocolHeader);
        this.writer.commit();
        this.#output.flush();
      },
      send: (name, fields) => {
        this.#throwIfEnded();
        this.send(0, name, fields);
      },
      expect: (step, names) => this.#expect(step, names),
      onServerProperties: (properties) => {
        this.serverProperties = properties;
        this.#tuning = { ...this.#tuning, frameMax: initialFrameMax(properties) };
      },
      onTuned: (tuning) => {
        this.#tune(tuning);
      },
    };
    return leadHandshake(port, this.endpoint, this.parameters);
  }

  #tune(tuning: Tuning): void {
    this.#tuning = tuning;
    // A unit is a method frame, a header frame and a small body at most.
    if (tuning.frameMax > 0) this.writer.maximumUnit = tuning.frameMax * 2 + 65_536;
    this.#parser.limits = { frameMax: tuning.frameMax, headerFrameMax: this.parameters.maxHeaderSize };
    const fail = (): void => {
      const seconds = String(tuning.heartbeat * 1.5);
      this.#fail(new HeartbeatTimeoutError(`nothing was heard from ${this.description} for ${seconds} s`));
    };
    if (this.#transport.startHeartbeat) {
      this.#transport.startHeartbeat(tuning.heartbeat, fail);
      return;
    }
    const heartbeat = new Heartbeat(tuning.heartbeat, {
      send: () => {
        writeHeartbeat(this.writer);
        this.#output.flush();
      },
      fail: () => {
        // Who does not read hears nothing, and must not blame the peer for it.
        if (this.#readingHolds > 0) heartbeat.noteReceived();
        else fail();
      },
    });
    this.#heartbeat = heartbeat;
  }

  /** Waits for one of the methods on channel 0; the time limit is the handshake's. */
  #expect(step: string, names: readonly MethodName[], limit = this.parameters.handshakeTimeout): Promise<Method> {
    const reply = this.#expected.wait(step, names, limit);
    if (this.#end) this.#expected.end(this.#end);
    return reply;
  }

  #throwIfEnded(): void {
    if (this.#end) throw this.#end;
  }

  // --- reading ------------------------------------------------------------------------------------

  #readingHolds = 0;

  /**
   * Reads no more from the transport until the answer is called: for one who passes frames on and has no more room.
   * RabbitMQ hangs up on a peer that takes no bytes for 15 s.
   */
  holdReading(): () => void {
    this.#readingHolds += 1;
    if (this.#readingHolds === 1) this.#transport.pauseReading(true);
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      this.#readingHolds -= 1;
      if (this.#readingHolds > 0) return;
      this.#heartbeat?.noteReceived();
      this.#transport.pauseReading(false);
    };
  }

  onData(chunk: Buffer): void {
    if (this.#state === 'ended') return;
    this.#heartbeat?.noteReceived();
    try {
      this.#parser.push(chunk);
    } catch (error) {
      this.#failWith(asError(error));
    }
  }

  onMethod(channel: number, methodId: number, buffer: Buffer, start: number, end: number): void {
    if (channel === 0) this.#onConnectionMethod(readMethod(methodId, this.#reader.reset(buffer, start, end)));
    else this.#sinkOf(channel)?.onMethod(methodId, buffer, start, end);
  }

  onHeader(channel: number, classId: number, bodySize: number, buffer: Buffer, start: number, end: number): void {
    if (classId !== 60) throw new UnexpectedFrameError(`a content header of class ${String(classId)}`);
    if (bodySize > Math.max(largestBody, this.parameters.maxMessageSize)) {
      throw new FrameError(`a message of ${String(bodySize)} bytes, which no broker holds`);
    }
    this.#sinkOf(channel)?.onHeader(bodySize, buffer, start, end);
  }

  onBody(channel: number, buffer: Buffer, start: number, end: number, isFrameEnd: boolean): void {
    this.#sinkOf(channel)?.onBody(buffer, start, end, isFrameEnd);
  }

  onHeartbeat(): void {
    // Any traffic counts, and was noted in onData.
  }

  #sinkOf(channel: number): ChannelSink | undefined {
    const sink = this.#channels.find(channel);
    if (!sink && this.#state === 'open' && !this.#channels.wasClosed(channel)) {
      throw new UnexpectedFrameError(`a frame for channel ${String(channel)}, which is not open`);
    }
    return sink;
  }

  #onConnectionMethod(method: Method): void {
    switch (method.name) {
      case 'connection.close':
        this.#onClose(method.fields);
        return;
      case 'connection.close-ok':
        if (this.#state !== 'closing') break;
        this.#finish(new ConnectionClosedError());
        this.#hangUp();
        return;
      case 'connection.blocked':
        this.#onBlocked(method.fields.reason);
        return;
      case 'connection.unblocked':
        this.#onUnblocked();
        return;
      case 'connection.update-secret-ok':
        if (!this.#expected.takeLate()) this.#onExpected(method);
        return;
      default:
        this.#onExpected(method);
        return;
    }
    this.#onUnexpected(method);
  }

  #onExpected(method: Method): void {
    if (!this.#expected.awaits(method.name)) {
      this.#onUnexpected(method);
      return;
    }
    // The next bytes may already need the new state, before the promise is heard.
    if (method.name === 'connection.open-ok') this.#state = 'open';
    this.#expected.resolve(method);
  }

  #onUnexpected(method: Method): void {
    if (this.#state === 'closing') return;
    throw new UnexpectedFrameError(
      `${method.name} where it does not belong (state: ${this.#state}, ${this.#expected.step})`,
    );
  }

  #onClose(reply: MethodFields['connection.close']): void {
    this.send(0, 'connection.close-ok', {});
    this.#output.flush();
    this.#hangUp();
    const step = this.#state === 'handshake' ? this.#expected.step : undefined;
    this.#finish(
      this.#state === 'closing' ? new ConnectionClosedError() : closedByBroker(reply, step, this.endpoint.virtualHost),
    );
  }

  #onBlocked(reason: string): void {
    const isNews = this.#blockedReason === undefined;
    this.#blockedReason = reason;
    if (!isNews) return;
    this.#output.isBlocked = true;
    const { blockedTimeout } = this.parameters;
    if (blockedTimeout > 0) {
      this.#blockedTimer = setTimeout(() => {
        this.#fail(
          new BlockedTimeoutError(`the broker kept the connection blocked for ${String(blockedTimeout)} ms: ${reason}`),
        );
      }, blockedTimeout);
    }
    this.#listener?.onBlocked(reason);
  }

  #onUnblocked(): void {
    if (this.#blockedReason === undefined) return;
    this.#blockedReason = undefined;
    clearTimeout(this.#blockedTimer);
    this.#listener?.onUnblocked();
    this.#output.isBlocked = false;
  }

  onDrain(): void {
    this.#output.noteDrained();
  }

  onClose(error: Error | undefined): void {
    clearTimeout(this.#farewell);
    if (this.#state === 'closing') {
      this.#finish(new ConnectionClosedError());
      return;
    }
    this.#finish(lost(this.description, this.#state === 'handshake' ? this.#expected.step : undefined, error));
  }

  // --- the end ------------------------------------------------------------------------------------

  /**
   * Closes politely (connection.close) and waits for the answer, at most `limit` milliseconds; then the transport is
   * dropped. Never rejects.
   */
  async close(limit = this.parameters.closeTimeout, reason = ordinaryClose): Promise<void> {
    if (this.#state === 'ended') return;
    if (this.#state === 'handshake') {
      this.destroy(new ConnectionClosedError());
      return;
    }
    const ended = new Promise<void>((resolve) => {
      this.#endWaiters.push(resolve);
    });
    const timer = setTimeout(() => {
      this.destroy(new ConnectionClosedError());
    }, limit);
    if (this.#state === 'open') {
      this.#state = 'closing';
      this.send(0, 'connection.close', { ...reason, classId: 0, methodId: 0 });
      this.#output.flush();
    }
    await ended;
    clearTimeout(timer);
  }

  #endWaiters: (() => void)[] = [];

  /** Ends the life at once, without a goodbye. */
  destroy(error: ConnectionError): void {
    this.#transport.destroy();
    this.#finish(error);
  }

  #failWith(error: Error): void {
    if (error instanceof ConnectionError) this.#fail(error);
    else this.#fail(asConnectionError(error), replyCodeFor(error));
  }

  /** Ends the life because of an error; the broker is told where a code says what it did wrong. */
  #fail(error: ConnectionError, replyCode?: number): void {
    if (this.#state === 'ended') return;
    if (replyCode === undefined) {
      this.destroy(error);
      return;
    }
    this.send(0, 'connection.close', { replyCode, replyText: error.message.slice(0, 80), classId: 0, methodId: 0 });
    this.#output.flush();
    this.#hangUp();
    this.#finish(error);
  }

  /** Lets what was written go out; a peer that does not hang up as well is cut off after a while. */
  #hangUp(): void {
    this.#transport.end();
    const timer = setTimeout(() => {
      this.#transport.destroy();
    }, farewellTime);
    timer.unref();
    this.#farewell = timer;
  }

  #farewell: NodeJS.Timeout | undefined;

  #finish(error: ConnectionError): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#end = error;
    this.#heartbeat?.stop();
    clearTimeout(this.#blockedTimer);
    this.#expected.end(error);
    this.#channels.end(error);
    this.#output.end();
    const waiters = this.#endWaiters;
    this.#endWaiters = [];
    for (const waiter of waiters) waiter();
    this.#listener?.onEnd(error);
  }
}
