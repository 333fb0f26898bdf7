/**
 * Which faults come, in which order and how hard: decided by the seed alone. Knows nothing of how they are made.
 */
import { Random } from './random.js';

/** Milliseconds; the broker's heartbeat is agreed on in seconds. */
export const heartbeat = 3_000;

export const faultNames = [
  'close-all-connections',
  'close-connection',
  'stop-app',
  'stop-node',
  'kill',
  'freeze',
  'memory-alarm',
  'delete-queue',
  'cut',
  'reset',
  'cut-during-recovery',
  'black-hole',
  'silence',
  'latency',
] as const;
export type FaultName = (typeof faultNames)[number];

export interface ScheduledFault {
  readonly name: FaultName;
  /** Milliseconds of peace before it. */
  readonly pause: number;
  /** How long it lasts, in milliseconds, where it lasts. */
  readonly duration: number;
  /** From 0 up to 1: picks a victim, where there is one. */
  readonly victim: number;
  /** Which way, where it has one. */
  readonly direction: 'toBroker' | 'toClient' | 'both';
}

/** Milliseconds, lowest and highest. */
const durations: Readonly<Record<FaultName, readonly [number, number]>> = {
  'close-all-connections': [0, 0],
  'close-connection': [0, 0],
  'stop-app': [1_000, 5_000],
  'stop-node': [1_000, 5_000],
  kill: [5_000, 20_000],
  freeze: [3 * heartbeat, 3 * heartbeat],
  'memory-alarm': [2_000, 6_000],
  'delete-queue': [0, 0],
  cut: [0, 0],
  reset: [0, 0],
  'cut-during-recovery': [0, 0],
  // Long enough for either side to have noticed: it is lost exactly once.
  'black-hole': [3.5 * heartbeat, 5 * heartbeat],
  silence: [heartbeat, 4 * heartbeat],
  latency: [3_000, 8_000],
};

/** Endless. Each fault once, in random order, then each once more, and so on: a short run has many of them. */
export function* schedule(seed: number, names: readonly FaultName[] = faultNames): Generator<ScheduledFault, never> {
  const random = new Random(seed);
  for (;;) {
    for (const name of random.shuffled(names)) {
      const [shortest, longest] = durations[name];
      yield {
        name,
        pause: random.between(500, 3_000),
        duration: random.between(shortest, longest),
        victim: random.next(),
        direction: random.pick(['toBroker', 'toClient', 'both'] as const),
      };
    }
  }
}
