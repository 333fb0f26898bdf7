/**
 * Requests and their replies over one channel: with direct reply-to RabbitMQ wants the reply consumer and the requests
 * on the same one. After a loss the channel has its consumer back before it sends what waits.
 */
import type { LoggerService } from '@nestjs/common';
import {
  AmqpError,
  ArgumentError,
  ConnectionClosedError,
  ConnectionLostError,
  NotSentError,
  UnknownOutcomeError,
  UnroutableError,
  type Channel,
  type Connection,
  type ConnectionEvents,
  type Consumer,
  type Delivery,
  type MessageBody,
  type PublishProperties,
} from '../../amqp/index.js';
import { NoReceiverError } from './errors.js';

export const directReplyTo = 'amq.rabbitmq.reply-to';
const lostWhileWaiting = 'the connection was lost while it waited for the reply';

export interface OutgoingRequest {
  readonly correlationId: string;
  /** For errors. */
  readonly pattern: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: MessageBody;
  readonly properties: PublishProperties;
  readonly isMandatory: boolean;
}

export interface RequestListener {
  /** Each reply, in order. */
  onReply(delivery: Delivery): void;
  /** The request is over without a (further) reply. */
  onFailure(error: Error): void;
}

export interface ReplyQueueOptions {
  /** `amq.rabbitmq.reply-to`, '' for an exclusive queue, or the name of one that is there. */
  readonly replyQueue: string;
  /** Replies from a named queue are taken without acknowledgement. */
  readonly isNoAck: boolean;
}

export interface RequestChannelHost {
  readonly logger: LoggerService;
  /** Whether replies can be received. */
  onStatus(status: 'connected' | 'unconsumed'): void;
  /** The channel is over, and takes no more requests. */
  onEnd(): void;
}

interface PendingRequest {
  readonly pattern: string;
  readonly listener: RequestListener;
  /** Where it has to wait before it is sent. */
  readonly givenUp: AbortController | undefined;
  isSent: boolean;
}

export class RequestChannel {
  readonly #channel: Channel;
  readonly #pending = new Map<string, PendingRequest>();
  readonly #host: RequestChannelHost;
  #consumer: Consumer | undefined;
  /** Why no reply can be received for now. */
  #unconsumed: AmqpError | undefined;

  private constructor(channel: Channel, host: RequestChannelHost) {
    this.#channel = channel;
    this.#host = host;
    channel
      .on('lost', ({ cause }) => {
        host.logger.warn(`The channel of the requests was closed by RabbitMQ: ${cause.message}. Reopening it.`);
        this.#failSent(cause);
      })
      .on('recovered', ({ broken }) => {
        this.#noteBroken(broken);
      })
      .on('consumerCancelled', ({ cause }) => {
        this.#noteUnconsumed(cause);
      })
      .on('consumerRecovered', () => {
        this.#unconsumed = undefined;
        host.logger.log('Replies can be received again.');
        host.onStatus('connected');
      })
      .on('closed', ({ cause }) => {
        this.#failAll(cause);
        host.onEnd();
      });
  }

  /** Opens the channel and its reply consumer. */
  static async open(
    connection: Connection,
    { replyQueue, isNoAck }: ReplyQueueOptions,
    host: RequestChannelHost,
  ): Promise<RequestChannel> {
    const channel = await connection.openChannel({ confirm: true });
    const requests = new RequestChannel(channel, host);
    try {
      const isNamed = replyQueue !== directReplyTo && replyQueue !== '';
      if (isNamed) await warnWhenShared(channel, replyQueue, host.logger);
      const queue = replyQueue === '' ? await declareReplyQueue(channel) : replyQueue;
      const onReply = (delivery: Delivery): void => {
        requests.#onReply(delivery);
      };
      requests.#consumer = await channel.basicConsume(queue, onReply, { noAck: !isNamed || isNoAck });
    } catch (error) {
      await channel.close();
      throw error;
    }
    requests.#follow(connection);
    return requests;
  }

