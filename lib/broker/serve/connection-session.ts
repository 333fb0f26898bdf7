/**
 * One connection, from its first byte to the last: channels, closing, blocking.
 *
 *   state: handshake (see handshake.ts) -> running -> closing (the broker sent connection.close) -> closed
 *          any -> closed (the client closed, the stream ended, or a fault cut it)
 *
 * Must not know what methods on channels do; dispatch.ts does.
 */
import {
  ByteReader,
  ByteWriter,
  frameOverhead,
  FrameParser,
  methodIds,
  minimumFrameMax,
  readMethod,
  writeHeartbeat,
  writeMethod,
  type FieldTable,
  type FrameSink,
  type Method,
  type MethodFields,
  type MethodInputs,
  type MethodName,
} from '../../amqp/protocol/index.js';
import type { Transport, TransportListener } from '../../amqp/transport/index.js';
import { connectionRefusal, type ReplyError } from '../store/reply-error.js';
import type { VirtualHost } from '../store/virtual-host.js';
import { isLoginRefusal, type ExternalLogin } from './authentication.js';
import type { BrokerContext } from './broker-context.js';
import { ChannelSession } from './channel-session.js';
import { Conditions } from './conditions.js';
import type { ConnectionPort } from './connection-port.js';
import { ContentAssembler } from './content-assembler.js';
import { dispatch } from './dispatch.js';
import type { FaultyConnection } from './fault-hooks.js';
import { FrameTap } from './frame-tap.js';
import { Handshake, type HandshakePort } from './handshake.js';
import { Heartbeat } from './heartbeat.js';
import { Line } from './line.js';
import type { MethodWatch } from './method-watch.js';
import { hasMalformedText } from './method-text.js';
import { methodEvent } from './method-event.js';
import { assertSize, publish, type ReceivedPublish } from './publish.js';
import { closeFields, framingRefusal, refusalOf } from './refusals.js';
import type { User } from './users.js';

type State = 'handshake' | 'running' | 'closing' | 'closed';

/** Bytes that wait for the client above which nothing more is delivered to it. */
const congestedAt = 1024 * 1024;
/** Bytes that wait for the client above which the broker stops reading from it. */
const unreadLimit = 16 * 1024 * 1024;
/** Bytes set aside for what is written at first: idle connections need no more. */
const firstSlab = 2 * 1024;
/** Milliseconds that a client has to answer connection.close. */
const closeTimeout = 10_000;
/** Milliseconds after which a refused login that may not be told is cut, as RabbitMQ does against guessing. */
const loginPenalty = 1_000;

/** basic.publish: what is blamed for what is wrong with a content. */
const publishId = methodIds.BasicPublish;

/** A client that came. */
export interface Arrival {
  readonly transport: Transport;
  /** Closes the transport as a crash does (RST); without it it is dropped. */
  readonly reset?: (() => void) | undefined;
  /** Who it is by its certificate; undefined where none was asked for. */
  readonly external?: ExternalLogin | undefined;
}

interface OpenChannel {
  readonly session: ChannelSession;
  readonly content: ContentAssembler;
}

