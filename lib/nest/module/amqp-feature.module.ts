/** Behind `AmqpModule.forFeature`: what one feature module wants on the broker. Wires only. */
import { ConfigurableModuleBuilder, Inject, Module } from '@nestjs/common';
import { AmqpCoreModule } from './amqp-core.module.js';
import { checkFeatureOptions, type AmqpFeatureOptions } from './amqp-options.js';
import { AmqpConnections } from './connections.js';

const optionsToken = Symbol.for('leveret:feature-options');

const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<AmqpFeatureOptions>({
  moduleName: 'AmqpFeature',
  optionsInjectionToken: optionsToken,
})
  .setClassMethodName('forFeature')
  .setFactoryMethodName('createAmqpFeatureOptions')
  .setExtras<object>({}, (definition) => ({
    ...definition,
    imports: [...(definition.imports ?? []), AmqpCoreModule],
    exports: [AmqpCoreModule],
  }))
  .build();

@Module({})
export class AmqpFeatureModule extends ConfigurableModuleClass {
  constructor(
    @Inject(optionsToken) options: AmqpFeatureOptions,
    @Inject(AmqpConnections) connections: AmqpConnections,
  ) {
    super();
    checkFeatureOptions(options);
    connections.addFeature(options, 'AmqpModule.forFeature');
  }
}