  /** For as long as the channel is not over. */
  #follow(connection: Connection): void {
    const onLost = ({ cause }: ConnectionEvents['lost']): void => {
      this.#failSent(cause);
    };
    const onRecovered = ({ broken }: ConnectionEvents['recovered']): void => {
      this.#noteBroken(broken);
    };
    connection.on('lost', onLost).on('recovered', onRecovered);
    this.#channel.on('closed', () => {
      connection.off('lost', onLost).off('recovered', onRecovered);
    });
  }

  get size(): number {
    return this.#pending.size;
  }

  /**
   * Sends a request. The answer gives it up: nothing more is told, and it is not sent if it was still waiting. It fails at
   * once while no reply could be received.
   */
  send(request: OutgoingRequest, listener: RequestListener): () => void {
    const { correlationId, pattern } = request;
    if (this.#pending.has(correlationId)) {
      listener.onFailure(new ArgumentError('correlationId', `another request waits with "${correlationId}"`));
      return () => undefined;
    }
    const givenUp = this.#channel.hasRoom ? undefined : new AbortController();
    const pending: PendingRequest = { pattern, listener, givenUp, isSent: false };
    this.#pending.set(correlationId, pending);
    if (this.#unconsumed) this.#failUnconsumed(correlationId, pattern, this.#unconsumed);
    else this.#publish(request, pending);
    return () => {
      if (this.#pending.delete(correlationId) && !pending.isSent) givenUp?.abort();
    };
  }

  #publish(request: OutgoingRequest, pending: PendingRequest): void {
    const { correlationId, pattern } = request;
    const properties = { ...request.properties, correlationId, replyTo: this.#consumer?.queue ?? directReplyTo };
    const options = { mandatory: request.isMandatory, signal: pending.givenUp?.signal };
    this.#channel.publish(request.exchange, request.routingKey, request.body, properties, options).then(
      () => {
        pending.isSent = true;
        // The broker may close the channel right behind the confirm: then the loss was told of before this.
        if (!this.#channel.isOpen) this.#fail(correlationId, lost(pattern, lostWhileWaiting, undefined));
        else if (this.#unconsumed) this.#failUnconsumed(correlationId, pattern, this.#unconsumed);
      },
      (error: unknown) => {
        this.#fail(correlationId, publishFailure(error, request));
      },
    );
  }

  #onReply(delivery: Delivery): void {
    if (!delivery.isSettled) delivery.ack();
    let correlationId: string | undefined;
    try {
      ({ correlationId } = delivery.properties);
    } catch (error) {
      this.#host.logger.warn(`A reply cannot be read: ${(error as Error).message}`);
    }
    // A reply that nobody waits for any more is dropped.
    if (correlationId !== undefined) this.#pending.get(correlationId)?.listener.onReply(delivery);
  }

  /** What waits to be sent goes out after the recovery; the replies to what was sent are lost. */
  #failSent(cause: AmqpError): void {
    for (const [correlationId, { isSent, pattern }] of [...this.#pending]) {
      if (isSent) this.#fail(correlationId, lost(pattern, lostWhileWaiting, cause));
    }
  }

  #failAll(cause: AmqpError): void {
    for (const [correlationId, { pattern }] of [...this.#pending]) {
      const isClosed = cause instanceof ConnectionClosedError;
      this.#fail(correlationId, isClosed ? closedMeanwhile(pattern, cause) : lost(pattern, cause.message, cause));
    }
  }

  /** After a recovery: the broker may have refused the reply consumer. */
  #noteBroken(broken: ConnectionEvents['recovered']['broken']): void {
    const own = broken.find(({ kind, name }) => kind === 'consumer' && name === this.#consumer?.consumerTag);
    if (own) this.#noteUnconsumed(own.error);
  }

  #noteUnconsumed(cause: AmqpError): void {
    this.#unconsumed = cause;
    this.#host.logger.warn(`Replies cannot be received: ${cause.message}`);
    this.#host.onStatus('unconsumed');
    for (const [correlationId, { isSent, pattern }] of [...this.#pending])
      if (isSent) this.#failUnconsumed(correlationId, pattern, cause);
  }

  #failUnconsumed(correlationId: string, pattern: string, cause: AmqpError): void {
    this.#fail(correlationId, lost(pattern, `its reply cannot be received, ${cause.message}`, cause));
  }

  #fail(correlationId: string, error: Error): void {
    const pending = this.#pending.get(correlationId);
    if (!pending) return;
    this.#pending.delete(correlationId);
    pending.listener.onFailure(error);
  }
}

/** RabbitMQ gives each of several consumers a part of what comes, and nobody could pass on the replies of another. */
async function warnWhenShared(channel: Channel, replyQueue: string, logger: LoggerService): Promise<void> {
  const { consumerCount } = await channel.queueDeclare(replyQueue, { passive: true });
  if (consumerCount === 0) return;
  logger.warn(
    `Reply queue "${replyQueue}" has another consumer already: replies will be lost. Give each client one of its own.`,
  );
}

async function declareReplyQueue(channel: Channel): Promise<string> {
  return (await channel.queueDeclare('', { durable: false, exclusive: true, autoDelete: true })).queue;
}

/** The error of a request whose client is closed before the reply came. */
export function closedMeanwhile(pattern: string, cause: ConnectionClosedError): ConnectionLostError {
  return lost(pattern, 'the client was closed', cause);
}

function lost(pattern: string, reason: string, cause: unknown): ConnectionLostError {
  return new ConnectionLostError(`request "${pattern}": ${reason}`, { cause });
}

function publishFailure(thrown: unknown, { pattern, exchange, routingKey }: OutgoingRequest): Error {
  if (thrown instanceof UnroutableError) {
    const destination =
      exchange === '' ? `queue "${routingKey}"` : `exchange "${exchange}", routing key "${routingKey}"`;
    return new NoReceiverError(pattern, destination, thrown);
  }
  if (thrown instanceof UnknownOutcomeError) return lost(pattern, 'the connection was lost while it was sent', thrown);
  if (thrown instanceof NotSentError) return lost(pattern, 'it was not sent, there is no connection', thrown);
  return thrown instanceof Error ? thrown : new AmqpError(String(thrown));
}
