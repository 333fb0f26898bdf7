/**
 * Requests and their replies over one channel: with direct reply-to RabbitMQ wants the reply consumer and the requests
 * on the same one. After a loss the channel has its consumer back before it sends what waits.
 */
import type { LoggerService } from '@nestjs/common';
import {
  AmqpError,
  ConnectionClosedError,
  ConnectionLostError,
  NotSentError,
  UnknownOutcomeError,
  UnroutableError,
  type Channel,
  type Connection,
  type Consumer,
  type Delivery,
  type PublishProperties,
} from '../../amqp/index.js';
import { NoReceiverError } from './errors.js';

export const directReplyTo = 'amq.rabbitmq.reply-to';

export interface OutgoingRequest {
  readonly correlationId: string;
  /** For errors. */
  readonly pattern: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
  readonly properties: PublishProperties;
  readonly isMandatory: boolean;
}

export interface RequestListener {
  /** Each reply, in order. */
  onReply(delivery: Delivery): void;
  /** The request is over without a (further) reply. */
  onFailure(error: Error): void;
}

interface PendingRequest {
  readonly pattern: string;
  readonly listener: RequestListener;
  readonly givenUp: AbortController;
  isSent: boolean;
}

export class RequestChannel {
  readonly #channel: Channel;
  readonly #pending = new Map<string, PendingRequest>();
  readonly #logger: LoggerService;
  #consumer: Consumer | undefined;

  private constructor(channel: Channel, connection: Connection, logger: LoggerService) {
    this.#channel = channel;
    this.#logger = logger;
    connection.on('lost', ({ cause }) => {
      this.#failSent(cause);
    });
    channel
      .on('lost', ({ cause }) => {
        logger.warn(`The channel of the requests was closed by RabbitMQ: ${cause.message}. Reopening it.`);
        this.#failSent(cause);
      })
      .on('consumerCancelled', ({ cause }) => {
        logger.warn(`Replies cannot be received: ${cause.message}`);
        this.#failSent(cause);
      })
      .on('closed', ({ cause }) => {
        this.#failAll(cause);
      });
  }

  /** Opens the channel and its reply consumer. `replyQueue`: direct reply-to, '' for an exclusive queue, or a name. */
  static async open(
    connection: Connection,
    replyQueue: string,
    isNoAck: boolean,
    logger: LoggerService,
  ): Promise<RequestChannel> {
    const channel = await connection.openChannel({ confirm: true });
    const requests = new RequestChannel(channel, connection, logger);
    try {
      const isDirect = replyQueue === directReplyTo;
      const queue = replyQueue === '' ? await declareReplyQueue(channel) : replyQueue;
      const onReply = (delivery: Delivery): void => {
        requests.#onReply(delivery);
      };
      requests.#consumer = await channel.basicConsume(queue, onReply, {
        noAck: isDirect || replyQueue === '' || isNoAck,
      });
    } catch (error) {
      await channel.close();
      throw error;
    }
    return requests;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** Sends a request. The answer gives it up: nothing more is told, and it is not sent if it was still waiting. */
  send(request: OutgoingRequest, listener: RequestListener): () => void {
    const { correlationId, pattern } = request;
    const pending: PendingRequest = { pattern, listener, givenUp: new AbortController(), isSent: false };
    this.#pending.set(correlationId, pending);
    const properties = { ...request.properties, correlationId, replyTo: this.#consumer?.queue ?? directReplyTo };
    const options = { mandatory: request.isMandatory, signal: pending.givenUp.signal };
    this.#channel.publish(request.exchange, request.routingKey, request.body, properties, options).then(
      () => {
        pending.isSent = true;
      },
      (error: unknown) => {
        this.#fail(correlationId, publishFailure(error, request));
      },
    );
    return () => {
      this.#pending.delete(correlationId);
      pending.givenUp.abort();
    };
  }

  #onReply(delivery: Delivery): void {
    if (!delivery.isSettled) delivery.ack();
    let correlationId: string | undefined;
    try {
      ({ correlationId } = delivery.properties);
    } catch (error) {
      this.#logger.warn(`A reply cannot be read: ${(error as Error).message}`);
    }
    // A reply that nobody waits for any more is dropped.
    if (correlationId !== undefined) this.#pending.get(correlationId)?.listener.onReply(delivery);
  }

  /** What waits to be sent goes out after the recovery; the replies to what was sent are lost. */
  #failSent(cause: AmqpError): void {
    for (const [correlationId, { isSent, pattern }] of [...this.#pending]) {
      if (isSent)
        this.#fail(correlationId, lost(pattern, 'the connection was lost while it waited for the reply', cause));
    }
  }

  #failAll(cause: AmqpError): void {
    const reason = cause instanceof ConnectionClosedError ? 'the client was closed' : cause.message;
    for (const [correlationId, { pattern }] of [...this.#pending])
      this.#fail(correlationId, lost(pattern, reason, cause));
  }

  #fail(correlationId: string, error: Error): void {
    const pending = this.#pending.get(correlationId);
    if (!pending) return;
    this.#pending.delete(correlationId);
    pending.listener.onFailure(error);
  }
}

async function declareReplyQueue(channel: Channel): Promise<string> {
  return (await channel.queueDeclare('', { durable: false, exclusive: true, autoDelete: true })).queue;
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
