/** What the AmqpModules of one application share, however many connections it has. Private; wires only. */
import { Inject, Module } from '@nestjs/common';
import { DiscoveryModule, ModulesContainer } from '@nestjs/core';
import { ConsumerRegistry } from '../consuming/consumer-registry.js';
import { HandlerExplorer } from '../consuming/handler-explorer.js';
import { publisherProviders } from '../publishing/publisher-slots.js';
import { PublisherFactory } from '../publishing/publisher-factory.js';
import { RecoveryService } from '../recovery/index.js';
import { RecoveryHooks } from '../recovery/recovery-hooks.js';
import { ParkedMessages } from '../retrying/parked-messages.js';
import { AmqpStarter } from './amqp-starter.js';
import { AmqpConnections } from './connections.js';
import { firstToOpen, setModuleDistance } from './module-order.js';

@Module({
  imports: [DiscoveryModule],
  providers: [
    RecoveryService,
    RecoveryHooks,
    AmqpConnections,
    PublisherFactory,
    HandlerExplorer,
    ConsumerRegistry,
    ParkedMessages,
    AmqpStarter,
    ...publisherProviders,
  ],
  exports: [
    RecoveryService,
    AmqpConnections,
    PublisherFactory,
    ConsumerRegistry,
    ParkedMessages,
    AmqpStarter,
    ...publisherProviders.map(({ provide }) => provide),
  ],
})
export class AmqpCoreModule {
  constructor(@Inject(ModulesContainer) modules: ModulesContainer) {
    setModuleDistance(modules, AmqpCoreModule, firstToOpen);
  }
}
