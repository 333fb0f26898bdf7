// Nest's own RabbitMQ transport: ClientRMQ and ServerRMQ, over amqp-connection-manager and amqplib. noDelay is set, which
// was no slower.
// publish: emit(), completed at the confirmation.
// consume: @EventPattern. It acknowledges nothing: either the broker takes messages as done once sent (`noAck`, the
//          default), or the handler acknowledges, as here.
// request: send() and @MessagePattern, likewise; the reply is not waited for.
import { sessionOf } from '../support.mjs';
import { transportApplications } from './transport.mjs';

export async function connect(url, load) {
  const { Transport } = await load('@nestjs/microservices');
  const rabbitmq = (options) => ({
    transport: Transport.RMQ,
    options: { urls: [url], noAssert: true, socketOptions: { connectionOptions: { noDelay: true } }, ...options },
  });
  return sessionOf(
    await transportApplications(load, {
      client: (queue) => rabbitmq({ queue, persistent: false }),
      server: (queue, prefetchCount) => rabbitmq({ queue, prefetchCount, noAck: false }),
      acknowledge: (context) => context.getChannelRef().ack(context.getMessage()),
      ask: (context, queue) => context.getChannelRef().checkQueue(queue),
    }),
  );
}
