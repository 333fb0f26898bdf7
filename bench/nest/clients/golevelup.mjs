// @golevelup/nestjs-rabbitmq (https://golevelup.github.io/nestjs/modules/rabbitmq.html), over amqp-connection-manager and
// amqplib. All of it on one connection and one channel, as by default. noDelay is set: without it requests are some 550 a
// second, for their small segments wait for each other (Nagle).
// publish: AmqpConnection.publish(), which resolves at the confirmation.
// consume: @RabbitSubscribe, acknowledged once the handler returned.
// request: AmqpConnection.request() and @RabbitRPC; the server confirms replies, and acknowledges after them.
import { applicationOptions, decorate, sessionOf } from '../support.mjs';

export async function connect(url, load) {
  const { Module } = await load('@nestjs/common');
  const { NestFactory } = await load('@nestjs/core');
  const { AmqpConnection, RabbitMQModule, RabbitRPC, RabbitSubscribe } = await load('@golevelup/nestjs-rabbitmq');

  async function start(prefetchCount, providers) {
    class Application {}
    Module({
      imports: [
        RabbitMQModule.forRoot({
          uri: url,
          prefetchCount,
          connectionManagerOptions: { connectionOptions: { noDelay: true } },
        }),
      ],
      providers,
    })(Application);
    const application = await NestFactory.createApplicationContext(Application, applicationOptions);
    return { application, connection: application.get(AmqpConnection, { strict: false }) };
  }

  const asItIs = (queue) => ({ queue, createQueueIfNotExists: false });

  return sessionOf({
    async publisher({ queue }) {
      const { application, connection } = await start(undefined, []);
      return { application, publish: (order) => connection.publish('', queue, order, { persistent: false }) };
    },

    async consumer({ queue, prefetch, onOrder }) {
      class Orders {
        onOrder(order) {
          onOrder(order);
        }
      }
      decorate(Orders, 'onOrder', [RabbitSubscribe(asItIs(queue))]);
      const { application, connection } = await start(prefetch, [Orders]);
      return { application, ask: () => connection.channel.checkQueue(queue) };
    },

    async requester({ queue, prefetch, onOrder }) {
      class Orders {
        onOrder(order) {
          return onOrder(order);
        }
      }
      decorate(Orders, 'onOrder', [RabbitRPC({ ...asItIs(queue), routingKey: queue })]);
      const { application, connection } = await start(prefetch, [Orders]);
      return {
        application,
        ask: () => connection.channel.checkQueue(queue),
        request: (payload) =>
          connection.request({ exchange: '', routingKey: queue, payload, publishOptions: { persistent: false } }),
      };
    },
  });
}
