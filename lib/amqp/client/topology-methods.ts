/**
 * The methods of a channel that shape the broker's topology: exchanges, queues and bindings.
 *
 * Each waits for the broker's answer, and what it made is recorded, to be made again after a loss. Must not know
 * messages or consumers.
 *
 * What holds for every one of them:
 * - A wrong argument rejects with ArgumentError before a byte is sent; the channel goes on.
 * - What the broker refuses closes the channel: the call rejects with ChannelClosedByBrokerError (`replyCode` 403, 404,
 *   405, 406), and the channel is reopened with its consumers, other channels feeling nothing.
 * - While the channel or its connection is away the call waits and is made again, for at most `methodTimeout`
 *   milliseconds (TimeoutError). On a closed channel it rejects with ChannelClosedError or ConnectionClosedError.
 */
import {
  copyTable,
  type FieldTable,
  type MethodFields,
  type MethodInputs,
  type MethodName,
} from '../protocol/index.js';
import type { BindingRecord, TopologyRecord } from '../recovery/index.js';
import { check, checkOptions } from './arguments.js';
import type { ChannelKeeper } from './channel-keeper.js';
import {
  exchangeDeclareKinds,
  queueDeclareKinds,
  type ChannelEvents,
  type ExchangeDeclareOptions,
  type ExchangeType,
  type QueueDeclared,
  type QueueDeclareOptions,
} from './channel-options.js';
import { Events } from './events.js';

export abstract class TopologyMethods extends Events<ChannelEvents> {
  /** @internal */
  abstract readonly keeper: ChannelKeeper;
  /** What `openChannel` was told, or `channel 1`, `channel 2` ...; the same in all lives. */
  readonly name: string;
  protected readonly topology: TopologyRecord;
  readonly #declaredBy: readonly string[];

  constructor(topology: TopologyRecord, name: string) {
    super();
    this.topology = topology;
    this.name = name;
    this.#declaredBy = [name];
  }

  // --- exchanges ----------------------------------------------------------------------------------

  /**
   * exchange.declare: makes an exchange, or makes sure that it is as described.
   *
   * Closes the channel: another type, durability, other flags or arguments than those it has (406); a name that begins
   * with `amq.` and is not there, or the default exchange `''` (403); no configure permission (403); with `passive`,
   * which looks at nothing but the name, none of it (404). An unknown type is 406 from RabbitMQ 4.0 on, while 3.x closes
   * the connection (503), which recovers without the exchange.
   *
   * @param type - `direct`, `fanout`, `topic`, `headers`, or a plugin's.
   */
  async exchangeDeclare(exchange: string, type: ExchangeType, options: ExchangeDeclareOptions = {}): Promise<void> {
    check(exchange, 'name', 'exchange');
    check(type, 'name', 'type');
    const given = checkOptions(options, exchangeDeclareKinds, 'exchangeDeclare');
    const { durable = true, autoDelete = false, internal = false, passive = false, arguments: table = {} } = given;
    const fields = { exchange, type, passive, durable, autoDelete, internal, arguments: table };
    await this.call('exchange.declare', fields);
    if (!passive) {
      const declaredBy = this.#declaredBy;
      this.topology.addExchange({ name: exchange, type, durable, autoDelete, internal, arguments: table, declaredBy });
    }
  }

  /**
   * exchange.delete, with all its bindings. A missing exchange is no error.
   *
   * Closes the channel: `ifUnused` (default false) and it has bindings as a source (406); a predefined exchange, `''` or
   * `amq.*` (403); no configure permission (403).
   */
  async exchangeDelete(exchange: string, options: { ifUnused?: boolean | undefined } = {}): Promise<void> {
    check(exchange, 'name', 'exchange');
    const { ifUnused = false } = checkOptions(options, { ifUnused: 'boolean' }, 'exchangeDelete');
    await this.keeper.removal(async () => {
      await this.call('exchange.delete', { exchange, ifUnused });
      this.topology.removeExchange(exchange);
    });
  }

