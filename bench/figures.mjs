// From rounds to figures. Pure.

/** The median is reported because one disturbed round moves it least; the range says how disturbed they were. */
export function summary(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: median(sorted), min: sorted[0], max: sorted.at(-1), rounds: values };
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}

/** A summary of each figure of the rounds, which all have the same. */
export function summaries(rounds) {
  return Object.fromEntries(Object.keys(rounds[0]).map((name) => [name, summary(rounds.map((round) => round[name]))]));
}

export const whole = (number) => Math.round(number).toLocaleString('en-US');

/** Three digits that count: 0.142, 1.42, 14.2, 142, 1,420. */
export function short(number) {
  if (number === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(number))));
  return digits === 0 ? whole(number) : number.toFixed(Math.min(digits, 4));
}
