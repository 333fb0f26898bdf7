/**
 * The embedded broker: an AMQP 0-9-1 broker inside this process, on a TCP port, in memory, or both.
 *
 * It keeps everything in memory, on one node, and is for tests and development.
 */
import { createServer, type AddressInfo, type Server } from 'node:net';
import { ArgumentError, ConnectionRefusedError, WrongStateError } from '../amqp/errors.js';
import type { Transport, TransportFactory } from '../amqp/transport/index.js';
// Not by the layer's face, which loads the client's TLS, too: that takes longer than all of a broker's start.
import { memoryPair } from '../amqp/transport/memory.js';
import { streamTransport } from '../amqp/transport/stream.js';
import { BrokerClock } from './clock.js';
import { BrokerEvents, type BrokerEventMap } from './events.js';
import { Faults } from './faults/faults.js';
import { RuleBook } from './faults/rule-book.js';
import { Inspection } from './inspection.js';
import { resolveOptions, type BrokerOptions, type ResolvedOptions } from './options.js';
import { shown } from './shown.js';
import type { BrokerContext } from './serve/broker-context.js';
import { ConnectionSession, type Arrival } from './serve/connection-session.js';
import { User, type UserOptions } from './serve/users.js';
import { behaviourOf } from './store/behaviour.js';
import { MemoryLedger } from './store/memory-ledger.js';
import { assertPolicy, type PolicyOptions } from './store/policy-rules.js';
import { VirtualHost } from './store/virtual-host.js';

export class EmbeddedBroker {
  /** What can be broken on purpose. */
  readonly faults: Faults;
  /** What is in the broker. */
  readonly inspect: Inspection;
  readonly #options: ResolvedOptions;
  readonly #context: BrokerContext;
  readonly #virtualHosts = new Map<string, VirtualHost>();
  readonly #connections = new Set<ConnectionSession>();
  /** Those that faults leave alone. */
  readonly #spared = new Set<ConnectionSession>();
  #server: Server | undefined;
  #stopping: Promise<void> | undefined;
  #lastConnectionId = 0;

  /**
   * Starts a broker. Rejects with Node's own error (`EADDRINUSE`, ...) when the port cannot be had, with ArgumentError
   * when an option is wrong, and with DefinitionsError when the definitions are.
   */
  static async start(options: BrokerOptions = {}): Promise<EmbeddedBroker> {
    const resolved = resolveOptions(options);
    const broker = new EmbeddedBroker(resolved, await loadDefinitions(resolved.definitions));
    await broker.#listen();
    return broker;
  }

