/**
 * Reads the history of a run and says whether it kept what was promised. Knows only the lines: what it says of a history
 * written by anyone else, or by hand, is as true.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { HistoryLine, OutageCount } from './history.js';

/** What a run came to. Whatever is a list must be empty. */
export interface Verdict {
  readonly attempted: number;
  readonly confirmed: number;
  readonly failed: number;
  readonly unknown: number;
  /** Values that came out somewhere. */
  readonly seen: number;
  /** Deliveries beyond the first of a value out of a queue that the broker did not mark as delivered before, too. */
  readonly duplicates: number;
  readonly redelivered: number;
  /** Publishes of unknown outcome that came out after all. */
  readonly recoveredUnknown: number;
  readonly staleSettlements: number;
  readonly faults: number;
  /** By connection. */
  readonly recoveries: ReadonlyMap<string, number>;
  /** Milliseconds from healing to all consumers delivering, the longest. */
  readonly longestRevival: number;
  /** Confirmed and not seen: `value in queue`. */
  readonly lost: readonly string[];
  /** Seen and never sent to that queue. */
  readonly unexpected: readonly string[];
  /** Said to be certainly not sent, and seen. */
  readonly denied: readonly string[];
  /** Publishes without an outcome. */
  readonly unsettled: readonly string[];
  /** Publishes with two. */
  readonly settledTwice: readonly string[];
  readonly corrupted: readonly string[];
  readonly notAlive: readonly string[];
  /** Events out of order, or of a number that the fault does not explain. */
  readonly events: readonly string[];
  readonly problems: readonly string[];
  readonly left: readonly string[];
}

/** What must be empty, and what it is called in a table. */
export const mustBeEmpty = {
  lost: 'lost',
  unexpected: 'unexpected',
  denied: 'failed, yet seen',
  unsettled: 'publishes without outcome',
  settledTwice: 'publishes with two outcomes',
  corrupted: 'corrupted bodies',
  notAlive: 'faults not survived in time',
  events: 'wrong events',
  problems: 'unhandled rejections, problems',
  left: 'left over at the end',
} as const satisfies Partial<Record<keyof Verdict, string>>;

export function isGood(verdict: Verdict): boolean {
  return (Object.keys(mustBeEmpty) as (keyof typeof mustBeEmpty)[]).every((name) => verdict[name].length === 0);
}

interface Publish {
  readonly queues: readonly string[];
  outcome: 'invoked' | 'ok' | 'failed' | 'unknown';
}

interface Fault {
  readonly name: string;
  readonly time: number;
  outages: Readonly<Record<string, OutageCount>>;
  readonly counted: Map<string, number>;
}

