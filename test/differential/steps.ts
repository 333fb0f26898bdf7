/**
 * What a sequence is made of. Names that begin with `~` belong to the sequence: each run puts a prefix of its own
 * there. Channels are numbered 0 to 3: 0 and 1 on one connection, 2 and 3 on another. Which delivery is settled and
 * which consumer is cancelled is said by a number, modulo what there is, so that a sequence means something whatever is
 * left out of it.
 */
import type { BasicProperties, MethodName } from '../../lib/amqp/protocol/index.js';

export type Slot = 0 | 1 | 2 | 3;

export type Step =
  /** Any method; a channel that is closed is opened before. */
  | { readonly call: MethodName; readonly on: Slot; readonly fields: Readonly<Record<string, unknown>> }
  | {
      readonly publish: {
        readonly exchange: string;
        readonly routingKey: string;
        readonly mandatory?: boolean;
        readonly immediate?: boolean;
      };
      readonly on: Slot;
      readonly properties?: Readonly<BasicProperties>;
      /** Bytes of the body; at least the step's number is in it. */
      readonly size?: number;
    }
  | {
      readonly settle: 'ack' | 'nack' | 'reject';
      readonly pick: number;
      readonly multiple?: boolean;
      readonly requeue?: boolean;
    }
  | { readonly cancel: number }
  /** Milliseconds. */
  | { readonly wait: number }
  /** The client closes a connection. */
  | { readonly hangUp: 0 | 1 };

/** What came in one step, by stream: a channel's answers, and the deliveries of each consumer. */
export interface StepRecord {
  readonly label: string;
  readonly streams: Record<string, string[]>;
}

export type Transcript = readonly StepRecord[];

/** A transcript as lines, for people and for expectations. */
export function transcriptLines(transcript: Transcript): string[] {
  return transcript.flatMap(({ streams }, index) => streamLines(streams).map((line) => `${index} ${line}`));
}

export function streamLines(streams: StepRecord['streams']): string[] {
  return Object.keys(streams)
    .sort()
    .flatMap((name) => (streams[name] ?? []).map((text) => `${name}: ${text}`));
}

/** The first step that differs, or -1. */
export function firstDifference(expected: Transcript, actual: Transcript): number {
  const length = Math.max(expected.length, actual.length);
  for (let index = 0; index < length; index++) {
    if (!areSame(expected[index], actual[index])) return index;
  }
  return -1;
}

export function areSame(expected: StepRecord | undefined, actual: StepRecord | undefined): boolean {
  return streamLines(expected?.streams ?? {}).join('\n') === streamLines(actual?.streams ?? {}).join('\n');
}
