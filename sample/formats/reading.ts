/** What a weather station tells each day. */
export interface Reading {
  readonly station: string;
  readonly day: number;
  /** Tenths of a degree Celsius, one every five minutes. */
  readonly temperatures: readonly number[];
}

/** The same each run. */
export function readingOf(day: number): Reading {
  const temperatures = Array.from({ length: 288 }, (_, index) => {
    return Math.round(110 + day + 70 * Math.sin((index / 288 - 1 / 3) * 2 * Math.PI));
  });
  return { station: 'hay-meadow-1', day, temperatures };
}
