// A Nest service with many handlers: one queue, an @EventPattern for each. A session as in client.mjs.
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, Payload } from '@nestjs/microservices';
import { AmqpClient, AmqpServer } from '../../dist/esm/index.js';
import { slidingWindow } from '../flow.mjs';
import { applicationOptions, decorate } from '../nest/support.mjs';
import { cpuOf } from './client.mjs';

export async function connect(url) {
  let service;
  let client;

  return {
    async handlers({ count, messages, queue }) {
      let onEvent;
      class Orders {}
      const handler = (order) => onEvent(order);
      for (let index = 0; index < count; index++) {
        const method = `on${index}`;
        // Nest finds handlers by their functions: each has one of its own.
        Orders.prototype[method] = { [method]: (order) => handler(order) }[method];
        decorate(Orders, method, [EventPattern(`order.${index}`)], [Payload()]);
      }
      Controller()(Orders);
      class Application {}
      Module({ controllers: [Orders] })(Application);
      const setup = await cpuOf(count, async () => {
        service = await NestFactory.createMicroservice(Application, {
          ...applicationOptions,
          strategy: new AmqpServer({ url, queue, prefetch: 100, noAssert: true }),
        });
        await service.listen();
      });
      client = new AmqpClient({ url, queue, persistent: false });
      await client.connect();
      let sent = 0;
      const order = { id: 4711, note: 'x'.repeat(200) };
      const message = await cpuOf(messages, () =>
        slidingWindow(messages, 100, (done, failed) => {
          onEvent = done;
          client.emit(`order.${sent++ % count}`, order).subscribe({ error: failed });
        }),
      );
      await client.close();
      await service.close();
      return { setup, message };
    },

    async close() {},
  };
}
