/** Sends replies to whoever asked, past what a forged reply address can do. */
import {
  UnroutableError,
  type Channel,
  type Delivery,
  type MessageBody,
  type PublishProperties,
} from '../../amqp/index.js';

const directReplyPrefix = 'amq.rabbitmq.reply-to.';

/** The request, and who handles it. */
export interface Asked {
  readonly delivery: Delivery;
  readonly replyTo: string;
  /** The queue that it came from, and the channel of its consumer. */
  readonly queue: string;
  readonly channel: Channel;
  /** Acknowledges the request, unless it is settled. */
  readonly acknowledge: () => void;
  /** Nobody waits for the reply any more. */
  readonly onNobody: () => void;
}

/**
 * Resolves when the broker has the reply, or nobody waits for it any more, or the request comes again. `outbox` is a channel
 * with confirms.
 */
export async function sendReply(
  outbox: Channel,
  asked: Asked,
  body: MessageBody,
  properties: PublishProperties,
): Promise<void> {
  const { delivery, replyTo } = asked;
  if (delivery.isStale) return;
  const { correlationId } = delivery.properties;
  // RabbitMQ counts direct reply-to as no queue, so that a mandatory reply would always come back.
  const isDirect = replyTo.startsWith(directReplyPrefix);
  if (isDirect && delivery.redelivered) await acknowledgeAhead(asked);
  try {
    await outbox.publish(
      '',
      replyTo,
      body,
      { contentType: 'application/json', ...properties, correlationId },
      { mandatory: !isDirect },
    );
  } catch (error) {
    if (!(error instanceof UnroutableError)) throw error;
    asked.onNobody();
  }
}

/**
 * RabbitMQ closes the whole connection (541) over a forged direct reply-to, and the unacknowledged request would come
 * back to do it again, for ever. So a request that came back already is done with before its reply is sent; who asked
 * over a connection that is gone waits no more anyway.
 */
async function acknowledgeAhead({ delivery, queue, channel, acknowledge }: Asked): Promise<void> {
  if (delivery.isSettled) return;
  acknowledge();
  // An answer on the same channel shows that the broker has read the ack.
  await channel.queueDeclare(queue, { passive: true });
}
