/** What can be broken on purpose, while the broker runs. */
import { ArgumentError } from '../../amqp/errors.js';
import {
  methodFields,
  methodIds,
  methodName,
  type Domain,
  type Method,
  type MethodFields,
  type MethodName,
} from '../../amqp/protocol/index.js';
import type { FaultyConnection } from '../serve/fault-hooks.js';
import type { Speaker } from '../serve/method-watch.js';
import { shown } from '../shown.js';
import { matcherOf, type ConnectionFilter } from './connection-filter.js';
import type { Effect, FaultReply } from './effects.js';
import type { Fault } from './fault.js';
import { FaultSite } from './fault-site.js';
import type { MethodChoice, RuleBook } from './rule-book.js';

/** At which of its methods a fault strikes. */
export interface AtOptions<Name extends MethodName = MethodName> {
  /** The how manieth from now on is the first at which it strikes. Default 1, the next. */
  readonly count?: number | undefined;
  /** At how many in a row it strikes, Infinity: at all from that one on. Default 1. */
  readonly times?: number | undefined;
  /** Before the method is handled, or sent (default), or after it, its content included. */
  readonly when?: 'before' | 'after' | undefined;
  /** Who says it. Default: the client, where it is a method that clients say. */
  readonly from?: Speaker | undefined;
  /** Only methods with these fields count (strings, numbers, booleans), or those for which a function says so. */
  readonly fields?: Partial<MethodFields[Name]> | ((fields: MethodFields[Name]) => boolean) | undefined;
  /** On which connections; they are counted together. Default: on all. */
  readonly connections?: ConnectionFilter | undefined;
}

export class Faults {
  readonly #rules: RuleBook;
  readonly #connections: () => Iterable<FaultyConnection>;
  #blockedAll: Fault | undefined;
  #delayedConfirms: Fault | undefined;
  #refusedLogins: Fault | undefined;

  /** @internal */
  constructor(rules: RuleBook, connections: () => Iterable<FaultyConnection>) {
    this.#rules = rules;
    this.#connections = connections;
  }

  // --- where and when ------------------------------------------------------------------------------

  /** Faults for connections that match, all unless said: those that are there, and for what lasts those to come. */
  on(connections?: ConnectionFilter): FaultSite {
    const matcher = matcherOf(connections);
    return new FaultSite((effect) => {
      const present = [...this.#connections()];
      if (effect.isLasting) return this.#rules.strikeAll(effect, matcher, present);
      return this.#rules.strikeNow(
        effect,
        present.filter((connection) => matcher.matches(connection)),
      );
    });
  }

