/**
 * Every error that the client throws, rejects with or reports, in one place.
 *
 * Each error says whether recovery may help (`recoverable`), and carries the broker's reply code,
 * reply text, class and method where the broker sent them. None ever holds a credential.
 */

/** What a broker says when it closes a channel or a connection. */
export interface BrokerReply {
  /** AMQP reply code, for instance 404. */
  readonly replyCode: number;
  /** The broker's own words. */
  readonly replyText: string;
  /** Class of the method that failed, 0 when none is to blame. */
  readonly classId: number;
  /** Method that failed, 0 when none is to blame. */
  readonly methodId: number;
}

export interface AmqpErrorOptions {
  cause?: unknown;
  /** True when trying again later, or on a new connection, may succeed. */
  recoverable?: boolean;
  reply?: BrokerReply | undefined;
}

/** The root of all errors of the client. */
export class AmqpError extends Error {
  /** True when trying again later, or on a new connection, may succeed. */
  readonly recoverable: boolean;
  /** AMQP reply code where the broker sent one. */
  readonly replyCode: number | undefined;
  /** AMQP reply text where the broker sent one. */
  readonly replyText: string | undefined;
  /** AMQP class id of the failing method where the broker named one. */
  readonly classId: number | undefined;
  /** AMQP method id of the failing method where the broker named one. */
  readonly methodId: number | undefined;

  constructor(message: string, options: AmqpErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.recoverable = options.recoverable ?? false;
    this.replyCode = options.reply?.replyCode;
    this.replyText = options.reply?.replyText;
    this.classId = options.reply?.classId;
    this.methodId = options.reply?.methodId;
  }
}

// --- what the caller got wrong -------------------------------------------------------------------

/** An argument is invalid. Nothing was sent; channel and connection are untouched. */
export class ArgumentError extends AmqpError {
  /** The argument, or the path inside it, for instance `arguments.x-limits[2]`; a long one is cut in its middle. */
  readonly argument: string;

  constructor(argument: string, problem: string, options: { cause?: unknown } = {}) {
    const name = clip(argument);
    super(`${name}: ${clip(problem)}`, options);
    this.argument = name;
  }
}

/** What users gave may be of any length; what is said of it must not be. */
function clip(text: string): string {
  return text.length > 400 ? `${text.slice(0, 190)} ... ${text.slice(-190)}` : text;
}

/** Connection parameters or a URI are invalid; `faults` lists every fault found. */
export class ParametersError extends AmqpError {
  /** One line each, which begins with the parameter's name. */
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`invalid connection parameters: ${faults.join('; ')}`);
    this.faults = faults;
  }
}

/** A definitions file (RabbitMQ's JSON) cannot be imported; `faults` lists every fault found. Nothing was declared. */
export class DefinitionsError extends AmqpError {
  /** One line each, which begins with the path in the file, for instance `queues[3].name`. */
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    const rest = faults.length > 10 ? `; and ${String(faults.length - 10)} more` : '';
    super(`invalid definitions: ${faults.slice(0, 10).map(clip).join('; ')}${rest}`);
    this.faults = faults;
  }
}

/** The call is not allowed in the present state, for instance `publish` on a channel without confirms. */
export class WrongStateError extends AmqpError {}

/** Every channel that broker and client agreed on (`channelMax`) is in use. Nothing was sent. */
export class NoFreeChannelsError extends WrongStateError {
  constructor(channelMax: number) {
    super(`all ${String(channelMax)} channels of the connection are in use`);
  }
}

/** The delivery was settled before: by an earlier call, or by a `multiple` that covered it. */
export class AlreadySettledError extends WrongStateError {}

// --- time -----------------------------------------------------------------------------------------

/** A step took longer than it may. */
export class TimeoutError extends AmqpError {
  /** What was waited for, for instance `connection.tune` or `queue.declare`. */
  readonly step: string;
  /** The limit in milliseconds. */
  readonly limit: number;

