/**
 * What an observer of the broker can hear: connections, publishes, deliveries, settlements.
 *
 * An observer's error never reaches the broker: it becomes a process warning.
 */
import { EventEmitter } from 'node:events';
import type { Method } from '../amqp/protocol/index.js';
import { warn } from './warning.js';
import type { Message } from './store/message.js';

export interface ConnectionEvent {
  /** `connection_name` of the client properties, else the addresses. */
  readonly name: string;
  readonly user: string;
  readonly virtualHost: string;
}

export interface PublishedEvent {
  readonly virtualHost: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly message: Message;
  /** The queues that took it. */
  readonly queues: readonly string[];
}

export interface DeliveredEvent {
  readonly virtualHost: string;
  readonly queue: string;
  readonly message: Message;
  /** Hand-overs of this message from this queue so far, this one included. */
  readonly attempts: number;
}

/**
 * How a delivery, or a message, ended in a queue.
 * `ack`: taken for good, also by a no-ack consumer or get. `requeue`: back in the queue. `reject`: gone, by reject or
 * nack. `expired`, `maxlen`, `delivery_limit`: gone without a delivery.
 */
export type Outcome = 'ack' | 'requeue' | 'reject' | 'expired' | 'maxlen' | 'delivery_limit';

export interface SettledEvent extends DeliveredEvent {
  readonly outcome: Outcome;
  /** A copy went to the queue's dead-letter exchange. */
  readonly isDeadLettered: boolean;
}

/** A method that came from a client, or that the broker sends. */
export interface MethodEvent {
  /** Unique in the broker. */
  readonly connectionId: number;
  /** As in ConnectionEvent. */
  readonly connection: string;
  readonly from: 'client' | 'broker';
  readonly channel: number;
  /** Its AMQP name, as `queue.declare`, and its fields, in camelCase; a password or secret reads `hidden`. */
  readonly method: Method;
  /** Bytes of the body, for methods with content. */
  readonly bodySize: number | undefined;
}

export interface BrokerEventMap {
  connected: [event: ConnectionEvent];
  disconnected: [event: ConnectionEvent];
  published: [event: PublishedEvent];
  delivered: [event: DeliveredEvent];
  settled: [event: SettledEvent];
  /** Costs time for each frame while somebody listens. */
  method: [event: MethodEvent];
}

export class BrokerEvents extends EventEmitter<BrokerEventMap> {
  /** Tells observers, if there are any, all of them whatever one throws; `event` is made only then. */
  tell<Name extends keyof BrokerEventMap>(name: Name, event: () => BrokerEventMap[Name][0]): void {
    // Those that hear it once take themselves off when they are called, and are called wrapped for that.
    const listeners = this.rawListeners(name);
    if (listeners.length === 0) return;
    const told = event();
    for (const listener of listeners as ((event: BrokerEventMap[Name][0]) => void)[]) {
      try {
        listener.call(this, told);
      } catch (error) {
        warn(error, 'LeveretBrokerObserver');
      }
    }
  }
}
