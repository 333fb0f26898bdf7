/** What `autoPause` may say, and its check. */
import { faultsOf, isBoolean, isFunction, isRecord, isWhole, type Check } from '../option-checks.js';

/** Pauses a consumer by itself, and lets it go on when things are well again. Give `failures`, a `probe`, or both. */
export interface AutoPauseOptions {
  /**
   * Pauses after so many failures in a row: handlers that threw or took too long, whatever became of their messages. Messages
   * that no handler got (a body that cannot be read, a payload that is not valid, one that a guard refused, or nobody's)
   * count as neither. Default: failures do not pause.
   */
  failures?: number | undefined;
  /**
   * Answers whether the consumer can work: true, or a promise of it. A throw, a rejection, any other value, and no answer
   * within `probeTimeout` are a no. Default: after `interval` it is tried with one message at a time, and goes on once one
   * succeeded.
   */
  probe?: (() => boolean | Promise<boolean>) | undefined;
  /** Milliseconds from a pause, or the answer of a probe, to the next try. Default 5 000. */
  interval?: number | undefined;
  /** Milliseconds for the answer of a probe. Default 5 000. */
  probeTimeout?: number | undefined;
  /** True: the probe is asked each `interval` while it consumes too, and a no pauses it. Default: true without `failures`. */
  watch?: boolean | undefined;
}

/** The longest delay that Node's timers take. */
const isInterval = isWhole(1, 0x7fff_ffff);

export const isAutoPause: Check = (value) => {
  if (!isRecord(value)) return 'must be { failures?, probe?, interval? }';
  const faults = faultsOf(value, {
    failures: isWhole(1, 1_000_000),
    probe: isFunction,
    interval: isInterval,
    probeTimeout: isInterval,
    watch: isBoolean,
  });
  if (value['failures'] === undefined && value['probe'] === undefined) faults.push('give failures, a probe, or both');
  if (value['probe'] === undefined) {
    const idle = ['watch', 'probeTimeout'].filter((name) => value[name] !== undefined);
    if (idle.length > 0) faults.push(`without a probe ${idle.join(', ')} has no effect`);
  } else if (value['failures'] === undefined && value['watch'] === false) {
    faults.push('watch: false without failures would never pause');
  }
  return faults.length > 0 ? `is wrong: ${faults.join('; ')}` : undefined;
};
