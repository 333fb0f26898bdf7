// A service and its client through Nest's own classes: the same for Nest's transport and for ours.
//
//   client(queue), server(queue, prefetch)   what ClientsModule.register and createMicroservice are given
//   acknowledge(context)                     called by each handler
//   ask(context, queue)                      a passive declare on the channel of the context
import { pattern } from '../scenarios.mjs';
import { applicationOptions, decorate } from '../support.mjs';

export async function transportApplications(load, { client, server, acknowledge, ask }) {
  const { Controller, Module } = await load('@nestjs/common');
  const { NestFactory } = await load('@nestjs/core');
  const { ClientsModule, Ctx, EventPattern, MessagePattern, Payload } = await load('@nestjs/microservices');
  const { lastValueFrom } = await load('rxjs');

  function moduleWith(parts) {
    class Application {}
    Module(parts)(Application);
    return Application;
  }

  const clients = (queue) => ClientsModule.register([{ name: 'ORDERS', ...client(queue) }]);

  async function startService(queue, prefetch, Orders, imports) {
    Controller()(Orders);
    const application = await NestFactory.createMicroservice(moduleWith({ imports, controllers: [Orders] }), {
      ...applicationOptions,
      ...server(queue, prefetch),
    });
    await application.listen();
    return application;
  }

  return {
    async publisher({ queue }) {
      const application = await NestFactory.createApplicationContext(
        moduleWith({ imports: [clients(queue)] }),
        applicationOptions,
      );
      const proxy = application.get('ORDERS', { strict: false });
      await proxy.connect();
      return {
        application,
        publish: (order) => lastValueFrom(proxy.emit(pattern, order), { defaultValue: undefined }),
      };
    },

    async consumer({ queue, prefetch, onOrder }) {
      let last;
      class Orders {
        onOrder(order, context) {
          last = context;
          onOrder(order);
          acknowledge(context);
        }
      }
      decorate(Orders, 'onOrder', [EventPattern(pattern)], [Payload(), Ctx()]);
      const application = await startService(queue, prefetch, Orders, []);
      return { application, ask: () => ask(last, queue) };
    },

    async requester({ queue, prefetch, onOrder }) {
      let last;
      class Orders {
        onOrder(order, context) {
          last = context;
          const reply = onOrder(order);
          acknowledge(context);
          return reply;
        }
      }
      decorate(Orders, 'onOrder', [MessagePattern(pattern)], [Payload(), Ctx()]);
      const application = await startService(queue, prefetch, Orders, [clients(queue)]);
      const proxy = application.get('ORDERS', { strict: false });
      await proxy.connect();
      return {
        application,
        proxy,
        request: (order) => lastValueFrom(proxy.send(pattern, order)),
        ask: () => ask(last, queue),
      };
    },
  };
}
