/** What this run calls its exchange and queues: new names each time, so that runs on one broker never meet. */
import { randomUUID } from 'node:crypto';

const run = `formats.${randomUUID().slice(0, 8)}`;

export const names = {
  run,
  /** Topic exchange that readings are published to. */
  weather: `${run}.weather`,
  readings: `${run}.readings`,
  /** What services in .NET send, in MassTransit's envelopes. */
  foreign: `${run}.foreign`,
} as const;