  constructor(step: string, limit: number, options: AmqpErrorOptions = {}) {
    super(`${step}: no answer within ${String(limit)} ms`, { recoverable: true, ...options });
    this.step = step;
    this.limit = limit;
  }
}

// --- messages -------------------------------------------------------------------------------------

/** The body of a message is not what it was asked to be read as. The delivery is still to be settled. */
export class MessageFormatError extends AmqpError {}

// --- the management API ---------------------------------------------------------------------------

/** RabbitMQ's management API could not be asked, or gave what cannot be understood. The connection is untouched. */
export class ManagementError extends AmqpError {
  /** What was asked for. Without user name and password. */
  readonly url: string;
  /** HTTP status; undefined where there was no answer. */
  readonly status: number | undefined;

  constructor(url: string, status: number | undefined, problem: string, options: { cause?: unknown } = {}) {
    // Not there, too busy, broken within: it may be better later. A login refused, or an answer of another kind, may not.
    const recoverable = status === undefined || status === 429 || status >= 500;
    super(`management API, ${url}: ${problem}`, { ...options, recoverable });
    this.url = url;
    this.status = status;
  }
}

// --- bytes ----------------------------------------------------------------------------------------

/** The peer broke the framing: an unknown frame type, a wrong end octet, a frame over the limit (AMQP reply 501). */
export class FrameError extends AmqpError {
  constructor(message: string) {
    super(message, { recoverable: true });
  }
}

/** The peer sent a frame whose content cannot be read: lengths that lie, unknown field types (AMQP reply 502). */
export class FrameSyntaxError extends AmqpError {
  constructor(message: string) {
    super(message, { recoverable: true });
  }
}

/** The peer sent a method or content where the protocol does not allow it (AMQP replies 503, 504, 505). */
export class UnexpectedFrameError extends AmqpError {
  constructor(message: string) {
    super(message, { recoverable: true });
  }
}

// --- the connection -------------------------------------------------------------------------------

/** The root of the errors that end, or prevent, a connection. */
export class ConnectionError extends AmqpError {
  constructor(message: string, options: AmqpErrorOptions = {}) {
    super(message, { recoverable: true, ...options });
  }
}

/** No byte stream to the endpoint could be opened (refused, unreachable, name not found). */
export class ConnectionRefusedError extends ConnectionError {}

/**
 * TLS refused the connection: a certificate that does not hold, no protocol version or cipher in common, a client
 * certificate that the broker misses, a peer that does not speak TLS. No credential was sent, except where a broker
 * with TLS 1.3 refuses the client certificate only after the login went out to it, encrypted.
 */
export class TlsError extends ConnectionRefusedError {
  constructor(message: string, options: AmqpErrorOptions = {}) {
    super(message, { recoverable: false, ...options });
  }
}

/** The broker refused the credentials. */
export class AuthenticationError extends ConnectionError {
  constructor(message: string, options: AmqpErrorOptions = {}) {
    super(message, { recoverable: false, ...options });
  }
}

/** `plaintext: 'refuse'`, and the login would have gone unencrypted over a network. No credential was sent. */
export class PlaintextLoginError extends ConnectionError {
  constructor(message: string, options: AmqpErrorOptions = {}) {
    super(message, { recoverable: false, ...options });
  }
}

/** The broker refused the virtual host, or the user has no access to it. */
export class AccessRefusedError extends ConnectionError {
  constructor(message: string, options: AmqpErrorOptions = {}) {
    super(message, { recoverable: false, ...options });
  }
}

/** What answered does not speak AMQP 0-9-1. */
export class ProtocolMismatchError extends ConnectionError {
  constructor(message: string, options: AmqpErrorOptions = {}) {
    super(message, { recoverable: false, ...options });
  }
}

/** The stream ended or failed without a closing handshake. */
export class ConnectionLostError extends ConnectionError {}

