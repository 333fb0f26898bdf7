/**
 * A virtual host: its exchanges and queues, how they are declared, bound and removed, and the way of a message.
 *
 * Throws ReplyError with RabbitMQ's words, always before anything changed. Must not know channels or sockets.
 */
import type { BrokerClock } from '../clock.js';
import type { BrokerEvents } from '../events.js';
import type { Behaviour } from './behaviour.js';
import { deadLetter, isDeadLetterCycle } from './dead-letter.js';
import { Exchange, isMatchMode, type Binding, type ExchangeDeclaration } from './exchange.js';
import { areEqualFields, describedDifference, plainText, typeName } from './field-text.js';
import type { MemoryLedger } from './memory-ledger.js';
import type { DeathReason, Message } from './message.js';
import { MessageQueue, type QueueConsumer, type QueueHost } from './message-queue.js';
import { argumentsWith, Policies, type Policy } from './policies.js';
import type { PolicyOptions } from './policy-rules.js';
import { assertSameQueue, inequivalent, queueSettings, settingsOf, type QueueDeclaration } from './queue-arguments.js';
import { channelRefusal, connectionRefusal, type ReplyError } from './reply-error.js';
import { routeMessage } from './routing.js';

/** Who answers direct replies: a channel that consumes amq.rabbitmq.reply-to. */
export type DirectReplyTarget = (message: Message) => void;

export interface PublishResult {
  readonly queues: readonly MessageQueue[];
  /** False: a full queue refused it, and the publisher gets a nack. */
  readonly isAccepted: boolean;
}

export interface QueueDeletion {
  readonly messageCount: number;
  /** Consumers that must be told, after the reply. */
  readonly consumers: readonly QueueConsumer[];
}

const predeclared: readonly Pick<ExchangeDeclaration, 'name' | 'type'>[] = [
  { name: '', type: 'direct' },
  { name: 'amq.direct', type: 'direct' },
  { name: 'amq.fanout', type: 'fanout' },
  { name: 'amq.topic', type: 'topic' },
  { name: 'amq.headers', type: 'headers' },
  { name: 'amq.match', type: 'headers' },
];

export class VirtualHost implements QueueHost {
  /** The target of each address under amq.rabbitmq.reply-to. */
  readonly directReplies = new Map<string, DirectReplyTarget>();
  readonly #exchanges = new Map<string, Exchange>();
  readonly #queues = new Map<string, MessageQueue>();
  readonly #policies: Policies;
  #declaredCount = 0;
  /** Dead letters that wait until the message under way is in all its queues; undefined: none is. */
  #deadLetters: (() => void)[] | undefined;

  constructor(
    readonly name: string,
    readonly behaviour: Behaviour,
    readonly events: BrokerEvents,
    readonly clock: BrokerClock,
    readonly memory: MemoryLedger,
  ) {
    this.#policies = new Policies(behaviour);
    for (const { name: exchange, type } of predeclared) {
      const flags = { isDurable: true, isAutoDelete: false, isInternal: false, arguments: {} };
      this.#exchanges.set(exchange, new Exchange({ name: exchange, type, ...flags }));
    }
  }

  get exchanges(): Iterable<Exchange> {
    return this.#exchanges.values();
  }

  get queues(): Iterable<MessageQueue> {
    return this.#queues.values();
  }

  // --- looking up ----------------------------------------------------------------------------------

  findExchange(name: string): Exchange | undefined {
    return this.#exchanges.get(name);
  }

  findQueue(name: string): MessageQueue | undefined {
    return this.#queues.get(name);
  }

  exchange(name: string): Exchange {
    const exchange = this.#exchanges.get(name);
    if (!exchange) throw channelRefusal('notFound', `no exchange '${name}' in vhost '${this.name}'`);
    return exchange;
  }

  /** A queue that the connection may use. */
  queue(name: string, connectionId: number): MessageQueue {
    const queue = this.#queues.get(name);
    if (!queue) throw channelRefusal('notFound', `no queue '${name}' in vhost '${this.name}'`);
    this.#assertAccess(queue, queue.declaration.exclusiveOwner ?? connectionId, connectionId);
    return queue;
  }

