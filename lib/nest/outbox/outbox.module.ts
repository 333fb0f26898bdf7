/** OutboxModule: the outbox of an application, and its relay. Wires only. */
import { ConfigurableModuleBuilder, Inject, Module } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { AmqpCoreModule } from '../module/amqp-core.module.js';
import { afterConsumers, setModuleDistance } from '../module/module-order.js';
import type { OutboxModuleOptions } from './outbox-options.js';
import { outboxOptionsToken, OutboxRelay } from './outbox-relay.js';
import { Outbox } from './outbox.js';

/** What a class given to `forRootAsync({ useClass })` or `useExisting` implements. */
export interface OutboxOptionsFactory {
  createOutboxOptions(): OutboxModuleOptions | Promise<OutboxModuleOptions>;
}

const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<OutboxModuleOptions>({
  moduleName: 'Outbox',
  optionsInjectionToken: outboxOptionsToken,
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createOutboxOptions')
  .setExtras<object>({}, (definition) => ({ ...definition, global: true }))
  .build();

/**
 * The outbox, once for an application: `OutboxModule.forRoot({ store, connection?, relay? })`, or
 * `forRootAsync({ useFactory | useClass | useExisting, inject, imports })`; beside an AmqpModule, over whose connection the relay
 * publishes. The relay starts after every bootstrap hook of the application's own modules, and ends before their first destroy
 * hook, after the consumers. Options that are unknown or wrong end the start with a ConfigurationError.
 */
@Module({ imports: [AmqpCoreModule], providers: [OutboxRelay, Outbox], exports: [Outbox] })
export class OutboxModule extends ConfigurableModuleClass {
  constructor(@Inject(ModulesContainer) modules: ModulesContainer) {
    super();
    setModuleDistance(modules, OutboxModule, afterConsumers);
  }
}