  /**
   * Faults for the next connection: when it is accepted, before its first byte, or, with a filter, when it has said its
   * name and its user and is not logged in yet. It has no channels then; faults in its later life are `at(...)`.
   *
   * Each such fault has a connection of its own: two of them strike the next two, in the order in which they were asked for.
   */
  next(connections?: ConnectionFilter): Omit<FaultSite, 'closeChannels' | 'cancelConsumers'> {
    const matcher = matcherOf(connections);
    return new FaultSite((effect) => this.#rules.strikeNext(effect, matcher));
  }

  /**
   * Faults that strike at a method: `faults.at('basic.ack', { count: 3 }).drop()` cuts the connection that says the third
   * basic.ack from now on, which is not handled any more.
   *
   * At `basic.publish`, `nackPublishes`, `returnPublishes`, `delayConfirms` and `loseConfirms` concern exactly the publishes at
   * which they strike: `faults.at('basic.publish', { count: 3 }).nackPublishes()` refuses the third. What else lasts is a
   * state of the connection (`silence`, `slow`, `split`, `merge`, `block`, and at other methods those four): it begins at the
   * first method named and goes on until the fault is ended, whatever `times` says.
   *
   * Throws ArgumentError for an unknown method, and for options that are wrong.
   */
  at<Name extends MethodName>(method: Name, options: AtOptions<Name> = {}): FaultSite {
    const choice = choiceOf(method, options);
    const matcher = matcherOf(options.connections);
    return new FaultSite((effect: Effect) => {
      const { ofPublish } = effect;
      if (choice.name !== 'basic.publish' || !ofPublish) return this.#rules.strikeAt(choice, effect, matcher);
      if (choice.isAfter)
        throw new ArgumentError('when', 'must be before: the publish is answered when it was handled');
      return this.#rules.strikeAt(choice, ofPublish, matcher);
    });
  }

  /** Ends all faults, also those that still wait. What was dropped or closed stays so. */
  clear(): void {
    this.#rules.clear();
  }

  // --- in one word ---------------------------------------------------------------------------------

  /** Cuts every connection without a goodbye, as a power failure would. Answers how many there were. */
  dropAll(): number {
    return this.on().drop().strikes;
  }

  /** Cuts the connections that match. Answers how many. */
  drop(connections?: ConnectionFilter): number {
    return this.on(connections).drop().strikes;
  }

  /** Closes all connections as an operator does: connection.close with 320. Answers how many. */
  closeAll(reason = 'Closed via management plugin'): number {
    return this.on().close({ code: 320, text: `CONNECTION_FORCED - ${reason}` }).strikes;
  }

  /** Closes the channels of all connections, or of those that match, unless told otherwise with 541. Answers how many. */
  closeChannels(connections?: ConnectionFilter, reply?: FaultReply): number {
    return this.on(connections).closeChannels(reply).strikes;
  }

  /** Ends the consumers of a queue with basic.cancel, as when the node of a queue fails. Answers how many. */
  cancelConsumers(queue: string): number {
    return this.on().cancelConsumers(queue).strikes;
  }

  /** Blocks connections that publish (connection.blocked), as on low memory; the broker stops reading from them. */
  blockAll(reason = 'low on memory'): Fault {
    this.#blockedAll?.end();
    return (this.#blockedAll = this.on().block(reason));
  }

  /** Ends `blockAll`. */
  unblockAll(): void {
    this.#blockedAll?.end();
  }

  /** Holds publisher confirms back for so many milliseconds; `Infinity` loses them, `0` ends the fault. */
  delayConfirms(milliseconds: number): Fault {
    this.#delayedConfirms?.end();
    this.#delayedConfirms = this.on().delayConfirms(milliseconds);
    if (milliseconds === 0) this.#delayedConfirms.end();
    return this.#delayedConfirms;
  }

  /** Refuses every login from now on, whatever the password, or accepts them again. */
  refuseLogins(isRefusing = true): Fault {
    this.#refusedLogins?.end();
    this.#refusedLogins = this.on().refuseLogins();
    if (!isRefusing) this.#refusedLogins.end();
    return this.#refusedLogins;
  }
}

const knownMethods: ReadonlySet<string> = new Set(Object.values(methodIds).map(methodName));

/** Methods that a broker says; of those that both say, basic.ack and the like, clients' count unless said. */
const saidByBroker = /-ok$|^connection\.(start|secure|tune|blocked|unblocked)$|^basic\.(deliver|return|get-empty)$/;
const saidByClient = /^connection\.(start|secure|tune)-ok$/;
const saidByBoth = /^(connection|channel)\.close(-ok)?$|^channel\.flow(-ok)?$|^basic\.(ack|nack|cancel)$/;

const knownOptions: Readonly<Record<keyof AtOptions, true>> = {
  count: true,
  times: true,
  when: true,
  from: true,
  fields: true,
  connections: true,
};

function choiceOf<Name extends MethodName>(name: Name, options: AtOptions<Name>): MethodChoice {
  if (!knownMethods.has(name)) throw new ArgumentError('method', `there is no method "${name}"`);
  if (typeof options !== 'object' || (options as unknown) === null)
    throw new ArgumentError('options', 'must be an object');
  const unknown = Object.keys(options).find((key) => !Object.hasOwn(knownOptions, key));
  if (unknown !== undefined) {
    throw new ArgumentError(unknown, `unknown option; there is: ${Object.keys(knownOptions).join(', ')}`);
  }
  const { count = 1, times = 1, when = 'before', fields } = options;
  const speaker = saidByBroker.test(name) && !saidByClient.test(name) ? 'broker' : 'client';
  const from = options.from ?? speaker;
  if (!Number.isInteger(count) || count < 1) throw new ArgumentError('count', 'must be an integer from 1 on');
  if (times !== Infinity && (!Number.isInteger(times) || times < 1)) {
    throw new ArgumentError('times', 'must be an integer from 1 on, or Infinity');
  }
  if (!['before', 'after'].includes(when)) throw new ArgumentError('when', 'must be before or after');
  if (!['client', 'broker'].includes(from)) throw new ArgumentError('from', 'must be client or broker');
  if (from !== speaker && !saidByBoth.test(name)) {
    throw new ArgumentError('from', `must be ${speaker}: nobody else says ${name}`);
  }
  if (fields !== undefined && typeof fields !== 'function') assertFields(name, fields);
  // Only methods of this name are asked.
  const hasFields = (method: Method): boolean => hasThese(method.fields as MethodFields[Name], fields);
  return { name, from, count, times, isAfter: when === 'after', hasFields };
}

/** What would never match is refused: fields that the method has not, and values of another kind. */
function assertFields(name: MethodName, wanted: object): void {
  if (typeof wanted !== 'object' || (wanted as unknown) === null) {
    throw new ArgumentError('fields', 'must be an object or a function');
  }
  const known = methodFields(name);
  for (const [field, value] of Object.entries(wanted) as [string, unknown][]) {
    const domain = known.get(field);
    if (domain === undefined) {
      const names = [...known.keys()].join(', ');
      throw new ArgumentError(
        `fields.${field}`,
        `${name} has no such field; there is: ${names === '' ? 'none' : names}`,
      );
    }
    const kinds = kindsOf(domain);
    if (kinds.length === 0) throw new ArgumentError(`fields.${field}`, 'is a table or bytes: ask for it by a function');
    if (!kinds.includes(typeof value)) {
      throw new ArgumentError(`fields.${field}`, `must be a ${kinds[0] ?? ''}, not ${shown(value)}`);
    }
  }
}

/** How values of a domain are read; empty where they cannot be compared. */
function kindsOf(domain: Domain): readonly string[] {
  if (domain === 'bit') return ['boolean'];
  if (domain === 'shortstr' || domain === 'longstr') return ['string'];
  return domain === 'table' || domain === 'bytes' ? [] : ['number', 'bigint'];
}

function hasThese<Fields extends object>(
  fields: Fields,
  wanted: Partial<Fields> | ((fields: Fields) => boolean) | undefined,
): boolean {
  if (typeof wanted === 'function') return wanted(fields);
  return Object.entries(wanted ?? {}).every(([name, value]) => fields[name as keyof Fields] === value);
}
