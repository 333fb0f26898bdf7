/** The relay: publishes what the store holds, until the application ends. */
import { setMaxListeners } from 'node:events';
import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { describeError } from '../errors.js';
import { PublisherFactory } from '../publishing/publisher-factory.js';
import type { Publisher } from '../publishing/publisher.js';
import {
  checkOutboxOptions,
  relayDefaults as defaults,
  type OutboxModuleOptions,
  type RelayOptions,
} from './outbox-options.js';
import type { OutboxStore, RelayVerdict, StoredMessage } from './outbox-store.js';
import { publishRound } from './relay-round.js';

export const outboxOptionsToken = Symbol.for('leveret:outbox-options');

/** Milliseconds in which a round begins to publish messages. */
const roundLimit = 20_000;
/** Milliseconds that nothing is tried while broker or store are away: at first, and at most. */
const firstPause = 200;
/** Milliseconds until the next look where the last one found something: at least, and doubled while there is nothing more. */
const nextLook = 5;
const longestPause = 10_000;

type RelaySettings = { readonly [Name in keyof RelayOptions]-?: Exclude<RelayOptions[Name], undefined> };

@Injectable()
export class OutboxRelay implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #store: OutboxStore;
  readonly #connection: string | undefined;
  readonly #settings: RelaySettings | undefined;
  readonly #publishers: PublisherFactory;
  readonly #byExchange = new Map<string, Publisher>();
  readonly #logger = new Logger('OutboxRelay');
  /** Aborts what is published, when no time is left. */
  readonly #ending = new AbortController();
  /** When it is to be over; Infinity: not yet. */
  #deadline = Infinity;
  #stopListening: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #isWoken = false;
  #wake: (() => void) | undefined;
  /** What it could not do last, which was told of. */
  #trouble: string | undefined;

  constructor(
    @Inject(outboxOptionsToken) options: OutboxModuleOptions,
    @Inject(PublisherFactory) publishers: PublisherFactory,
  ) {
    checkOutboxOptions(options);
    // All publishes of a round listen to it.
    setMaxListeners(0, this.#ending.signal);
    this.#store = options.store;
    this.#connection = options.connection;
    this.#publishers = publishers;
    const { relay = true } = options;
    this.#settings = relay === false ? undefined : settingsOf(relay === true ? {} : relay);
    // A connection that is not there ends the start.
    this.publisher('');
  }

  /** @internal The publisher for an exchange. */
  publisher(exchange: string): Publisher {
    let publisher = this.#byExchange.get(exchange);
    if (!publisher) {
      publisher = this.#publishers.create({ exchange, connection: this.#connection }, 'OutboxModule');
      this.#byExchange.set(exchange, publisher);
    }
    return publisher;
  }

  onApplicationBootstrap(): void {
    const settings = this.#settings;
    if (!settings) return;
    this.#stopListening = this.#store.onAdded?.(() => {
      this.wake();
    });
    this.#running = this.#run(settings);
  }

  /** After the consumers have drained, whose handlers may have added something. */
  async onModuleDestroy(): Promise<void> {
    this.#stopListening?.();
    const { drainTimeout = 0 } = this.#settings ?? {};
    this.#deadline = performance.now() + drainTimeout;
    const timer = setTimeout(() => {
      this.#ending.abort(new Error('the application closes'));
    }, drainTimeout);
    this.wake();
    await this.#running;
    clearTimeout(timer);
  }

  /** @internal Looks into the store now. */
  wake(): void {
    this.#isWoken = true;
    this.#wake?.();
  }

  async #run(settings: RelaySettings): Promise<void> {
    let pause = firstPause;
    let look = settings.interval;
    for (;;) {
      this.#isWoken = false;
      // What is there when the application closes is published, and nothing is waited for any more.
      const isLast = this.#deadline !== Infinity;
      const count = await this.#round(settings);
      if (count === undefined) {
        if (isLast) return;
        await this.#wait(pause, false);
        pause = Math.min(pause * 2, longestPause);
        continue;
      }
      pause = firstPause;
      look = count > 0 ? nextLook : Math.min(look * 2, settings.interval);
      if (isLast && (count === 0 || performance.now() >= this.#deadline)) return;
      if (count < settings.batch && this.#deadline === Infinity) await this.#wait(look, count === 0);
    }
  }

  /** How many messages it was; undefined where something is away. Never rejects. */
  async #round(settings: RelaySettings): Promise<number | undefined> {
    let interruption: unknown;
    try {
      const count = await this.#store.relay(settings.batch, async (messages, signal) => {
        const end = performance.now() + roundLimit;
        const round = await publishRound(
          messages,
          (message) => this.#publish(message, settings.publishTimeout),
          {
            attempts: settings.attempts,
            initialDelay: settings.initialDelay,
            maxDelay: settings.maxDelay,
            blocks: settings.onFailure === 'block',
          },
          () => this.#ending.signal.aborted || signal?.aborted === true || performance.now() > end,
        );
        interruption = round.interruption;
        this.#tell(messages, round.verdicts);
        return round.verdicts;
      });
      if (interruption === undefined) {
        this.#isWell();
        return count;
      }
      this.#isTroubled(`RabbitMQ: ${describeError(interruption).message}`);
    } catch (error) {
      this.#isTroubled(describeError(error).message);
    }
    return undefined;
  }

  async #publish(message: StoredMessage, timeout: number): Promise<void> {
    const { exchange, routingKey, body, properties, mandatory, delay } = message;
    const { signal } = this.#ending;
    await this.publisher(exchange).send({ routingKey, body, properties, mandatory, delay, timeout, signal });
  }

  /** One line a round, and one for each message that is set aside. */
  #tell(messages: readonly StoredMessage[], verdicts: readonly RelayVerdict[]): void {
    const titleOf = (id: string): string => {
      const { exchange, routingKey, properties } = messages.find((message) => message.id === id) ?? {};
      return `message "${String(properties?.messageId)}" (exchange "${String(exchange)}", routing key "${String(routingKey)}")`;
    };
    const refused = verdicts.filter((verdict) => verdict.outcome === 'refused');
    const [first] = refused;
    if (first) {
      const others = refused.length > 1 ? `, and ${String(refused.length - 1)} more` : '';
      this.#logger.warn(`${titleOf(first.id)} was refused: ${first.error}; tried again${others}`);
    }
    for (const verdict of verdicts) {
      if (verdict.outcome !== 'set-aside') continue;
      this.#logger.error(`${titleOf(verdict.id)} is set aside (id ${verdict.id}): ${verdict.error}`);
    }
  }

  /** Once for each trouble. */
  #isTroubled(message: string): void {
    if (this.#trouble === undefined) this.#logger.warn(`nothing is published at present: ${message}; tried again`);
    this.#trouble = message;
  }

  #isWell(): void {
    if (this.#trouble !== undefined) this.#logger.log('publishing again');
    this.#trouble = undefined;
  }

  /** Until so many milliseconds passed, the application closes, or, where that counts, somebody added something. */
  #wait(milliseconds: number, isWakeable: boolean): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        if (!isWakeable && this.#deadline === Infinity) return;
        finish();
      };
      const finish = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(finish, milliseconds);
      this.#wake = end;
      if (this.#isWoken) end();
    });
  }
}

function settingsOf(given: RelayOptions): RelaySettings {
  return {
    interval: given.interval ?? defaults.interval,
    batch: given.batch ?? defaults.batch,
    publishTimeout: given.publishTimeout ?? defaults.publishTimeout,
    attempts: given.attempts ?? defaults.attempts,
    initialDelay: given.initialDelay ?? defaults.initialDelay,
    maxDelay: given.maxDelay ?? defaults.maxDelay,
    onFailure: given.onFailure ?? defaults.onFailure,
    drainTimeout: given.drainTimeout ?? defaults.drainTimeout,
  };
}
