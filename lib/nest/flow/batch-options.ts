/** What `batch` may say, its check, and what it does not go together with. */
import { faultsOf, isRecord, isWhole, type Check } from '../option-checks.js';

export interface BatchOptions {
  /** Messages of a batch, at most. */
  size: number;
  /** Milliseconds after the first message of a batch, at which it is handled though it is not full. Default 200. */
  wait?: number | undefined;
}

export const defaultBatchWait = 200;

/** basic.qos counts in 16 bits. */
export const mostPrefetched = 65_535;

export const isBatch: Check = (value) => {
  if (!isRecord(value)) return 'must be { size, wait? }';
  if (value['size'] === undefined) return 'needs "size"';
  const faults = faultsOf(value, { size: isWhole(1, mostPrefetched), wait: isWhole(0, 0x7fff_ffff) });
  return faults.length > 0 ? `is wrong: ${faults.join('; ')}` : undefined;
};

/** What stands in contradiction to `batch` in the options of one `@Consume`. */
export function batchContradictions(given: Readonly<Record<string, unknown>>): string[] {
  const { batch, concurrency } = given;
  if (!isRecord(batch)) return [];
  const faults: string[] = [];
  if (given['reply'] === true) faults.push('batch and reply: who asked waits for an answer of his own');
  if (given['ordered'] !== undefined) {
    faults.push(
      'batch and ordered: a batch is in the order of the queue, and with concurrency: 1 batches follow each other',
    );
  }
  const size = batch['size'];
  if (typeof size === 'number' && typeof concurrency === 'number' && size * concurrency > mostPrefetched) {
    faults.push(`batch: size times concurrency is over ${String(mostPrefetched)}, the most that can be prefetched`);
  }
  return faults;
}
