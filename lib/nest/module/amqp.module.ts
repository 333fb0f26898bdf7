/** AmqpModule: one connection of an application, with what it declares. Wires only. */
import { ConfigurableModuleBuilder, Inject, Module } from '@nestjs/common';
import { AmqpConsumersModule } from './amqp-consumers.module.js';
import { AmqpCoreModule } from './amqp-core.module.js';
import { defaultConnection, type AmqpModuleExtras, type AmqpModuleOptions } from './amqp-options.js';
import { AmqpConnections } from './connections.js';

const optionsToken = Symbol.for('leveret:options');
const connectionNameToken = Symbol.for('leveret:connection-name');

/** What a class given to `forRootAsync({ useClass })` or `useExisting` implements. */
export interface AmqpOptionsFactory {
  createAmqpOptions(): AmqpModuleOptions | Promise<AmqpModuleOptions>;
}

const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<AmqpModuleOptions>({
  moduleName: 'Amqp',
  optionsInjectionToken: optionsToken,
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createAmqpOptions')
  .setExtras<AmqpModuleExtras>({ name: defaultConnection, isGlobal: true }, (definition, { name, isGlobal }) => ({
    ...definition,
    global: isGlobal ?? true,
    imports: [...(definition.imports ?? []), AmqpCoreModule, AmqpConsumersModule],
    providers: [...(definition.providers ?? []), { provide: connectionNameToken, useValue: name ?? defaultConnection }],
    exports: [AmqpCoreModule],
  }))
  .build();

/**
 * A connection to RabbitMQ, its consumers and publishers.
 *
 * `AmqpModule.forRoot({ url, exchanges, name?, isGlobal? })`, or `forRootAsync({ useFactory | useClass | useExisting,
 * inject, imports, name?, isGlobal? })`; a further connection is a further call with a `name`.
 *
 * Module init connects and declares; consumers start after every bootstrap hook of the application, and drain before
 * its first destroy hook; connections close last. Options that are unknown or wrong, handlers that contradict each
 * other and declarations that the broker refuses end the start with a ConfigurationError.
 */
@Module({})
export class AmqpModule extends ConfigurableModuleClass {
  constructor(
    @Inject(optionsToken) options: AmqpModuleOptions,
    @Inject(connectionNameToken) name: string,
    @Inject(AmqpConnections) connections: AmqpConnections,
  ) {
    super();
    connections.add(name, options);
  }
}