/** Nothing was heard from the broker for the heartbeat time-out. */
export class HeartbeatTimeoutError extends ConnectionLostError {}

/** The broker kept the connection blocked for longer than `blockedTimeout`. */
export class BlockedTimeoutError extends ConnectionError {}

/** The broker closed the connection (connection.close). */
export class ConnectionClosedByBrokerError extends ConnectionError {
  declare readonly replyCode: number;
  declare readonly replyText: string;

  constructor(reply: BrokerReply, options: AmqpErrorOptions = {}) {
    super(`the broker closed the connection: ${String(reply.replyCode)} ${reply.replyText}`, { ...options, reply });
  }
}

/** The connection was closed by this program. */
export class ConnectionClosedError extends ConnectionError {
  constructor(message = 'the connection is closed', options: AmqpErrorOptions = {}) {
    super(message, { recoverable: false, ...options });
  }
}

// --- the channel ----------------------------------------------------------------------------------

/** The root of the errors that end a channel alone. */
export class ChannelError extends AmqpError {
  constructor(message: string, options: AmqpErrorOptions = {}) {
    super(message, { recoverable: true, ...options });
  }
}

/** The broker closed the channel (channel.close), for instance 404 or 406. */
export class ChannelClosedByBrokerError extends ChannelError {
  declare readonly replyCode: number;
  declare readonly replyText: string;

  constructor(reply: BrokerReply) {
    super(`the broker closed the channel: ${String(reply.replyCode)} ${reply.replyText}`, { reply });
  }
}

/**
 * The broker closed the channel because a delivery was left unsettled for longer than its consumer_timeout (30 minutes
 * unless configured): https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout
 */
export class ConsumerTimeoutError extends ChannelClosedByBrokerError {
  /** What RabbitMQ says of it. */
  static isToldBy({ replyCode, replyText }: BrokerReply): boolean {
    return replyCode === 406 && /delivery acknowledgement on channel \d+ timed out/.test(replyText);
  }
}

/** The channel was closed by this program. */
export class ChannelClosedError extends ChannelError {
  constructor(message = 'the channel is closed', options: AmqpErrorOptions = {}) {
    super(message, { recoverable: false, ...options });
  }
}

/**
 * The channel or its connection was lost with a transaction open: what was published and settled in it is undone by the
 * broker, unless `isOutcomeUnknown`. The transaction has to be made again; the channel is in a new, empty one.
 */
export class TransactionLostError extends ChannelError {
  /** True when tx.commit was on its way: the broker may have done it. */
  readonly isOutcomeUnknown: boolean;

  constructor(isOutcomeUnknown: boolean, cause: unknown) {
    super(
      isOutcomeUnknown
        ? `tx.commit was sent, but its answer was lost: ${messageOf(cause)}`
        : `the transaction was lost with its channel: ${messageOf(cause)}`,
      { cause },
    );
    this.isOutcomeUnknown = isOutcomeUnknown;
  }
}

/** A consumer tag is taken on this channel. Nothing was sent. */
export class DuplicateConsumerTagError extends ChannelError {
  /** The tag. */
  readonly consumerTag: string;

  constructor(consumerTag: string) {
    super(`consumer tag "${consumerTag}" is in use on this channel`, { recoverable: false });
    this.consumerTag = consumerTag;
  }
}

/** The broker cancelled the consumer (basic.cancel), for instance because its queue was deleted. */
export class ConsumerCancelledError extends ChannelError {
  /** Its tag. */
  readonly consumerTag: string;
  /**
   * Whether its queue was there right after it; undefined where nobody asked. RabbitMQ gives no reason. It is asked for
   * when a consumer is cancelled that may have unsettled deliveries: where the queue is there, one of these was most
   * likely left for longer than the consumer_timeout (quorum queues from 4.3 on).
   */
  readonly isQueueThere: boolean | undefined;