  private constructor(options: ResolvedOptions, definitions: GivenDefinitions) {
    this.#options = options;
    const behaviour = behaviourOf(options.emulate);
    const events = new BrokerEvents();
    const clock = new BrokerClock();
    const guest = { name: 'guest', password: 'guest' };
    const users = [guest, ...definitions.users, ...options.users].map((user) => new User(user));
    const memory = new MemoryLedger(options.memoryLimit, () => {
      for (const connection of [...this.#connections, ...this.#spared]) connection.updateBlocking();
    });
    const faults = new RuleBook();
    this.#context = {
      behaviour,
      events,
      clock,
      users: new Map(users.map((user) => [user.name, user])),
      virtualHosts: this.#virtualHosts,
      tuning: { heartbeat: options.heartbeat, frameMax: options.frameMax, channelMax: options.channelMax },
      handshakeTimeout: options.handshakeTimeout,
      faults,
      memory,
    };
    for (const name of ['/', ...options.virtualHosts, ...definitions.virtualHosts]) this.addVirtualHost(name);
    for (const [index, { name, ...policy }] of options.policies.entries()) {
      this.#setPolicy(name, policy, `policies[${String(index)}].`);
    }
    definitions.apply(this.#virtualHosts);
    const connections = (): Iterable<ConnectionSession> => this.#connections;
    this.faults = new Faults(faults, connections);
    this.inspect = new Inspection(this.#context, connections);
  }

  /** The TCP port. Throws WrongStateError when the broker is in memory only. */
  get port(): number {
    const address = this.#server?.address() as AddressInfo | null | undefined;
    if (!address) {
      throw new WrongStateError(
        this.#stopping
          ? 'the broker is stopped'
          : 'the broker is in memory only: start it with a port, or use memory()',
      );
    }
    return address.port;
  }

  /**
   * Where clients connect, as `amqp://guest:guest@127.0.0.1:5672`. Throws WrongStateError when the broker is in
   * memory only.
   */
  get url(): string {
    const { host, tls } = this.#options;
    const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
    const guest = this.#context.users.get('guest')?.hasPassword('guest') ? 'guest:guest@' : '';
    return `${tls ? 'amqps' : 'amqp'}://${guest}${name.includes(':') ? `[${name}]` : name}:${String(this.port)}`;
  }

  /**
   * A transport for `connect()`: each call of the factory is a new connection to this broker, in memory. `spared`: faults
   * leave it alone, and `inspect` does not show it, as is right for the connection of a test beside those that it tests.
   */
  memory({ spared = false }: { spared?: boolean | undefined } = {}): TransportFactory {
    return async (_endpoint, signal) => {
      await Promise.resolve();
      if (this.#stopping) throw new ConnectionRefusedError('the embedded broker is stopped');
      if (signal.aborted) throw new ConnectionRefusedError('aborted', { cause: signal.reason });
      const [clientSide, brokerSide] = memoryPair('memory');
      const arrival = { transport: brokerSide };
      if (spared) this.#accept(arrival, this.#spared, { ...this.#context, faults: new RuleBook() });
      else this.accept(brokerSide);
      return clientSide;
    };
  }

  /** Serves a client at the other end of a transport, whatever carries it. `reset` closes it as a crash does (RST). */
  accept(transport: Transport, reset?: () => void): void {
    this.#accept({ transport, reset }, this.#connections, this.#context);
  }

  #accept(arrival: Arrival, connections: Set<ConnectionSession>, context: BrokerContext): void {
    if (this.#stopping) {
      arrival.transport.destroy();
      return;
    }
    const onEnd = (ended: ConnectionSession): void => {
      connections.delete(ended);
    };
    const connection = new ConnectionSession(++this.#lastConnectionId, arrival, context, onEnd);
    connections.add(connection);
    connection.begin();
  }

  /** Makes a virtual host of this name; does nothing where there is one. */
  addVirtualHost(name: string): void {
    const { behaviour, events, clock, memory } = this.#context;
    if (!this.#virtualHosts.has(name)) {
      this.#virtualHosts.set(name, new VirtualHost(name, behaviour, events, clock, memory));
    }
  }

  /**
   * Sets a policy, in place of one of the same name: as `rabbitmqctl set_policy`, it counts at once for the queues and
   * exchanges that match, those that are there and those to come. Throws ArgumentError, which names what is wrong with it
   * (`definition.max-length`), before anything changed.
   */
  setPolicy(name: string, policy: PolicyOptions): void {
    this.#setPolicy(name, policy, '');
  }

  #setPolicy(name: string, policy: PolicyOptions, path: string): void {
    if (typeof name !== 'string' || name === '') throw new ArgumentError(`${path}name`, 'must be a name');
    assertPolicy(policy, this.#context.behaviour.policyRules, path);
    const { virtualHost = '/' } = policy;
    const host = this.#virtualHosts.get(virtualHost);
    if (!host) throw new ArgumentError(`${path}virtualHost`, `there is no virtual host "${virtualHost}"`);
    host.setPolicy(name, policy);
  }

  /** Deletes a policy: what it changed is as it was declared. Answers whether there was one. */
  deletePolicy(name: string, virtualHost = '/'): boolean {
    return this.#virtualHosts.get(virtualHost)?.deletePolicy(name) ?? false;
  }

  /** Observes the broker; an error of the listener becomes a process warning. Throws ArgumentError for an unknown event. */
  on<Name extends keyof BrokerEventMap>(name: Name, listener: (...event: BrokerEventMap[Name]) => void): this {
    assertEvent(name);
    (this.#context.events as NodeJS.EventEmitter).on(name, listener);
    return this;
  }

  /**
   * Time passes in the broker at once: so many milliseconds later, messages expire and are dead-lettered, unused queues end,
   * confirms that a fault holds back go out; each at its own time, in that order, before this returns. What clients make of
   * it comes after. Heartbeats are not of it. Throws ArgumentError for what is no number of milliseconds.
   */
  advance(milliseconds: number): void {
    this.#context.clock.advance(milliseconds);
  }

  /** Milliseconds until the next of these is due; undefined where nothing waits. */
  get untilNextDue(): number | undefined {
    return this.#context.clock.untilNext();
  }

  /** Ends an observation. */
  off<Name extends keyof BrokerEventMap>(name: Name, listener: (...event: BrokerEventMap[Name]) => void): this {
    (this.#context.events as NodeJS.EventEmitter).off(name, listener);
    return this;
  }

  /** Cuts every connection, frees the port and forgets everything. Calling it again changes nothing. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const server = this.#server;
    const closed = new Promise<void>((resolve) => {
      if (!server) resolve();
      else
        server.close(() => {
          resolve();
        });
    });
    this.faults.clear();
    this.faults.dropAll();
    for (const connection of [...this.#spared]) connection.destroy();
    for (const virtualHost of this.#virtualHosts.values()) virtualHost.close();
    this.#virtualHosts.clear();
    this.#context.clock.stop();
    await closed;
  }

  async #createServer(): Promise<Server> {
    const { tls, certificateLogin } = this.#options;
    const accept = (arrival: Arrival): void => {
      this.#accept(arrival, this.#connections, this.#context);
    };
    if (tls) {
      const { tlsListener } = await import('./tls-listener.js');
      return tlsListener(tls, certificateLogin, accept);
    }
    return createServer((socket) => {
      socket.setNoDelay(true);
      const description = `${socket.remoteAddress ?? 'unknown'}:${String(socket.remotePort ?? 0)}`;
      accept({ transport: streamTransport(socket, { description }), reset: () => void socket.resetAndDestroy() });
    });
  }

  async #listen(): Promise<void> {
    const { port, host } = this.#options;
    if (port === undefined) return;
    const server = await this.#createServer();
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.off('error', reject);
        // A client that cannot be accepted must not take the broker down.
        server.on('error', (error: Error) => {
          process.emitWarning(error, 'LeveretBroker');
        });
        resolve();
      });
    });
  }
}

interface GivenDefinitions {
  readonly users: readonly UserOptions[];
  readonly virtualHosts: readonly string[];
  apply(virtualHosts: ReadonlyMap<string, VirtualHost>): void;
}

/** What reads them is loaded only where there are any. */
async function loadDefinitions(definitions: unknown): Promise<GivenDefinitions> {
  if (definitions === undefined) return { users: [], virtualHosts: [], apply: () => undefined };
  const [{ readDefinitions }, { applyDefinitions }] = await Promise.all([
    import('./definitions/read-definitions.js'),
    import('./definitions/apply-definitions.js'),
  ]);
  const read = readDefinitions(definitions);
  return {
    ...read,
    apply: (virtualHosts) => {
      applyDefinitions(read, virtualHosts);
    },
  };
}

const knownEvents: Readonly<Record<keyof BrokerEventMap, true>> = {
  connected: true,
  disconnected: true,
  published: true,
  delivered: true,
  settled: true,
  method: true,
};

function assertEvent(name: string): void {
  if (Object.hasOwn(knownEvents, name)) return;
  throw new ArgumentError(
    'event',
    `there is no event ${shown(name)}; there is: ${Object.keys(knownEvents).join(', ')}`,
  );
}
