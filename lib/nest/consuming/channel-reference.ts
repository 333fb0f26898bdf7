/** What handlers of Nest's own RabbitMQ transport do with `context.getChannelRef()`: settle a message, as amqplib does. */
import type { Delivery } from '../../amqp/index.js';

export interface ChannelReference {
  ack(message: Delivery, allUpTo?: boolean): void;
  /** `requeue` is true unless said. */
  nack(message: Delivery, allUpTo?: boolean, requeue?: boolean): void;
  /** `requeue` is true unless said. */
  reject(message: Delivery, requeue?: boolean): void;
}

export const channelReference: ChannelReference = {
  ack: (message, allUpTo = false) => {
    message.ack({ multiple: allUpTo });
  },
  nack: (message, allUpTo = false, requeue = true) => {
    message.nack({ multiple: allUpTo, requeue });
  },
  reject: (message, requeue = true) => {
    message.reject({ requeue });
  },
};
