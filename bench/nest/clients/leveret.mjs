// leveret as a NestJS application has it: AmqpModule and its decorators.
// publish: an injected Publisher; the promise of publish(). Persistent unless told otherwise: it is told.
// consume: @Consume, acknowledged once the handler returned.
// request: AmqpClient.request(), whose other side is AmqpServer (the module has no requests of its own).
import { applicationOptions, decorate, sessionOf } from '../support.mjs';
import { pattern } from '../scenarios.mjs';
import { serve } from './leveret-transport.mjs';

export async function connect(url, load) {
  const { Module } = await load('@nestjs/common');
  const { NestFactory } = await load('@nestjs/core');
  const { AmqpContext, AmqpModule, Consume, InjectPublisher } = await load('leveret');

  async function applicationWith(provider) {
    class Application {}
    Module({ imports: [AmqpModule.forRoot({ url })], providers: [provider] })(Application);
    return NestFactory.createApplicationContext(Application, applicationOptions);
  }

  return sessionOf({
    async publisher({ queue }) {
      class Checkout {
        constructor(publisher) {
          this.publisher = publisher;
        }
      }
      InjectPublisher({ exchange: '', persistent: false })(Checkout, undefined, 0);
      const application = await applicationWith(Checkout);
      const { publisher } = application.get(Checkout);
      return { application, publish: (order) => publisher.publish(queue, order) };
    },

    async consumer({ queue, prefetch, onOrder }) {
      let channel;
      class Orders {
        onOrder(order) {
          channel ??= AmqpContext.current().channel;
          onOrder(order);
        }
      }
      decorate(Orders, 'onOrder', [Consume({ queue, prefetch, declare: false, parking: false })]);
      const application = await applicationWith(Orders);
      return { application, ask: () => channel.queueDeclare(queue, { passive: true }) };
    },

    async requester(job) {
      const { proxy, ...service } = await serve(url, load, job);
      return { ...service, request: (order) => proxy.request(pattern, order) };
    },
  });
}
