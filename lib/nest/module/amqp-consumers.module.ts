/** The consumers, in a module of their own for the sake of the order of hooks; see module-order.ts. Private. */
import { Inject, Module } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { ConsumersService } from '../consuming/consumers.service.js';
import { HandlerInvoker } from '../consuming/handler-invoker.js';
import { AmqpCoreModule } from './amqp-core.module.js';
import { lastToStart, setModuleDistance } from './module-order.js';

@Module({ imports: [AmqpCoreModule], providers: [HandlerInvoker, ConsumersService] })
export class AmqpConsumersModule {
  constructor(@Inject(ModulesContainer) modules: ModulesContainer) {
    setModuleDistance(modules, AmqpConsumersModule, lastToStart);
  }
}
