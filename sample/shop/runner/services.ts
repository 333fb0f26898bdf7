/** The three services as whoever runs the shop sees them. */
import type { ServiceName } from './service-process.js';

export interface Services {
  /** Where the gateway listens at present. */
  address(): string;
  /** Ends one in the midst of its work. Undefined: they are not in processes of their own. */
  kill: ((name: ServiceName) => Promise<void>) | undefined;
  /** Starts one that was killed; resolves before it is at work. */
  start(name: ServiceName): void;
  /** Resolves when all three are at work. */
  areStarted(): Promise<void>;
  /** They finish what they have begun. */
  stop(): Promise<void>;
  /** What should not have happened to them. */
  problems(): readonly string[];
}