  constructor(consumerTag: string, queue: string, isQueueThere?: boolean) {
    const reasons = {
      true: ', which is still there: a delivery was left unsettled for longer than consumer_timeout, or its leader went',
      false: ', which is gone',
      undefined: '',
    } as const;
    super(`the broker cancelled consumer "${consumerTag}" of queue "${queue}"${reasons[`${isQueueThere}`]}`);
    this.consumerTag = consumerTag;
    this.isQueueThere = isQueueThere;
  }
}

/**
 * A message is larger than `maxMessageSize`. It was not kept, and went back to its queue; the consumer that it was for is
 * cancelled, since it would come again at once, and is tried again later. Of a consumer without acknowledgements, and of
 * basic.get without, the message is gone.
 */
export class MessageTooLargeError extends ChannelError {
  /** Size of its body in bytes. */
  readonly size: number;
  /** `maxMessageSize` in bytes. */
  readonly limit: number;

  constructor(size: number, limit: number) {
    super(`a message of ${String(size)} bytes exceeds maxMessageSize ${String(limit)}`);
    this.size = size;
    this.limit = limit;
  }
}

// --- the outcome of a publish ---------------------------------------------------------------------

/** The root of the outcomes of `publish` other than confirmed. */
export class PublishError extends AmqpError {
  /** Where the message was to be published. */
  readonly exchange: string;
  /** The routing key that it has. */
  readonly routingKey: string;

  constructor(message: string, exchange: string, routingKey: string, options: AmqpErrorOptions = {}) {
    super(message, options);
    this.exchange = exchange;
    this.routingKey = routingKey;
  }
}

function destination(exchange: string, routingKey: string): string {
  return `exchange "${exchange}", routing key "${routingKey}"`;
}

/** Mandatory, and no queue took it (basic.return). The message is not in the broker. */
export class UnroutableError extends PublishError {
  declare readonly replyCode: number;
  declare readonly replyText: string;

  constructor(reply: Pick<BrokerReply, 'replyCode' | 'replyText'>, exchange: string, routingKey: string) {
    super(
      `returned by the broker: ${String(reply.replyCode)} ${reply.replyText} (${destination(exchange, routingKey)})`,
      exchange,
      routingKey,
      { recoverable: true, reply: { ...reply, classId: 0, methodId: 0 } },
    );
  }
}

/** The broker refused responsibility (basic.nack), for instance a full queue with `reject-publish`. */
export class NackError extends PublishError {
  constructor(exchange: string, routingKey: string) {
    super(`rejected by the broker with basic.nack (${destination(exchange, routingKey)})`, exchange, routingKey, {
      recoverable: true,
    });
  }
}

/** Sent, and the channel or connection went before the broker answered: it may or may not have arrived. */
export class UnknownOutcomeError extends PublishError {
  constructor(exchange: string, routingKey: string, cause: unknown) {
    super(
      `sent, but the answer was lost (${destination(exchange, routingKey)}): ${messageOf(cause)}`,
      exchange,
      routingKey,
      { recoverable: true, cause },
    );
  }
}

/** Never sent (buffer full, offline time-out, aborted, closed): it is safe to send it again. */
export class NotSentError extends PublishError {
  constructor(reason: string, exchange: string, routingKey: string, cause?: unknown) {
    super(`not sent: ${reason} (${destination(exchange, routingKey)})`, exchange, routingKey, {
      recoverable: true,
      cause,
    });
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Anything that was thrown, as an AmqpError. */
export function asAmqpError(thrown: unknown): AmqpError {
  return thrown instanceof AmqpError ? thrown : new AmqpError(messageOf(thrown), { cause: thrown });
}

/** Anything that was thrown, as the end of a connection. */
export function asConnectionError(thrown: unknown): ConnectionError {
  if (thrown instanceof ConnectionError) return thrown;
  return new ConnectionError(messageOf(thrown), {
    cause: thrown,
    recoverable: thrown instanceof AmqpError ? thrown.recoverable : true,
  });
}

/** Anything that was thrown, as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
