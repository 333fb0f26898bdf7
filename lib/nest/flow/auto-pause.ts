/**
 * Pauses a consumer by itself, and lets it go on:
 *
 *   open --failures in a row--> paused --probe says yes--> open
 *   open --probe says no, where it watches--> paused
 *   paused --interval, without a probe--> trying, one message at a time --success--> open, --failure--> paused
 *
 * Whatever a user does to the consumer ends this: `begin` starts it over, `end` lets it rest.
 */
import type { RunVerdict } from '../consuming/consumer-run.js';
import type { AutoPauseOptions } from './auto-pause-options.js';

/** Who paused a consumer: `pause` was called, its handler failed too often, or its probe said no. */
export type PauseReason = 'user' | 'failures' | 'probe';

export interface PausedConsumer {
  /** Resolves when it takes no more; does nothing where it does not consume. Never rejects. */
  pauseBy(reason: 'failures' | 'probe', words: string): Promise<void>;
  /** Answers whether it consumes: false where it was not paused by itself, or the broker refuses it now. Never rejects. */
  resumeAfter(words: string, most: number | undefined): Promise<boolean>;
}

const defaultInterval = 5_000;
const defaultProbeTimeout = 5_000;

export class AutoPause {
  readonly #options: AutoPauseOptions;
  readonly #consumer: PausedConsumer;
  readonly #interval: number;
  readonly #isWatching: boolean;
  #state: 'resting' | 'open' | 'paused' | 'trying' = 'resting';
  #failuresInRow = 0;
  /** A user went on against the probe: it counts again once it said yes. */
  #isOverruled = false;
  #timer: NodeJS.Timeout | undefined;
  /** Of what is under way: what belongs to an earlier life does nothing. */
  #life = 0;

  constructor(options: AutoPauseOptions, consumer: PausedConsumer) {
    this.#options = options;
    this.#consumer = consumer;
    this.#interval = options.interval ?? defaultInterval;
    this.#isWatching = options.probe !== undefined && (options.watch ?? options.failures === undefined);
  }

  /** It consumes: it was started, or a user let it go on (`isOverruling`: while it was paused by itself). */
  begin(isOverruling: boolean): void {
    this.end();
    this.#isOverruled = isOverruling;
    this.#open();
  }

  /** It does not consume, and is not to be started by us. */
  end(): void {
    this.#life += 1;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#state = 'resting';
    this.#failuresInRow = 0;
  }

  /** A handler is done. */
  note(verdict: RunVerdict): void {
    if (verdict === undefined || (this.#state !== 'open' && this.#state !== 'trying')) return;
    const { failures } = this.#options;
    if (verdict === 'done') {
      this.#failuresInRow = 0;
      if (this.#state === 'trying') this.#goOn('a message succeeded');
      return;
    }
    if (failures === undefined) return;
    this.#failuresInRow += 1;
    if (this.#state === 'trying') this.#pause('failures', 'the message that was tried failed');
    else if (this.#failuresInRow >= failures) {
      this.#pause('failures', `${String(this.#failuresInRow)} failures in a row`);
    }
  }

  #open(): void {
    this.#state = 'open';
    this.#failuresInRow = 0;
    if (this.#isWatching) this.#later(() => this.#watch());
  }

  #pause(reason: 'failures' | 'probe', words: string): void {
    this.#state = 'paused';
    this.#later(() => this.#tryAgain());
    void this.#consumer.pauseBy(reason, words);
  }

  #later(action: () => Promise<void>): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void action(), this.#interval);
    // An application that is closed ends it; one that crashed need not wait for it.
    this.#timer.unref();
  }

  async #watch(): Promise<void> {
    const life = this.#life;
    const isWell = await this.#probe();
    if (life !== this.#life || this.#state !== 'open') return;
    if (isWell) this.#isOverruled = false;
    if (isWell || this.#isOverruled) this.#later(() => this.#watch());
    else this.#pause('probe', 'its probe says no');
  }

  async #tryAgain(): Promise<void> {
    const life = this.#life;
    const hasProbe = this.#options.probe !== undefined;
    const isWell = !hasProbe || (await this.#probe());
    if (life !== this.#life || this.#state !== 'paused') return;
    if (!isWell) {
      this.#later(() => this.#tryAgain());
      return;
    }
    if (hasProbe) this.#goOn('its probe says yes');
    else {
      this.#state = 'trying';
      if (await this.#consumer.resumeAfter('', 1)) return;
      if (life === this.#life) this.#stayPaused();
    }
  }

  #goOn(words: string): void {
    const life = this.#life;
    this.#open();
    void this.#consumer.resumeAfter(words, undefined).then((isConsuming) => {
      if (!isConsuming && life === this.#life) this.#stayPaused();
    });
  }

  #stayPaused(): void {
    this.#state = 'paused';
    this.#later(() => this.#tryAgain());
  }

  /** Never rejects. */
  async #probe(): Promise<boolean> {
    const { probe, probeTimeout = defaultProbeTimeout } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), probeTimeout);
      timer.unref();
    });
    try {
      return (await Promise.race([Promise.resolve().then(() => probe?.()), late])) === true;
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
    }
  }
}
