/** Nest's own RabbitMQ transport, on amqplib and amqp-connection-manager. */
import { Transport } from '@nestjs/microservices';
import { queueOptions, type Wiring } from './wiring.js';

export function wireWithNest(url: string): Wiring {
  return {
    title: "Nest's own",
    server: (queue) => ({
      transport: Transport.RMQ,
      options: {
        urls: [url],
        queue,
        queueOptions,
        // With `noAck: true`, Nest's default, the broker forgets a message once it is sent: those that the service has
        // not handled when it stops would be lost. So its handlers acknowledge by hand.
        noAck: false,
        prefetchCount: 20,
      },
    }),
    client: (name, queue) => ({
      name,
      transport: Transport.RMQ,
      options: { urls: [url], queue, queueOptions, persistent: true },
    }),
  };
}
