/** Runs idempotent handlers under their keys, finds out at start what is wrong with them, and forgets old keys. */
import {
  Inject,
  Injectable,
  Logger,
  type ExecutionContext,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { DiscoveryService, MetadataScanner, ModuleRef } from '@nestjs/core';
import type { AmqpContext } from '../consuming/amqp-context.js';
import { consumeKey, idempotentKey, isTransportHandler } from '../decorators/metadata.js';
import { discoverMethods } from '../discovery.js';
import { ConfigurationError, describeError } from '../errors.js';
import { runInTransaction } from '../transactions/current-transaction.js';
import { wait } from '../waiting.js';
import { IdempotencyStoreError, KeyInUseError, MissingMessageIdError } from './errors.js';
import {
  checkIdempotencyOptions,
  idempotencyDefaults as defaults,
  type IdempotencyModuleOptions,
} from './idempotency-options.js';
import type { IdempotencyKey, IdempotencyStore, ProtectOutcome } from './idempotency-store.js';
import type { Protection } from './idempotency.interceptor.js';
import type { IdempotentMetadata, IdempotentOptions } from './idempotent.decorator.js';
import { storableKey } from './message-key.js';
import { resolveStore } from './resolve-store.js';

export const idempotencyOptionsToken = Symbol.for('leveret:idempotency-options');

/** Milliseconds between two looks at a key that is in use: the first, and the longest. */
const firstLook = 20;
const longestLook = 500;
/** Keys that are forgotten in one statement, and how many of these follow each other at most. */
const forgottenAtOnce = 1_000;
const mostForgettings = 50;

/** Nest's own: what a handler of the transport is. 1: of `@MessagePattern`. */
const handlerTypeKey = 'microservices:handler_type';
const requestHandler = 1;

/** One handler, with all defaults. */
interface Settings {
  readonly scope: string;
  readonly store: IdempotencyStore;
  readonly key: IdempotentOptions['key'];
  readonly keep: number;
  readonly wait: number;
}

type HandlerClass = abstract new (...values: never[]) => unknown;

@Injectable()
export class IdempotencyService implements Protection, OnModuleInit, OnApplicationBootstrap, OnModuleDestroy {
  readonly #options: IdempotencyModuleOptions;
  readonly #modules: ModuleRef;
  readonly #discovery: DiscoveryService;
  readonly #scanner: MetadataScanner;
  readonly #logger = new Logger('IdempotencyModule');
  readonly #settings = new Map<object, Map<unknown, Settings>>();
  readonly #stores = new Set<IdempotencyStore>();
  readonly #ending = new AbortController();
  #forgetting: Promise<void> | undefined;

  constructor(
    @Inject(idempotencyOptionsToken) options: IdempotencyModuleOptions,
    @Inject(ModuleRef) modules: ModuleRef,
    @Inject(DiscoveryService) discovery: DiscoveryService,
    @Inject(MetadataScanner) scanner: MetadataScanner,
  ) {
    checkIdempotencyOptions(options);
    this.#options = options;
    this.#modules = modules;
    this.#discovery = discovery;
    this.#scanner = scanner;
    this.#stores.add(options.store);
  }

  /** Throws ConfigurationError, naming the handler. */
  onModuleInit(): void {
    const scopes = new Map<
      string,
      { readonly name: string; readonly owner: unknown; readonly store: IdempotencyStore }
    >();
    for (const { handler, prototype, name } of discoverMethods(this.#discovery, this.#scanner)) {
      const metadata = Reflect.getOwnMetadata(idempotentKey, handler) as IdempotentMetadata | undefined;
      if (!metadata) continue;
      const isEvent = isTransportHandler(handler) && Reflect.getMetadata(handlerTypeKey, handler) !== requestHandler;
      if (!isEvent && !Reflect.hasOwnMetadata(consumeKey, handler)) {
        throw new ConfigurationError(name, '@Idempotent belongs on a handler with @Consume or @EventPattern');
      }
      const owner = prototype.constructor as HandlerClass;
      const { scope, store } = this.#settingsOf(owner, handler, metadata);
      const other = scopes.get(scope);
      if (other && (other.owner !== owner || other.name !== name) && other.store === store) {
        throw new ConfigurationError(
          name,
          `@Idempotent: ${other.name} has the scope "${scope}" too, and one would take the other's messages for done; ` +
            'give one of them a scope of its own',
        );
      }
      scopes.set(scope, { name, owner, store });
      this.#stores.add(store);
    }
  }

  onApplicationBootstrap(): void {
    const { forgetInterval = defaults.forgetInterval } = this.#options;
    if (forgetInterval > 0) this.#forgetting = this.#forgetNowAndThen(forgetInterval);
  }

  /** After the consumers have drained. */
  async onModuleDestroy(): Promise<void> {
    this.#ending.abort();
    await this.#forgetting;
  }

  /** @internal Resolves with what the work resolved with, or, for a repeat, with undefined. */
  async run(
    host: ExecutionContext,
    context: AmqpContext,
    payload: unknown,
    work: () => Promise<unknown>,
  ): Promise<unknown> {
    const handler = host.getHandler();
    const metadata = Reflect.getOwnMetadata(idempotentKey, handler) as IdempotentMetadata;
    const settings = this.#settingsOf(host.getClass(), handler, metadata);
    const key = { scope: settings.scope, key: await keyOf(settings, payload, context) };
    const attempt = new Attempt(context, work);
    const until = performance.now() + settings.wait;
    for (let pause = firstLook; ; pause = Math.min(pause * 2, longestLook)) {
      const outcome = await this.#protect(settings, key, attempt, context);
      if (outcome === 'done') return attempt.value;
      if (outcome === 'repeated') {
        this.#logger.debug(`${settings.scope}: a message that is done came again; acknowledged`);
        return undefined;
      }
      const left = until - performance.now();
      if (left <= 0 || context.signal.aborted) throw new KeyInUseError(settings.scope, settings.wait);
      await wait(Math.min(left, pause * (0.5 + Math.random())), context.signal);
    }
  }

  async #protect(
    { store, keep }: Settings,
    key: IdempotencyKey,
    attempt: Attempt,
    context: AmqpContext,
  ): Promise<ProtectOutcome> {
    const options = {
      keep,
      get signal() {
        return context.signal;
      },
    };
    let outcome: ProtectOutcome;
    try {
      outcome = await store.protect(key, (transaction) => attempt.run(transaction), options);
    } catch (error) {
      if (attempt.wasGivenBack) return 'done';
      const isKnown = attempt.failure?.error === error || error === context.signal.reason;
      if (isKnown || error instanceof IdempotencyStoreError) throw error;
      throw new IdempotencyStoreError(describeError(error).message, { cause: error });
    }
    // Whatever a store of the user's says of it.
    if (attempt.failure) throw attempt.failure.error;
    return outcome;
  }

  #settingsOf(owner: HandlerClass, handler: object, { method, options }: IdempotentMetadata): Settings {
    const known = this.#settings.get(handler) ?? new Map<unknown, Settings>();
    this.#settings.set(handler, known);
    let settings = known.get(owner);
    if (!settings) {
      // Of the class that has it, not the one that it inherits it from: two of these may be given one message.
      const { scope = `${owner.name}.${method}`, store = this.#options.store, key } = options;
      settings = {
        scope,
        store: resolveStore(store, this.#modules, scope),
        key,
        keep: options.keep ?? this.#options.keep ?? defaults.keep,
        wait: options.wait ?? this.#options.wait ?? defaults.wait,
      };
      known.set(owner, settings);
    }
    return settings;
  }

  async #forgetNowAndThen(interval: number): Promise<void> {
    let isFailing = false;
    while (!this.#ending.signal.aborted) {
      await wait(interval * (0.75 + Math.random() / 2), this.#ending.signal);
      try {
        for (const store of this.#stores) await this.#forgetOld(store);
        isFailing = false;
      } catch (error) {
        if (!isFailing)
          this.#logger.warn(`old keys could not be forgotten: ${describeError(error).message}; tried again`);
        isFailing = true;
      }
    }
  }

  async #forgetOld(store: IdempotencyStore): Promise<void> {
    for (let count = 0; count < mostForgettings && !this.#ending.signal.aborted; count += 1) {
      const forgotten = (await store.forgetOld?.(forgottenAtOnce)) ?? 0;
      if (forgotten < forgottenAtOnce) return;
    }
  }
}

async function keyOf({ scope, key }: Settings, payload: unknown, context: AmqpContext): Promise<string> {
  const given: unknown = key ? await key(payload as never, context) : context.getProperties().messageId;
  if (typeof given !== 'string' || given === '') {
    throw new MissingMessageIdError(scope, key ? 'its "key" gave the message none' : 'the message has no message id');
  }
  return storableKey(given);
}

const doneByCommit =
  'an @Idempotent handler says that its message is done with by returning: acknowledged before its key is remembered, it could be lost';

/** Thrown within the store where the handler gave its message away, so that the key stays free. */
class GivenBack extends Error {}

/** The handler at one message. */
class Attempt {
  value: unknown;
  failure: { readonly error: unknown } | undefined;
  wasGivenBack = false;
  readonly #context: AmqpContext;
  readonly #work: () => Promise<unknown>;

  constructor(context: AmqpContext, work: () => Promise<unknown>) {
    this.#context = context;
    this.#work = work;
  }

  async run(transaction: unknown): Promise<void> {
    const { settlement } = this.#context;
    settlement?.refuseDone(doneByCommit);
    try {
      this.value = await runInTransaction(transaction, this.#work);
    } catch (error) {
      this.failure = { error };
      throw error;
    } finally {
      settlement?.refuseDone(undefined);
    }
    const kind = settlement?.kind;
    if (kind === undefined) return;
    this.wasGivenBack = true;
    throw new GivenBack(`the handler settled its message itself: ${kind}`);
  }
}
