/** Finds the hooks of an application, the methods with `@OnRecovery` of its providers and controllers. */
import { Inject, Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { recoveryHooksKey } from '../decorators/metadata.js';
import type { RecoveryHook } from '../decorators/on-recovery.decorator.js';
import { discoverMethods, type DiscoveredMethod } from '../discovery.js';
import { ConfigurationError } from '../errors.js';
import { RecoveryService } from './recovery.service.js';

@Injectable()
export class RecoveryHooks {
  readonly #discovery: DiscoveryService;
  readonly #scanner: MetadataScanner;
  readonly #recovery: RecoveryService;

  constructor(
    @Inject(DiscoveryService) discovery: DiscoveryService,
    @Inject(MetadataScanner) scanner: MetadataScanner,
    @Inject(RecoveryService) recovery: RecoveryService,
  ) {
    this.#discovery = discovery;
    this.#scanner = scanner;
    this.#recovery = recovery;
  }

  /**
   * To be called when all connections are configured and none is open. Throws ConfigurationError for a host that has no
   * one instance, UnknownConnectionError for a connection that is not there.
   */
  register(): void {
    for (const found of discoverMethods(this.#discovery, this.#scanner)) {
      const hooks = (Reflect.getOwnMetadata(recoveryHooksKey, found.handler) as RecoveryHook[] | undefined) ?? [];
      if (hooks.length === 0) continue;
      const { method, name } = found;
      const host = hostOf(found);
      for (const { event, connection } of hooks) {
        // Looked up at each event: a test may have put a spy in its place.
        this.#recovery.addHook(event, name, connection, (value) =>
          (Reflect.get(host, method) as (event: unknown) => unknown).call(host, value),
        );
      }
    }
  }
}

function hostOf({ wrapper, name }: DiscoveredMethod): object {
  const isStatic = wrapper.isDependencyTreeStatic();
  if (isStatic && !wrapper.isTransient) return wrapper.instance as object;
  const problem = isStatic ? 'transient' : 'request-scoped, or depends on one that is';
  throw new ConfigurationError(
    name,
    `@OnRecovery: the class is ${problem}: there is no one instance to tell; move the hook to a class of the default scope`,
  );
}
