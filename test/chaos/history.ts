/**
 * What happened in a run, one JSON line per operation, for the checker to read afterwards. Knows the form of the lines and
 * the file; must not judge.
 */
import { createWriteStream, type WriteStream } from 'node:fs';
import { once } from 'node:events';

/** Whether an operation began, and what came of it. */
export type Outcome = 'invoked' | 'ok' | 'failed' | 'unknown';

/** One line. `time` is in milliseconds since the run began. */
export type HistoryLine = { readonly time: number; readonly who: string } & Operation;

export type Operation =
  /** The first line. */
  | { readonly what: 'run'; readonly seed: number; readonly version: string; readonly minutes: number }
  /** A publish of `value` that must come out of each of `queues`; `failed` promises that the broker does not have it. */
  | {
      readonly what: 'publish';
      readonly value: string;
      readonly outcome: Outcome;
      readonly queues?: readonly string[];
      readonly error?: string;
    }
  /** `value` came out of `queue`; `failed`: its body is not as it was sent. */
  | {
      readonly what: 'deliver';
      readonly value: string;
      readonly outcome: 'ok' | 'failed';
      readonly queue: string;
      readonly redelivered: boolean;
    }
  /** A consumer's answer; `unknown`: it was stale, and nothing was sent. */
  | { readonly what: 'settle'; readonly value: string; readonly how: 'ack' | 'requeue'; readonly outcome: Outcome }
  /** An event of the connection `who`. */
  | { readonly what: 'event'; readonly event: string; readonly detail?: string }
  /** A fault begins (`invoked`) or has healed (`ok`). `outages` says what each connection must have seen of it. */
  | {
      readonly what: 'fault';
      readonly fault: string;
      readonly outcome: Outcome;
      readonly detail?: string;
      readonly outages?: Readonly<Record<string, OutageCount>>;
    }
  /** After a fault: everybody delivers again, `milliseconds` after healing. */
  | {
      readonly what: 'alive';
      readonly outcome: 'ok' | 'failed';
      readonly milliseconds: number;
      readonly detail?: string;
    }
  /** What must not be: an unhandled rejection, a broken invariant of the run. */
  | { readonly what: 'problem'; readonly detail: string }
  /** What was left when all was closed. */
  | { readonly what: 'left'; readonly kind: 'handles' | 'connections' | 'messages'; readonly items: readonly string[] }
  /** The last line. */
  | { readonly what: 'end' };

/** How many outages of a connection a fault makes, at least and at most. */
export type OutageCount = readonly [least: number, most: number];

export class HistoryWriter {
  readonly path: string;
  readonly #stream: WriteStream;
  readonly #began = performance.now();

  constructor(path: string) {
    this.path = path;
    this.#stream = createWriteStream(path);
  }

  /** Milliseconds since the run began. */
  get now(): number {
    return Math.round((performance.now() - this.#began) * 10) / 10;
  }

  write(who: string, operation: Operation): void {
    this.#stream.write(`${JSON.stringify({ time: this.now, who, ...operation })}\n`);
  }

  async end(): Promise<void> {
    this.write('run', { what: 'end' });
    this.#stream.end();
    await once(this.#stream, 'close');
  }
}
