/** AmqpModule: one connection of an application, with what it declares. Wires only. */
import { ConfigurableModuleBuilder, Inject, Module, type DynamicModule } from '@nestjs/common';
import { AmqpConsumersModule } from './amqp-consumers.module.js';
import { AmqpCoreModule } from './amqp-core.module.js';
import { AmqpFeatureModule } from './amqp-feature.module.js';
import {
  defaultConnection,
  type AmqpFeatureOptions,
  type AmqpModuleExtras,
  type AmqpModuleOptions,
} from './amqp-options.js';
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

/** Behind `AmqpModule.forServers`. */
@Module({})
class AmqpServersModule {}

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

  /**
   * For an application that has AmqpServer, and no connection of its own here: its servers drain before any destroy hook, and
   * ConsumerRegistry has them. `forRoot` sees to that, too.
   */
  static forServers(): DynamicModule {
    return { module: AmqpServersModule, imports: [AmqpCoreModule, AmqpConsumersModule], exports: [AmqpCoreModule] };
  }

  /**
   * What one feature module wants on the broker: `imports: [AmqpModule.forFeature({ exchanges, queues, bindings })]`. It is
   * declared at start with everything else of its connection (`connection`, default `default`), which `forRoot` configures.
   * The same import in two modules is one. ConfigurationError at start for options that are wrong, and where two declare
   * one exchange or queue otherwise.
   */
  static forFeature(options: AmqpFeatureOptions): DynamicModule {
    return AmqpFeatureModule.forFeature(options);
  }

  /** As `forFeature`, with options that are made at start: `{ useFactory | useClass | useExisting, inject, imports }`. */
  static forFeatureAsync(options: Parameters<(typeof AmqpFeatureModule)['forFeatureAsync']>[0]): DynamicModule {
    return AmqpFeatureModule.forFeatureAsync(options);
  }
}