/** Takes lines one by one, in their order. */
export class Checker {
  readonly #publishes = new Map<string, Publish>();
  /** Queue to value to number of deliveries. */
  readonly #seen = new Map<string, Map<string, number>>();
  readonly #seenValues = new Set<string>();
  readonly #states = new Map<string, 'open' | 'lost'>();
  readonly #recoveries = new Map<string, number>();
  readonly #lists: Record<Exclude<keyof typeof mustBeEmpty, 'lost' | 'denied' | 'unsettled'>, string[]> = {
    unexpected: [],
    settledTwice: [],
    corrupted: [],
    notAlive: [],
    events: [],
    problems: [],
    left: [],
  };
  #duplicates = 0;
  #redelivered = 0;
  #stale = 0;
  #faults = 0;
  #longestRevival = 0;
  #fault: Fault | undefined;
  #hasEnded = false;

  take(line: HistoryLine): void {
    switch (line.what) {
      case 'publish':
        this.#takePublish(line);
        return;
      case 'deliver':
        this.#takeDelivery(line);
        return;
      case 'settle':
        if (line.outcome === 'unknown') this.#stale += 1;
        return;
      case 'event':
        this.#takeEvent(line.who, line.event, line.time);
        return;
      case 'fault':
        if (line.outcome === 'invoked') {
          this.#faults += 1;
          this.#fault = { name: line.fault, time: line.time, outages: line.outages ?? {}, counted: new Map() };
        } else if (line.outcome === 'failed') {
          this.#lists.problems.push(`${at(line)}fault ${line.fault} could not be made: ${line.detail ?? ''}`);
        }
        return;
      case 'alive':
        this.#longestRevival = Math.max(this.#longestRevival, line.milliseconds);
        if (line.outcome === 'failed') {
          this.#lists.notAlive.push(`${at(line)}${this.#fault?.name ?? 'start'}: ${line.detail ?? ''}`);
        }
        this.#endFault();
        return;
      case 'problem':
        this.#lists.problems.push(`${at(line)}${line.who}: ${line.detail}`);
        return;
      case 'left':
        this.#lists.left.push(...line.items.map((item) => `${line.kind}: ${item}`));
        return;
      case 'end':
        this.#hasEnded = true;
        return;
      case 'run':
        return;
    }
  }

  verdict(): Verdict {
    const lists = { ...this.#lists, problems: [...this.#lists.problems], events: [...this.#lists.events] };
    if (!this.#hasEnded) lists.problems.push('the history has no end');
    for (const [who, state] of this.#states) if (state === 'lost') lists.events.push(`${who}: lost at the end`);
    const lost: string[] = [];
    const denied: string[] = [];
    const unsettled: string[] = [];
    const counts = { invoked: 0, ok: 0, failed: 0, unknown: 0 };
    let recoveredUnknown = 0;
    for (const [value, { queues, outcome }] of this.#publishes) {
      counts[outcome] += 1;
      const isSeen = this.#seenValues.has(value);
      if (outcome === 'invoked') unsettled.push(value);
      if (outcome === 'failed' && isSeen) denied.push(value);
      if (outcome === 'unknown' && isSeen) recoveredUnknown += 1;
      if (outcome !== 'ok') continue;
      for (const queue of queues) if (this.#seen.get(queue)?.has(value) !== true) lost.push(`${value} in ${queue}`);
    }
    return {
      attempted: this.#publishes.size,
      confirmed: counts.ok,
      failed: counts.failed,
      unknown: counts.unknown,
      seen: this.#seenValues.size,
      duplicates: this.#duplicates,
      redelivered: this.#redelivered,
      recoveredUnknown,
      staleSettlements: this.#stale,
      faults: this.#faults,
      recoveries: this.#recoveries,
      longestRevival: this.#longestRevival,
      ...lists,
      lost,
      denied,
      unsettled,
    };
  }

  #takePublish(line: HistoryLine & { what: 'publish' }): void {
    if (line.outcome === 'invoked') {
      if (this.#publishes.has(line.value)) this.#lists.problems.push(`${at(line)}${line.value} was published twice`);
      this.#publishes.set(line.value, { queues: line.queues ?? [], outcome: 'invoked' });
      return;
    }
    const publish = this.#publishes.get(line.value);
    if (!publish) {
      this.#lists.problems.push(`${at(line)}an outcome of ${line.value}, which was not published`);
    } else if (publish.outcome !== 'invoked') {
      this.#lists.settledTwice.push(`${at(line)}${line.value}: ${publish.outcome}, then ${line.outcome}`);
    } else {
      publish.outcome = line.outcome;
    }
  }

  #takeDelivery(line: HistoryLine & { what: 'deliver' }): void {
    if (line.outcome === 'failed') {
      this.#lists.corrupted.push(`${at(line)}${line.value} in ${line.queue}`);
      return;
    }
    if (this.#publishes.get(line.value)?.queues.includes(line.queue) !== true) {
      this.#lists.unexpected.push(`${at(line)}${line.value} in ${line.queue}`);
      return;
    }
    const values = this.#seen.get(line.queue) ?? new Map<string, number>();
    this.#seen.set(line.queue, values);
    const times = values.get(line.value) ?? 0;
    values.set(line.value, times + 1);
    this.#seenValues.add(line.value);
    if (line.redelivered) this.#redelivered += 1;
    else if (times > 0) this.#duplicates += 1;
  }

  /** Exactly one `lost`, then one `recovered`, in order, per outage. */
  #takeEvent(who: string, event: string, time: number): void {
    const state = this.#states.get(who) ?? 'open';
    const complain = (): void => void this.#lists.events.push(`${at({ time })}${who}: ${event} while ${state}`);
    if (event === 'lost') {
      if (state === 'lost') complain();
      this.#states.set(who, 'lost');
      const counted = this.#fault?.counted;
      if (counted) counted.set(who, (counted.get(who) ?? 0) + 1);
      else this.#lists.events.push(`${at({ time })}${who}: lost without any fault`);
    } else if (event === 'recovered') {
      if (state === 'open') complain();
      this.#states.set(who, 'open');
      this.#recoveries.set(who, (this.#recoveries.get(who) ?? 0) + 1);
    } else if (event === 'failed') {
      complain();
    }
  }

  #endFault(): void {
    const fault = this.#fault;
    if (!fault) return;
    this.#fault = undefined;
    for (const who of new Set([...Object.keys(fault.outages), ...fault.counted.keys()])) {
      const [least, most] = fault.outages[who] ?? [0, 0];
      const count = fault.counted.get(who) ?? 0;
      if (count >= least && count <= most) continue;
      const expected = least === most ? String(least) : `${String(least)} to ${String(most)}`;
      this.#lists.events.push(
        `${at(fault)}${fault.name}: ${who} was lost ${String(count)} times, where ${expected} is right`,
      );
    }
  }
}

function at({ time }: { readonly time: number }): string {
  return `${(time / 1000).toFixed(1)} s: `;
}

/** Reads a history file. */
export async function checkHistory(path: string): Promise<Verdict> {
  const checker = new Checker();
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (line !== '') checker.take(JSON.parse(line) as HistoryLine);
  }
  return checker.verdict();
}
