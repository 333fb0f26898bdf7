/** What a test of a program needs of the broker beside it: names of its own, queues, messages, and an end that tidies up. */
import { connect, type Channel, type Connection } from 'leveret/amqp';
import type { TestBroker } from '../support/brokers.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/waiting.js';
import { Programs } from './programs.js';

export class Bench {
  readonly broker: TestBroker;
  readonly connection: Connection;
  readonly channel: Channel;
  readonly programs: Programs;
  readonly #proxies: TcpProxy[] = [];
  readonly #queues: string[] = [];
  readonly #exchanges: string[] = [];

  private constructor(broker: TestBroker, connection: Connection, channel: Channel, programs: Programs) {
    this.broker = broker;
    this.connection = connection;
    this.channel = channel;
    this.programs = programs;
  }

  /** For the programs of `sample/<folder>`. */
  static async open(broker: TestBroker, folder: string): Promise<Bench> {
    const programs = await Programs.compile(folder);
    const connection = await connect(broker.url);
    return new Bench(broker, connection, await connection.openChannel({ confirm: true }), programs);
  }

  /** A proxy to the broker, until the end of the test. */
  async openProxy(): Promise<TcpProxy> {
    const proxy = await TcpProxy.start(this.broker.url);
    this.#proxies.push(proxy);
    return proxy;
  }

  /** Ends what a test left running. */
  async endTest(): Promise<void> {
    await this.programs.stop();
    await Promise.all(this.#proxies.splice(0).map((proxy) => proxy.stop()));
  }

  /** A name for a queue that the program declares, or that `queue` does; deleted in the end. */
  queueName(name: string): string {
    const unique = this.broker.unique(name);
    this.#queues.push(unique);
    return unique;
  }

  /** As `queueName`, for an exchange. */
  exchangeName(name: string): string {
    const unique = this.broker.unique(name);
    this.#exchanges.push(unique);
    return unique;
  }

  /** For the names that a program makes of the one it is given. */
  forget(queues: readonly string[], exchanges: readonly string[] = []): void {
    this.#queues.push(...queues);
    this.#exchanges.push(...exchanges);
  }

  /** A queue with these messages in it. */
  async queue(...bodies: string[]): Promise<string> {
    const queue = this.queueName('queue');
    await this.channel.queueDeclare(queue);
    for (const body of bodies) await this.send(queue, body);
    return queue;
  }

  /** A queue that gets what is published to the exchange. */
  async boundQueue(exchange: string, type: string, ...routingKeys: string[]): Promise<string> {
    await this.channel.exchangeDeclare(exchange, type);
    const queue = await this.queue();
    for (const routingKey of routingKeys) await this.channel.queueBind(queue, exchange, routingKey);
    return queue;
  }

  async send(queue: string, body: string): Promise<void> {
    await this.channel.publish('', queue, body);
  }

  /** Messages that are ready in the queue. */
  async count(queue: string): Promise<number> {
    return (await this.channel.queueDeclare(queue, { passive: true })).messageCount;
  }

  async countIs(queue: string, count: number): Promise<void> {
    await until(`${String(count)} messages in ${queue}`, async () => (await this.count(queue)) === count);
  }

  /** Takes all messages out of the queue. */
  async bodies(queue: string): Promise<string[]> {
    const bodies: string[] = [];
    for (;;) {
      const delivery = await this.channel.basicGet(queue, { noAck: true });
      if (!delivery) return bodies;
      bodies.push(delivery.body.toString());
    }
  }

  async close(): Promise<void> {
    for (const queue of this.#queues) await this.channel.queueDelete(queue);
    for (const exchange of this.#exchanges) await this.channel.exchangeDelete(exchange);
    await this.connection.close();
    await this.programs.dispose();
  }
}
