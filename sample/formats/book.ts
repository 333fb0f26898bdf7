/** What has come, and how: by content type and encoding. */
import { Injectable } from '@nestjs/common';
import type { Reading } from './reading.js';

interface Kind {
  count: number;
  /** On the wire. */
  bytes: number;
}

@Injectable()
export class Book {
  readonly #kinds = new Map<string, Kind>();
  readonly orders: string[] = [];
  readonly unknown: string[] = [];
  /** Readings that are not as they were sent. */
  wrong = 0;

  note(kind: string, bytes: number, { day, temperatures }: Reading, expected: Reading): void {
    const entry = this.#kinds.get(kind) ?? { count: 0, bytes: 0 };
    entry.count += 1;
    entry.bytes += bytes;
    this.#kinds.set(kind, entry);
    if (day !== expected.day || temperatures.join() !== expected.temperatures.join()) this.wrong += 1;
  }

  get received(): number {
    return [...this.#kinds.values()].reduce((sum, { count }) => sum + count, 0);
  }

  /** `application/json: 24 readings, 300 bytes each`, one for each kind. */
  get lines(): string[] {
    return [...this.#kinds].map(
      ([kind, { count, bytes }]) => `${kind}: ${String(count)} readings, ${(bytes / count).toFixed(0)} bytes each`,
    );
  }
}
