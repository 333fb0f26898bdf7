/**
 * The faults that wait for something: for connections to come, and for methods. Connections tell it what happens; it
 * strikes where a fault was asked for.
 *
 * Must not know what effects do.
 */
import type { Method, MethodName } from '../../amqp/protocol/index.js';
import type { FaultHooks, FaultyConnection } from '../serve/fault-hooks.js';
import { warn } from '../warning.js';
import type { Speaker, Strikes } from '../serve/method-watch.js';
import type { Matcher } from './connection-filter.js';
import type { Circumstance, Effect } from './effects.js';
import { Fault } from './fault.js';

interface ConnectionRule {
  readonly fault: Fault;
  readonly effect: Effect;
  readonly connections: Matcher;
  /** Connections that it will still strike; Infinity: all. */
  left: number;
}

/** Which methods, and at which of them. */
export interface MethodChoice {
  readonly name: MethodName;
  readonly from: Speaker;
  /** The first one that counts: 1 is the next. */
  readonly count: number;
  /** How many in a row, from that one on. */
  readonly times: number;
  readonly isAfter: boolean;
  readonly hasFields: (method: Method) => boolean;
}

interface MethodRule extends MethodChoice {
  readonly fault: Fault;
  readonly effect: Effect;
  readonly connections: Matcher;
  seen: number;
}

export class RuleBook implements FaultHooks {
  readonly #faults = new Set<Fault>();
  #connectionRules: ConnectionRule[] = [];
  /** Connections that were the next one for a fault: each such fault has one of its own. */
  readonly #taken = new WeakSet<FaultyConnection>();
  #methodRules: MethodRule[] = [];

  get watchesMethods(): boolean {
    return this.#methodRules.length > 0;
  }

  // --- what is asked for ---------------------------------------------------------------------------

  /** Strikes now, at what is there: `connections` are those that match. */
  strikeNow(effect: Effect, connections: readonly FaultyConnection[]): Fault {
    const fault = this.#open();
    for (const connection of connections) this.#strike(fault, effect, { connection });
    fault.exhaust();
    return fault;
  }

  /** Lasts on all that match: `present` are those that are there. */
  strikeAll(effect: Effect, connections: Matcher, present: readonly FaultyConnection[]): Fault {
    const fault = this.#open();
    this.#connectionRules.push({ fault, effect, connections, left: Infinity });
    for (const connection of present) {
      if (connections.matches(connection)) this.#strike(fault, effect, { connection });
    }
    return fault;
  }

  /** Strikes the next connection that matches. */
  strikeNext(effect: Effect, connections: Matcher): Fault {
    const fault = this.#open();
    this.#connectionRules.push({ fault, effect, connections, left: 1 });
    return fault;
  }

  strikeAt(choice: MethodChoice, effect: Effect, connections: Matcher): Fault {
    const fault = this.#open();
    this.#methodRules.push({ ...choice, fault, effect, connections, seen: 0 });
    return fault;
  }

  clear(): void {
    for (const fault of [...this.#faults]) fault.end();
  }

  #open(): Fault {
    const fault = new Fault((ended) => {
      this.#faults.delete(ended);
      this.#connectionRules = this.#connectionRules.filter((rule) => rule.fault !== ended);
      this.#methodRules = this.#methodRules.filter((rule) => rule.fault !== ended);
    });
    this.#faults.add(fault);
    return fault;
  }

  // --- what connections tell -----------------------------------------------------------------------

  accepted(connection: FaultyConnection): void {
    this.#strikeArrival(connection, true);
  }

  started(connection: FaultyConnection): void {
    this.#strikeArrival(connection, false);
  }

  ended(connection: FaultyConnection): void {
    for (const fault of [...this.#faults]) {
      if (!fault.isOn(connection)) continue;
      fault.forget(connection);
      if (!this.#mayStrike(fault)) fault.exhaust();
    }
  }

  #strikeArrival(connection: FaultyConnection, isNew: boolean): void {
    for (const rule of [...this.#connectionRules]) {
      const { fault, effect, connections } = rule;
      // A filter needs the name and the user, which are known only later.
      if (connections.takesAll !== isNew || fault.isOver) continue;
      const isNext = rule.left !== Infinity;
      if (isNext && this.#taken.has(connection)) continue;
      if (!holds(() => connections.matches(connection))) continue;
      if (isNext) this.#taken.add(connection);
      rule.left--;
      if (rule.left === 0) this.#connectionRules = this.#connectionRules.filter((other) => other !== rule);
      this.#strike(fault, effect, { connection });
      if (rule.left === 0) fault.exhaust();
    }
  }

  count(
    connection: FaultyConnection,
    from: Speaker,
    channel: number,
    methodId: number,
    method: Method,
  ): Strikes | undefined {
    if (this.#methodRules.length === 0) return undefined;
    const due = this.#methodRules.filter((rule) => {
      if (rule.name !== method.name || rule.from !== from || rule.fault.isOver) return false;
      if (!holds(() => rule.connections.matches(connection) && rule.hasFields(method))) return false;
      rule.seen++;
      return rule.seen >= rule.count && rule.seen < rule.count + rule.times;
    });
    if (due.length === 0) return undefined;
    const strikes = (isAfter: boolean): (() => void)[] =>
      due
        .filter((rule) => rule.isAfter === isAfter)
        .map((rule) => () => {
          this.#strikeMethod(rule, { connection, channel, methodId });
        });
    return { before: strikes(false), after: strikes(true) };
  }

  #strikeMethod(rule: MethodRule, at: Circumstance): void {
    const { fault, effect, seen, count, times } = rule;
    if (fault.isOver) return;
    const isLast = seen >= count + times - 1;
    if (isLast) this.#methodRules = this.#methodRules.filter((other) => other !== rule);
    // What lasts on this connection already is not put on it again.
    if (!effect.isLasting || !fault.isOn(at.connection)) this.#strike(fault, effect, at);
    if (isLast) fault.exhaust();
  }

  #strike(fault: Fault, effect: Effect, at: Circumstance): void {
    const { count, undo } = effect.strike(at, () => {
      if (undo) fault.forgetStep(at.connection, undo);
      if (!this.#mayStrike(fault)) fault.exhaust();
    });
    // `ended` may have been told in the meantime: then there is nothing left to take back.
    fault.note(at.connection, count, undo);
  }

  #mayStrike(fault: Fault): boolean {
    const isOf = (rule: { readonly fault: Fault }): boolean => rule.fault === fault;
    return this.#connectionRules.some(isOf) || this.#methodRules.some(isOf);
  }
}

/** A predicate of the user's may throw: that is told, and never reaches the connection. */
function holds(predicate: () => boolean): boolean {
  try {
    return predicate();
  } catch (error) {
    warn(error, 'LeveretBrokerFault');
    return false;
  }
}