  #assertAccess(queue: MessageQueue, owner: number | undefined, connectionId: number | undefined): void {
    if (owner === connectionId) return;
    throw channelRefusal(
      'resourceLocked',
      `cannot obtain exclusive access to locked queue '${queue.name}' in vhost '${this.name}'. It could be originally ` +
        'declared on another connection or the exclusive property value does not match that of the original declaration.',
    );
  }

  // --- exchanges -----------------------------------------------------------------------------------

  declareExchange(declaration: ExchangeDeclaration): void {
    const existing = this.#exchanges.get(declaration.name);
    if (existing) {
      this.#assertSameExchange(existing.declaration, declaration);
      return;
    }
    const exchange = new Exchange(declaration);
    exchange.policy = this.#policies.ofExchange(declaration.name);
    this.#exchanges.set(declaration.name, exchange);
  }

  #assertSameExchange(current: ExchangeDeclaration, received: ExchangeDeclaration): void {
    const differs = (argument: string, was: string, is: string): ReplyError =>
      inequivalent(argument, `exchange '${current.name}' in vhost '${this.name}'`, was, is);
    if (current.type !== received.type) throw differs('type', `'${received.type}'`, `'${current.type}'`);
    const flags = [
      ['durable', current.isDurable, received.isDurable],
      ['auto_delete', current.isAutoDelete, received.isAutoDelete],
      ['internal', current.isInternal, received.isInternal],
    ] as const;
    for (const [name, is, was] of flags) if (is !== was) throw differs(name, `'${was}'`, `'${is}'`);
    const is = current.arguments['alternate-exchange'];
    const was = received.arguments['alternate-exchange'];
    if (areEqualFields(is, was)) return;
    const { received: asked, current: kept } = describedDifference(was, is);
    throw differs('alternate-exchange', asked, kept);
  }

  /** Deletes an exchange and all bindings from and to it; one that is not there is deleted already. */
  deleteExchange(name: string, ifUnused: boolean): void {
    const exchange = this.#exchanges.get(name);
    if (!exchange) return;
    if (ifUnused && exchange.bindingCount > 0) {
      throw channelRefusal('preconditionFailed', `exchange '${name}' in vhost '${this.name}' in use`);
    }
    this.#exchanges.delete(name);
    this.#unbindDestination('exchange', name);
  }

  /** Binds; both ends were looked up before. */
  /** `assertAccess` comes after all that can be wrong with the binding itself, as on RabbitMQ. */
  bind(binding: Binding, assertAccess?: () => void): void {
    const source = this.exchange(binding.source);
    const mode = binding.arguments['x-match'];
    if (source.declaration.type === 'headers' && mode !== undefined && !isMatchMode(mode)) {
      throw channelRefusal(
        'preconditionFailed',
        typeof mode === 'string'
          ? `Invalid x-match field value <<"${mode}">>; expected all, any, all-with-x, or any-with-x`
          : `Invalid x-match field type ${typeName(mode)} (value ${plainText(mode)}); expected longstr`,
      );
    }
    assertAccess?.();
    source.bind(binding);
  }

  hasBinding(binding: Binding): boolean {
    return this.#exchanges.get(binding.source)?.has(binding) ?? false;
  }

  unbind(binding: Binding): void {
    const source = this.#exchanges.get(binding.source);
    if (source?.unbind(binding)) this.#deleteIfUnbound(source);
  }

  #unbindDestination(kind: Binding['destinationKind'], destination: string): void {
    for (const exchange of [...this.#exchanges.values()]) {
      let isChanged = false;
      for (const binding of [...exchange.bindings]) {
        if (binding.destinationKind !== kind || binding.destination !== destination) continue;
        isChanged = exchange.unbind(binding) || isChanged;
      }
      if (isChanged) this.#deleteIfUnbound(exchange);
    }
  }

  #deleteIfUnbound(exchange: Exchange): void {
    if (exchange.declaration.isAutoDelete && exchange.bindingCount === 0) this.deleteExchange(exchange.name, false);
  }

  // --- queues --------------------------------------------------------------------------------------

  declareQueue(declaration: QueueDeclaration, connectionId: number): MessageQueue {
    const existing = this.#queues.get(declaration.name);
    if (existing) {
      const { exclusiveOwner } = existing.declaration;
      this.#assertAccess(existing, exclusiveOwner, declaration.exclusiveOwner === undefined ? undefined : connectionId);
      assertSameQueue(existing.declaration, declaration, this.name, this.behaviour);
      existing.touch();
      return existing;
    }
    const settings = queueSettings(declaration, this.name, this.behaviour);
    const queue = new MessageQueue(declaration, settings, this, this.#declaredCount++);
    this.#queues.set(declaration.name, queue);
    this.#applyPolicyTo(queue);
    return queue;
  }

  deleteQueue(queue: MessageQueue, conditions: { ifUnused?: boolean; ifEmpty?: boolean } = {}): QueueDeletion {
    const described = `queue '${queue.name}' in vhost '${this.name}'`;
    if (queue.settings.type === 'quorum' && (conditions.ifUnused || conditions.ifEmpty)) {
      const flag = conditions.ifUnused ? 'if-unused' : 'if-empty';
      throw connectionRefusal(
        'notImplemented',
        `cannot delete ${described}. queue.delete operations with ${flag} flag set are not supported by quorum queues`,
      );
    }
    if (conditions.ifUnused && queue.consumerCount > 0) {
      throw channelRefusal('preconditionFailed', `${described} in use`);
    }
    if (conditions.ifEmpty && queue.messageCount > 0) {
      throw channelRefusal('preconditionFailed', `${described} not empty`);
    }
    if (this.#queues.get(queue.name) === queue) {
      this.#queues.delete(queue.name);
      this.#unbindDestination('queue', queue.name);
    }
    return queue.delete();
  }

  expire(queue: MessageQueue): void {
    for (const consumer of this.deleteQueue(queue).consumers) consumer.cancel();
  }

  /** The queues that belong to a connection which is gone. */
  deleteExclusiveQueues(connectionId: number): void {
    for (const queue of [...this.#queues.values()]) {
      if (queue.declaration.exclusiveOwner === connectionId) this.expire(queue);
    }
  }

  /** Ends all queues, and their timers. */
  close(): void {
    for (const queue of this.#queues.values()) queue.delete();
    this.#queues.clear();
  }

  // --- policies ------------------------------------------------------------------------------------

  get policies(): readonly Policy[] {
    return this.#policies.all;
  }

  /** Takes a policy that was checked. */
  setPolicy(name: string, policy: PolicyOptions): void {
    this.#policies.set(name, policy);
    this.#applyPolicies();
  }

  /** Answers whether there was one. */
  deletePolicy(name: string): boolean {
    const wasThere = this.#policies.delete(name);
    if (wasThere) this.#applyPolicies();
    return wasThere;
  }

  #applyPolicies(): void {
    for (const exchange of this.#exchanges.values()) exchange.policy = this.#policies.ofExchange(exchange.name);
    for (const queue of [...this.#queues.values()]) this.#applyPolicyTo(queue);
  }

  #applyPolicyTo(queue: MessageQueue): void {
    const { type } = queue.settings;
    const policy = this.#policies.ofQueue(queue.name, type);
    // One that stays as it was changes nothing, not even the time without use.
    if (policy === queue.policy) return;
    const table = argumentsWith(policy?.definition, queue.declaration.arguments, type, this.behaviour);
    queue.policy = policy;
    queue.reconfigure(settingsOf(type, table, this.behaviour));
  }

  // --- messages ------------------------------------------------------------------------------------

  /** The queues that take the message, as bindings are now. */
  route(exchange: Exchange, message: Message): MessageQueue[] {
    return routeMessage(this, exchange, message);
  }

  /**
   * Puts a message into queues that were found for it; those that are gone since take nothing. `isLate`: those that
   * get it when what died of it elsewhere is there already.
   */
  deliver(
    message: Message,
    routed: readonly MessageQueue[],
    isLate: (queue: MessageQueue) => boolean = () => false,
  ): PublishResult {
    const queues = routed.filter(({ isDeleted }) => !isDeleted);
    const late = queues.filter(isLate);
    let isAccepted = true;
    const put = (targets: readonly MessageQueue[]): void => {
      this.#whole(() => {
        for (const queue of targets) isAccepted = queue.publish(message) && isAccepted;
      });
    };
    if (late.length === 0) {
      put(queues);
    } else {
      put(queues.filter((queue) => !late.includes(queue)));
      put(late);
    }
    this.events.tell('published', () => ({
      virtualHost: this.name,
      exchange: message.exchange,
      routingKey: message.routingKey,
      message,
      queues: queues.map(({ name }) => name),
    }));
    return { queues, isAccepted };
  }

  deadLetter(queue: MessageQueue, message: Message, reason: DeathReason, failures: number): boolean {
    const { deadLetterExchange, deadLetterRoutingKey } = queue.settings;
    const exchange = deadLetterExchange === undefined ? undefined : this.#exchanges.get(deadLetterExchange);
    if (deadLetterExchange === undefined || !exchange) return false;
    const circumstances = {
      queue: queue.name,
      reason,
      time: this.clock.now(),
      deadLetterExchange,
      deadLetterRoutingKey,
    };
    const dead = deadLetter(message, circumstances, this.behaviour);
    const targets = routeMessage(this, exchange, dead).filter(
      (target) => reason === 'rejected' || !isDeadLetterCycle(dead, target.name),
    );
    const kept = this.behaviour.deadLettersStayRedelivered ? failures : 0;
    const put = (): void => {
      for (const target of targets) target.publish(dead, kept);
    };
    if (this.#deadLetters) this.#deadLetters.push(put);
    else this.#whole(put);
    return targets.length > 0;
  }

  /** What dies while a message is put into its queues goes on when it is in all of them, as on RabbitMQ. */
  #whole(action: () => void): void {
    if (this.#deadLetters) {
      action();
      return;
    }
    const deadLetters: (() => void)[] = (this.#deadLetters = []);
    try {
      action();
      for (let next = deadLetters.shift(); next; next = deadLetters.shift()) next();
    } finally {
      this.#deadLetters = undefined;
    }
  }
}
