/** IdempotencyModule: the store of idempotent handlers. Wires only. */
import { ConfigurableModuleBuilder, Inject, Module } from '@nestjs/common';
import { DiscoveryModule, ModulesContainer } from '@nestjs/core';
import { afterConsumers, setModuleDistance } from '../module/module-order.js';
import type { IdempotencyModuleOptions } from './idempotency-options.js';
import { idempotencyToken } from './idempotency.interceptor.js';
import { idempotencyOptionsToken, IdempotencyService } from './idempotency.service.js';

/** What a class given to `forRootAsync({ useClass })` or `useExisting` implements. */
export interface IdempotencyOptionsFactory {
  createIdempotencyOptions(): IdempotencyModuleOptions | Promise<IdempotencyModuleOptions>;
}

const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<IdempotencyModuleOptions>({
  moduleName: 'Idempotency',
  optionsInjectionToken: idempotencyOptionsToken,
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createIdempotencyOptions')
  .setExtras<object>({}, (definition) => ({ ...definition, global: true }))
  .build();

/**
 * What `@Idempotent` needs, once for an application: `IdempotencyModule.forRoot({ store })`, or
 * `forRootAsync({ useFactory | useClass | useExisting, inject, imports })`. It forgets old keys now and then. Options that are
 * unknown or wrong, and handlers that cannot be idempotent, end the start with a ConfigurationError.
 */
@Module({
  imports: [DiscoveryModule],
  providers: [IdempotencyService, { provide: idempotencyToken, useExisting: IdempotencyService }],
  exports: [idempotencyToken],
})
export class IdempotencyModule extends ConfigurableModuleClass {
  constructor(@Inject(ModulesContainer) modules: ModulesContainer) {
    super();
    setModuleDistance(modules, IdempotencyModule, afterConsumers);
  }
}
