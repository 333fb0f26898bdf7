/** A delivery as amqplib gives it, for handlers that were written for Nest's own RabbitMQ transport. */
import type { Delivery } from '../../amqp/index.js';

/** What those handlers read of a message beside its `properties`. */
export interface AmqplibMessage {
  readonly content: Buffer;
  readonly fields: {
    readonly consumerTag: string;
    readonly deliveryTag: number;
    readonly redelivered: boolean;
    readonly exchange: string;
    readonly routingKey: string;
  };
}

/** The delivery itself, with amqplib's names beside its own. */
export function asAmqplibMessage(delivery: Delivery): Delivery & AmqplibMessage {
  if (!('content' in delivery)) {
    const { consumerTag, deliveryTag, redelivered, exchange, routingKey, body } = delivery;
    Object.defineProperties(delivery, {
      content: { value: body },
      fields: { value: { consumerTag, deliveryTag, redelivered, exchange, routingKey } },
    });
  }
  return delivery as Delivery & AmqplibMessage;
}