  /**
   * exchange.bind (RabbitMQ's extension): what reaches `source` and matches goes to `destination` too. Binding twice is
   * one binding; bindings that differ in the routing key or the arguments are two.
   *
   * Closes the channel: one of the two is missing (404); the default exchange `''` (403); no write permission on
   * `destination` or read on `source` (403).
   *
   * @param table - Arguments, for a headers exchange for instance `{ 'x-match': 'all', kind: 'invoice' }`.
   */
  async exchangeBind(destination: string, source: string, routingKey = '', table: FieldTable = {}): Promise<void> {
    const binding = checkBinding('exchange', source, destination, routingKey, table);
    await this.call('exchange.bind', { destination, source, routingKey, arguments: binding.arguments });
    this.topology.addBinding({ ...binding, declaredBy: this.#declaredBy });
  }

  /**
   * exchange.unbind (RabbitMQ's extension): removes the binding with this routing key and these arguments. It is no
   * error that there is none, nor that an exchange is missing.
   *
   * Closes the channel: the default exchange `''` (403); no write permission on `destination` or read on `source` (403).
   */
  async exchangeUnbind(destination: string, source: string, routingKey = '', table: FieldTable = {}): Promise<void> {
    const binding = checkBinding('exchange', source, destination, routingKey, table);
    await this.keeper.removal(async () => {
      await this.call('exchange.unbind', { destination, source, routingKey, arguments: binding.arguments });
      this.topology.removeBinding(binding);
    });
  }

  /**
   * True when the exchange is there (exchange.declare, passive). Costs no channel: it is asked on one that is opened
   * for the question alone, which a 404 closes. Rejects with ChannelClosedByBrokerError for any other refusal (403: on
   * RabbitMQ 4.3 a user without any permission on it may not look).
   */
  async exchangeExists(exchange: string): Promise<boolean> {
    check(exchange, 'name', 'exchange');
    return this.keeper.exists('exchange', exchange);
  }

  // --- queues -------------------------------------------------------------------------------------

  /**
   * queue.declare: makes a queue, or makes sure that it is as described.
   *
   * An empty name (the default) lets the broker choose one (`amq.gen-...`), which changes with each life of the
   * connection; bindings and consumers follow it, and methods take any name that it had.
   *
   * Closes the channel: other durability, auto-delete or arguments than those it has (406); exclusive where it is not,
   * or exclusive to another connection (405); a name that begins with `amq.` (403); no configure permission (403);
   * arguments that its type refuses, for instance a quorum queue that is exclusive, auto-delete, not durable or named by
   * the broker (406); with `passive`, none of the name (404). RabbitMQ 4.3 may close the connection (541) for a queue
   * that is neither durable nor exclusive.
   */
  async queueDeclare(queue = '', options: QueueDeclareOptions = {}): Promise<QueueDeclared> {
    check(queue, 'name', 'queue');
    const given = checkOptions(options, queueDeclareKinds, 'queueDeclare');
    const { durable = true, exclusive = false, autoDelete = false, passive = false, arguments: table = {} } = given;
    const fields = { queue, passive, durable, exclusive, autoDelete, arguments: table };
    const declare = async (): Promise<QueueDeclared> => {
      const declared = (await this.call('queue.declare', fields)) as MethodFields['queue.declare-ok'];
      this.#lastDeclared = declared.queue;
      if (!passive) {
        const { queue: name } = declared;
        this.topology.addQueue({
          name,
          isServerNamed: queue === '',
          durable,
          exclusive,
          autoDelete,
          arguments: table,
          declaredBy: this.#declaredBy,
        });
      }
      return declared;
    };
    return passive ? declare() : this.keeper.declaration(queue, declare);
  }

  /**
   * queue.delete; answers how many ready messages went with it. Its consumers are cancelled. A missing queue is no error.
   *
   * Closes the channel: `ifUnused` and it has consumers, `ifEmpty` and it has messages (406; both default false); the
   * queue is exclusive to another connection (405); no configure permission (403). Messages on their way to a consumer do
   * not count. A quorum queue knows neither condition: RabbitMQ closes the connection (540), which recovers.
   */
  async queueDelete(
    queue: string,
    options: { ifUnused?: boolean | undefined; ifEmpty?: boolean | undefined } = {},
  ): Promise<number> {
    check(queue, 'name', 'queue');
    const kinds = { ifUnused: 'boolean', ifEmpty: 'boolean' } as const;
    const { ifUnused = false, ifEmpty = false } = checkOptions(options, kinds, 'queueDelete');
    return this.keeper.removal(async () => {
      const reply = await this.call('queue.delete', { queue, ifUnused, ifEmpty });
      const name = this.currentName(queue);
      this.topology.removeQueue(name);
      this.keeper.forgetConsumers(name);
      return (reply as MethodFields['queue.delete-ok']).messageCount;
    });
  }

  /**
   * queue.purge: drops the ready messages, and answers how many they were. Unsettled deliveries stay.
   * Closes the channel: no such queue (404); exclusive to another connection (405); no read permission (403). A stream
   * cannot be purged: RabbitMQ closes the connection (540), which recovers.
   */
  async queuePurge(queue: string): Promise<number> {
    check(queue, 'name', 'queue');
    return ((await this.call('queue.purge', { queue })) as MethodFields['queue.purge-ok']).messageCount;
  }

  /**
   * queue.bind: what reaches the exchange and matches goes to the queue. Binding twice is one binding; bindings that
   * differ in the routing key or the arguments are two. The routing key is `''` unless said, not the queue's name.
   *
   * Closes the channel: queue or exchange is missing (404); the default exchange `''` (403); no write permission on the
   * queue or read on the exchange (403); the queue is exclusive to another connection (405); arguments that the exchange
   * cannot read, for instance an unknown `x-match` (406).
   *
   * @param table - Arguments, for a headers exchange for instance `{ 'x-match': 'any', kind: 'invoice' }`.
   */
  async queueBind(queue: string, exchange: string, routingKey = '', table: FieldTable = {}): Promise<void> {
    const binding = checkBinding('queue', exchange, queue, routingKey, table);
    await this.call('queue.bind', { queue, exchange, routingKey, arguments: binding.arguments });
    this.topology.addBinding({ ...binding, destination: this.currentName(queue), declaredBy: this.#declaredBy });
  }

  /**
   * queue.unbind: removes the binding with this routing key and these arguments. It is no error that there is none, nor
   * that queue or exchange is missing.
   *
   * Closes the channel: the default exchange `''` (403); no write permission on the queue or read on the exchange (403);
   * there is such a binding, and the queue is exclusive to another connection (405).
   */
  async queueUnbind(queue: string, exchange: string, routingKey = '', table: FieldTable = {}): Promise<void> {
    const binding = checkBinding('queue', exchange, queue, routingKey, table);
    await this.keeper.removal(async () => {
      await this.call('queue.unbind', { queue, exchange, routingKey, arguments: binding.arguments });
      this.topology.removeBinding({ ...binding, destination: this.currentName(queue) });
    });
  }

  /**
   * True when the queue is there, also when it is exclusive to another connection (queue.declare, passive). Costs no
   * channel, as `exchangeExists`. Rejects with ChannelClosedByBrokerError for any other refusal (403).
   */
  async queueExists(queue: string): Promise<boolean> {
    check(queue, 'name', 'queue');
    return this.keeper.exists('queue', queue);
  }

  /** The present name of a queue that may have had another; '' is the one that this channel declared last. */
  protected currentName(queue: string): string {
    return this.topology.currentName(queue === '' ? this.#lastDeclared : queue);
  }

  #lastDeclared = '';

  /** Makes a call that may be made twice; answers the fields of its reply. */
  protected async call<Name extends MethodName>(name: Name, fields: MethodInputs[Name]): Promise<unknown> {
    const reply = await this.keeper.onLife(name, (life) => {
      // A server-named queue may have got another name since the caller learnt it.
      const isNamed = 'queue' in fields && !(name === 'queue.declare' && fields.queue === '');
      const queue = isNamed ? { queue: this.currentName(fields.queue) } : {};
      return life.call(name, { ...fields, ...queue });
    });
    return reply.fields;
  }
}

function checkBinding(
  kind: 'queue' | 'exchange',
  source: string,
  destination: string,
  routingKey: string,
  table: FieldTable,
): BindingRecord {
  check(destination, 'name', kind === 'queue' ? 'queue' : 'destination');
  check(source, 'name', kind === 'queue' ? 'exchange' : 'source');
  check(routingKey, 'name', 'routingKey');
  check(table, 'table', 'arguments');
  return { kind, source, destination, routingKey, arguments: copyTable(table, 'arguments') };
}
