import type { RmqContext } from '@nestjs/microservices';

/** As handlers of Nest's own transport acknowledge with `noAck: false`. AmqpServer's context has the same methods. */
export function acknowledge(context: RmqContext): void {
  const channel = context.getChannelRef() as { ack(message: unknown): void };
  channel.ack(context.getMessage());
}
