// What leveret wants to reach, measured in the same run: `rate` at least so many times the fastest peer's, `cpu` at most so many
// microseconds a message, `p50` at most so many times that of the peer which answers soonest.
import { compare, ratio } from './scenarios.mjs';

const targets = {
  publish: { rate: 1.5, cpu: 1.5 },
  confirm: { rate: 2, cpu: 4 },
  consume: { rate: 1.4, cpu: 7.5 },
  'no-ack': { rate: 1, cpu: 6.5 },
  request: { rate: 1.5, p50: 0.67 },
  large: { rate: 1.5 },
  'nest-event': { rate: 2.5, cpu: 40 },
  'nest-request': { rate: 2, p50: 0.5 },
};

/** Of a group of results: what was wanted, each with whether it was reached; empty where nothing is wanted or known. */
export function targetOf(group) {
  const { rate, cpu, p50 } = targets[group.scenario] ?? {};
  const { our, fastest, soonest } = compare(group);
  if (our === undefined) return '';
  const parts = [];
  const say = (text, isReached) => parts.push(isReached ? `${text}: yes` : `**${text}: no**`);
  if (rate !== undefined && fastest !== undefined) {
    say(`rate ≥ × ${rate}`, ratio(our, fastest, 'messagesPerSecond') >= rate);
  }
  if (cpu !== undefined) say(`CPU ≤ ${cpu} µs`, our.cpuMicrosecondsPerMessage.median <= cpu);
  if (p50 !== undefined && soonest !== undefined) say(`p50 ≤ × ${p50}`, ratio(our, soonest, 'p50') <= p50);
  return parts.join(', ');
}