export class ConnectionSession
  implements ConnectionPort, FaultyConnection, HandshakePort, FrameSink, TransportListener
{
  readonly writer = new ByteWriter(firstSlab);
  readonly line: Line;
  readonly conditions = new Conditions(() => {
    this.updateBlocking();
  });
  readonly #context: BrokerContext;
  readonly #onEnd: (session: ConnectionSession) => void;
  readonly #parser: FrameParser;
  readonly #reader = new ByteReader();
  readonly #channels = new Map<number, OpenChannel>();
  readonly #handshake: Handshake;
  #state: State = 'handshake';
  #virtualHost: VirtualHost | undefined;
  #channelMax = 0;
  #heartbeat: Heartbeat | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #isFlushScheduled = false;
  /** The transport asked to wait. */
  #isSaturated = false;
  #wasCongested = false;
  #hasPublished = false;
  #isBlocked = false;
  #isReadingPaused = false;
  frameMax = 0;

  constructor(
    readonly id: number,
    { transport, reset, external }: Arrival,
    context: BrokerContext,
    onEnd: (session: ConnectionSession) => void,
  ) {
    this.#context = context;
    this.#handshake = new Handshake(context, this, external);
    this.#onEnd = onEnd;
    const { faults, events } = context;
    const watch: MethodWatch = {
      get isOn() {
        return faults.watchesMethods || events.listenerCount('method') > 0;
      },
      count: (from, channel, methodId, method) => faults.count(this, from, channel, methodId, method),
      tell: (from, channel, method, bodySize) => {
        events.tell('method', () => methodEvent(this, from, channel, method, bodySize));
      },
    };
    this.line = new Line(transport, watch, reset);
    const tap = new FrameTap(this, watch, () => this.line.inwardSilence.top !== undefined);
    this.line.onHearing = () => {
      tap.replay();
    };
    const least = Math.max(context.tuning.frameMax, minimumFrameMax);
    this.#parser = new FrameParser(tap, { frameMax: least, headerFrameMax: least });
    if (context.handshakeTimeout > 0) {
      this.#setDeadline(context.handshakeTimeout, () => {
        this.destroy();
      });
    }
  }

  /** Begins to read; called once, in the turn in which it was made. */
  begin(): void {
    this.line.listen(this);
    this.#context.faults.accepted(this);
  }

  // --- what others ask -----------------------------------------------------------------------------

  /** `connection_name` of the client properties, else where it comes from. */
  get name(): string {
    const name = this.clientProperties['connection_name'];
    return typeof name === 'string' ? name : this.line.description;
  }

  /** Who logged in, or asks to; empty before. */
  get userName(): string {
    return this.#handshake.userName;
  }

  get clientProperties(): Readonly<FieldTable> {
    return this.#handshake.clientProperties;
  }

  get isOpen(): boolean {
    return this.#state === 'running';
  }

  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  get channelCount(): number {
    return this.#channels.size;
  }

  get user(): User {
    return this.#handshake.user;
  }

  get virtualHost(): VirtualHost {
    if (!this.#virtualHost) throw connectionRefusal('notAllowed', 'no virtual host');
    return this.#virtualHost;
  }

  get isCongested(): boolean {
    return (this.#wasCongested ||= this.#isSaturated || this.writer.length > congestedAt);
  }

  hasCapability(name: string): boolean {
    return this.#handshake.hasCapability(name);
  }

  /** The channels, for whoever inspects or breaks them. */
  *sessions(): Generator<ChannelSession> {
    for (const { session } of this.#channels.values()) yield session;
  }

  // --- writing -------------------------------------------------------------------------------------

  requestFlush(): void {
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    setImmediate(() => {
      this.#isFlushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#state === 'closed') return;
    for (const { session } of this.#channels.values()) session.confirms?.flush();
    if (!this.#isSaturated) {
      const chunks = this.writer.take();
      if (chunks.length > 0) {
        this.#heartbeat?.noteSent();
        this.#isSaturated = !this.line.write(chunks);
      }
    }
    this.#updateReading();
    if (!this.#wasCongested || this.#isSaturated) return;
    this.#wasCongested = false;
    for (const { session } of this.#channels.values()) session.pump();
  }

  send<Name extends MethodName>(name: Name, fields: MethodInputs[Name], channel = 0): void {
    writeMethod(this.writer, channel, name, fields, 0);
    this.requestFlush();
  }

  /** Reading stops while the client leaves too much unread, and while it is blocked. */
  #updateReading(): void {
    const isPaused = this.#isBlocked || this.writer.length > unreadLimit;
    if (isPaused === this.#isReadingPaused) return;
    this.#isReadingPaused = isPaused;
    if (this.#heartbeat) this.#heartbeat.isMonitoringPaused = isPaused;
    this.line.pauseReading(isPaused);
  }

  // --- the transport -------------------------------------------------------------------------------

  onData(chunk: Buffer): void {
    if (this.#state === 'closed') return;
    this.#heartbeat?.noteHeard();
    const frames = this.#state === 'handshake' ? this.#handshake.read(chunk) : chunk;
    if (frames && 'understood' in frames) {
      // AMQP 4.2.2: answer with the version that would be understood, and close.
      this.line.write([frames.understood]);
      this.#end();
      this.line.end();
      return;
    }
    if (!frames) return;
    try {
      this.#parser.push(frames);
    } catch (error) {
      // Nothing that follows can be read: say why, and hang up.
      this.#close(framingRefusal(error));
      this.#flush();
      this.#end();
      this.line.end();
    }
  }

  onDrain(): void {
    this.#isSaturated = false;
    this.#flush();
  }

  onClose(): void {
    this.#end();
  }

  /** Drops the connection without a word. */
  destroy(): void {
    this.line.destroy();
    this.#end();
  }

  /** Drops the connection as a crash of the machine does: with RST, where it is TCP. */
  reset(): void {
    this.line.reset();
    this.#end();
  }

  #setDeadline(milliseconds: number, action: () => void): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(action, milliseconds);
  }

  // --- frames --------------------------------------------------------------------------------------

  onHeartbeat(): void {}

  onMethod(channel: number, methodId: number, buffer: Buffer, start: number, end: number): void {
    if (this.#state === 'closed') return;
    this.#guard(channel, methodId, () => {
      this.#reader.reset(buffer, start, end);
      const method = readMethod(methodId, this.#reader);
      if (hasMalformedText(method, buffer.subarray(start, end))) {
        this.#refuse(channel, 0, connectionRefusal('frameError', 'Malformed UTF-8 in shortstr'));
        return;
      }
      if (channel === 0) this.#connectionMethod(method);
      else this.#channelMethod(channel, method);
    });
  }

  onHeader(channel: number, classId: number, bodySize: number, buffer: Buffer, start: number, end: number): void {
    // The weight stands between the class and the size, before the flags.
    const weight = buffer.readUInt16BE(start - 10);
    const encodedProperties = buffer.subarray(start, end);
    this.#content(channel, ({ session, content }) => {
      const received = content.header({ classId, weight, bodySize, encodedProperties });
      // Refused as early as it can be told, and not when all of it is here.
      assertSize(bodySize, session.virtualHost.behaviour.maximumMessageSize);
      return received;
    });
  }

  onBody(channel: number, buffer: Buffer, start: number, end: number, isFrameEnd: boolean): void {
    this.#content(channel, ({ content }) => content.body(buffer, start, end, isFrameEnd));
  }

  #content(channel: number, assemble: (open: OpenChannel) => ReceivedPublish | undefined): void {
    if (this.#state === 'closed' || this.#state === 'closing') return;
    const open = this.#channels.get(channel);
    this.#guard(channel, open === undefined || open.content.isIdle ? 0 : publishId, () => {
      if (!open) throw connectionRefusal('unexpectedFrame', 'expected method frame, got non method frame instead');
      if (open.session.state !== 'open') return;
      const received = assemble(open);
      if (received) publish(open.session, received);
    });
  }

  /** Runs a step, and turns what it throws into channel.close or connection.close. */
  #guard(channel: number, methodId: number, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#refuse(channel, methodId, refusalOf(error));
    }
  }

  #refuse(channel: number, methodId: number, refusal: ReplyError): void {
    const session = this.#channels.get(channel)?.session;
    if (refusal.scope === 'channel' && session?.state === 'open') {
      session.confirms?.flush();
      this.send('channel.close', closeFields(refusal, methodId), channel);
      session.end('closing');
    } else {
      // The channel that failed ends before the others do.
      session?.silence();
      session?.end('closed');
      this.#close(refusal, methodId);
    }
  }

  // --- methods on channel 0 ------------------------------------------------------------------------

  #connectionMethod(method: Method): void {
    if (method.name === 'connection.close') {
      this.send('connection.close-ok', {});
      this.#flush();
      this.#end();
      this.line.end();
      return;
    }
    if (this.#state === 'closing') {
      if (method.name !== 'connection.close-ok') return;
      this.#end();
      this.line.end();
      return;
    }
    if (this.#state === 'handshake') {
      this.#handshake.take(method);
    } else if (method.name === 'connection.update-secret') {
      this.send('connection.update-secret-ok', {});
    } else {
      throw connectionRefusal('channelError', `unexpected method in connection state ${this.#state}`);
    }
  }

  // --- what the handshake asks, and tells ----------------------------------------------------------

  get isEnding(): boolean {
    return this.#state !== 'handshake';
  }

  get isLoginRefused(): boolean {
    return this.conditions.refusedLogin.top !== undefined;
  }

  started(): void {
    this.#context.faults.started(this);
  }

  tuned({ channelMax, frameMax, heartbeat }: MethodFields['connection.tune-ok']): void {
    this.frameMax = frameMax;
    this.#channelMax = channelMax;
    // RabbitMQ forgives clients that do not count a frame's own eight bytes (rabbitmq-client is one).
    const headerFrameMax = frameMax === 0 ? 0xffff_ffff : frameMax + frameOverhead;
    this.#parser.limits = { frameMax, frameMaxExcess: frameOverhead, headerFrameMax };
    if (heartbeat === 0) return;
    this.#heartbeat = new Heartbeat(heartbeat, {
      sendHeartbeat: () => {
        writeHeartbeat(this.writer);
        this.requestFlush();
      },
      onSilence: () => {
        this.destroy();
      },
    });
  }

  opened(virtualHost: VirtualHost): void {
    clearTimeout(this.#deadline);
    this.#virtualHost = virtualHost;
    this.#state = 'running';
    this.#context.events.tell('connected', () => this.#description());
  }

  #description(): { name: string; user: string; virtualHost: string } {
    return { name: this.name, user: this.user.name, virtualHost: this.virtualHost.name };
  }

  // --- methods on channels -------------------------------------------------------------------------

  #channelMethod(channel: number, method: Method): void {
    const fate = this.conditions.takeMark();
    if (this.#state === 'closing') return;
    if (this.#state !== 'running') throw connectionRefusal('channelError', 'a channel before connection.open');
    const open = this.#channels.get(channel);
    if (!open) {
      this.#openChannel(channel, method.name);
      return;
    }
    const { session, content } = open;
    if (method.name === 'channel.close') {
      session.end('closed');
      this.#channels.delete(channel);
      this.send('channel.close-ok', {}, channel);
    } else if (session.state !== 'open') {
      if (method.name === 'channel.close-ok') this.#channels.delete(channel);
    } else if (!content.isIdle) {
      this.#refuse(channel, publishId, content.refusal);
    } else {
      if (method.name === 'channel.open') throw connectionRefusal('channelError', `second 'channel.open' seen`);
      if (method.name === 'basic.publish') {
        content.begin(method.fields, fate);
        this.notePublish();
      } else {
        dispatch(session, method);
      }
    }
  }

  #openChannel(channel: number, method: MethodName): void {
    if (method !== 'channel.open') throw connectionRefusal('channelError', `expected 'channel.open'`);
    if (this.#channelMax > 0 && this.#channels.size >= this.#channelMax) {
      throw connectionRefusal(
        'notAllowed',
        `number of channels opened (${this.#channels.size}) has reached the negotiated channel_max (${this.#channelMax})`,
      );
    }
    this.#channels.set(channel, { session: new ChannelSession(this, channel), content: new ContentAssembler() });
    this.send('channel.open-ok', {}, channel);
  }

  /** Closes one channel as the broker would on an error (a fault). */
  closeChannel(channel: number, refusal: ReplyError, methodId = 0): void {
    if (this.#channels.get(channel)?.session.state === 'open') this.#refuse(channel, methodId, refusal);
  }

  // --- blocking ------------------------------------------------------------------------------------

  notePublish(): void {
    if (this.#hasPublished) return;
    this.#hasPublished = true;
    this.updateBlocking();
  }

  /** Only connections that publish are blocked, as on RabbitMQ: others when they first do. */
  updateBlocking(): void {
    if (this.#state !== 'running') return;
    const reason = this.conditions.blocked.top ?? this.#context.memory.alarm;
    const isBlocked = this.#hasPublished && reason !== undefined;
    if (isBlocked === this.#isBlocked) return;
    this.#isBlocked = isBlocked;
    if (this.hasCapability('connection.blocked')) {
      if (isBlocked) this.send('connection.blocked', { reason });
      else this.send('connection.unblocked', {});
    }
    this.#updateReading();
  }

  // --- the end -------------------------------------------------------------------------------------

  /** Closes the connection with a reason, as an operator does. */
  close(refusal: ReplyError, methodId = 0): void {
    this.#close(refusal, methodId);
  }

  #close(refusal: ReplyError, methodId = 0): void {
    if (this.#state === 'closing' || this.#state === 'closed') return;
    if (!this.#handshake.mayBeTold(refusal)) {
      this.#state = 'closing';
      this.#setDeadline(loginPenalty, () => {
        this.destroy();
      });
      return;
    }
    this.#endChannels();
    this.#state = 'closing';
    this.send('connection.close', closeFields(refusal, isLoginRefusal(refusal) ? 0 : methodId));
    this.#setDeadline(closeTimeout, () => {
      this.destroy();
    });
  }

  #endChannels(): void {
    for (const { session } of this.#channels.values()) session.silence();
    for (const { session } of this.#channels.values()) session.end('closed');
    this.#channels.clear();
    if (this.#virtualHost) this.#virtualHost.deleteExclusiveQueues(this.id);
  }

  #end(): void {
    if (this.#state === 'closed') return;
    this.#endChannels();
    this.#state = 'closed';
    clearTimeout(this.#deadline);
    this.#heartbeat?.stop();
    this.#context.faults.ended(this);
    if (this.#virtualHost) this.#context.events.tell('disconnected', () => this.#description());
    this.#onEnd(this);
  }
}
