/** What is in the broker, as plain data: for tests, and for tools that show it. */
import type { BrokerContext } from './serve/broker-context.js';
import type { FaultyConnection } from './serve/fault-hooks.js';
import type { ConnectionSession } from './serve/connection-session.js';
import type { Binding, ExchangeType } from './store/exchange.js';
import type { Message } from './store/message.js';
import type { MessageQueue } from './store/message-queue.js';
import type { Policy } from './store/policies.js';
import type { QueueType } from './store/queue-arguments.js';
import type { FieldTable } from '../amqp/protocol/index.js';
import type { VirtualHost } from './store/virtual-host.js';

export interface QueueInfo {
  readonly name: string;
  readonly type: QueueType;
  readonly isDurable: boolean;
  readonly isExclusive: boolean;
  readonly isAutoDelete: boolean;
  readonly arguments: Readonly<FieldTable>;
  /** The name of the policy that counts for it; undefined: none. */
  readonly policy: string | undefined;
  /** Ready: waiting for a consumer. */
  readonly messageCount: number;
  /** Delivered, and not settled. */
  readonly unackedCount: number;
  readonly consumerCount: number;
}

export interface ExchangeInfo {
  readonly name: string;
  readonly type: ExchangeType;
  readonly isDurable: boolean;
  readonly isAutoDelete: boolean;
  readonly isInternal: boolean;
  readonly arguments: Readonly<FieldTable>;
  /** The name of the policy that counts for it; undefined: none. */
  readonly policy: string | undefined;
}

export interface ConnectionInfo {
  /** `connection_name` of the client properties, else the client's address. */
  readonly name: string;
  /** Who logged in. */
  readonly user: string;
  readonly channelCount: number;
  readonly isBlocked: boolean;
  readonly clientProperties: Readonly<FieldTable>;
}

export class Inspection {
  readonly #context: BrokerContext;
  readonly #connections: () => Iterable<ConnectionSession>;

  constructor(context: BrokerContext, connections: () => Iterable<ConnectionSession>) {
    this.#context = context;
    this.#connections = connections;
  }

  /** Open connections, handshake done. */
  connections(): ConnectionInfo[] {
    return [...this.#connections()].filter(({ isOpen }) => isOpen).map(connectionInfo);
  }

  /** What queues and transactions hold, in bytes, and why publishers are blocked; undefined: they are not. */
  memory(): { readonly bytes: number; readonly alarm: string | undefined } {
    const { bytes, alarm } = this.#context.memory;
    return { bytes, alarm };
  }

  queues(virtualHost = '/'): QueueInfo[] {
    return [...(this.#host(virtualHost)?.queues ?? [])].map(queueInfo);
  }

  /** Undefined: there is none of this name. */
  queue(name: string, virtualHost = '/'): QueueInfo | undefined {
    const queue = this.#host(virtualHost)?.findQueue(name);
    return queue && queueInfo(queue);
  }

  /** Copies of the messages of a queue that are ready, the next one first; they stay where they are. */
  messages(queue: string, virtualHost = '/'): Message[] {
    const ready = [...(this.#host(virtualHost)?.findQueue(queue)?.readyMessages ?? [])];
    return ready.map(({ message }) => ({
      ...message,
      encodedProperties: Buffer.from(message.encodedProperties),
      body: Buffer.from(message.body),
    }));
  }

  /** Without the default exchange. */
  exchanges(virtualHost = '/'): ExchangeInfo[] {
    return [...(this.#host(virtualHost)?.exchanges ?? [])]
      .map(({ declaration, policy }) => ({ ...declaration, policy: policy?.name }))
      .filter(({ name }) => name !== '');
  }

  /** Without those of the default exchange. */
  bindings(virtualHost = '/'): Binding[] {
    return [...(this.#host(virtualHost)?.exchanges ?? [])].flatMap(({ bindings }) => [...bindings]);
  }

  /** In the order in which they are asked: the highest priority first. */
  policies(virtualHost = '/'): readonly Policy[] {
    return this.#host(virtualHost)?.policies ?? [];
  }

  #host(name: string): VirtualHost | undefined {
    return this.#context.virtualHosts.get(name);
  }
}

/** @internal A connection as others see it. */
export function connectionInfo(connection: FaultyConnection): ConnectionInfo {
  const { name, userName, channelCount, isBlocked, clientProperties } = connection;
  return { name, user: userName, channelCount, isBlocked, clientProperties };
}

function queueInfo(queue: MessageQueue): QueueInfo {
  const { name, declaration, settings, messageCount, unackedCount, consumerCount } = queue;
  return {
    name,
    type: settings.type,
    isDurable: declaration.isDurable,
    isExclusive: declaration.exclusiveOwner !== undefined,
    isAutoDelete: declaration.isAutoDelete,
    arguments: declaration.arguments,
    policy: queue.policy?.name,
    messageCount,
    unackedCount,
    consumerCount,
  };
}
