/**
 * The client proxy for Nest microservices: requests and events over RabbitMQ, wire-compatible with Nest's own RabbitMQ
 * transport. It connects at the first use, and a lost connection is rebuilt by the client underneath.
 */
import { randomUUID } from 'node:crypto';
import { Logger, type OnApplicationShutdown } from '@nestjs/common';
import { ClientProxy, type ReadPacket, type WritePacket } from '@nestjs/microservices';
import { Observable } from 'rxjs';
import {
  ArgumentError,
  ConnectionClosedError,
  WrongStateError,
  type Connection,
  type ConnectionParameters,
  type Delivery,
  type FieldTable,
} from '../../amqp/index.js';
import { carriedOn } from '../consuming/current-delivery.js';
import { describeError, tamed } from '../errors.js';
import { HeardPromise } from '../heard-promise.js';
import { mergedHeaders } from '../merged-headers.js';
import { isMilliseconds } from '../option-checks.js';
import { ClientConnection } from './client-connection.js';
import { RemoteError } from '../requests/errors.js';
import { resolveTransport, type AmqpClientOptions, type ResolvedTransport } from './options.js';
import { TransportReader } from './transport-reader.js';
import { patternText, RecordSerializer, toOutgoing, type OutgoingPacket } from './packet.js';
import { closedMeanwhile, type OutgoingRequest, type RequestChannel } from '../requests/request-channel.js';
import { requestPromise } from '../requests/request-promise.js';
import type { AmqpStatus, AmqpTransportEvents } from './status.js';

export interface RequestOptions {
  /** Milliseconds from the call to the first reply. Default: the client's `requestTimeout`, which is 30 000. */
  timeout?: number | undefined;
  /** Gives the request up; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  headers?: FieldTable | undefined;
}

/** Told of each reply, and of what ends a request without one. */
interface ReplyListener {
  onPacket(packet: WritePacket): void;
  onFailure(error: unknown): void;
}

// The status is a string to Nest: with a narrower type, `ClientsModule` would not take the class as `customClass`.
export class AmqpClient extends ClientProxy<AmqpTransportEvents> implements OnApplicationShutdown {
  readonly #logger = new Logger(AmqpClient.name);
  readonly #options: AmqpClientOptions;
  readonly #transport: ResolvedTransport;
  readonly #connection: ClientConnection;
  readonly #reader: TransportReader;

  /**
   * `{ url, queue, ... }`, and the options of Nest's own RabbitMQ transport by their names.
   * Throws ConfigurationError, which names every unknown or wrong option.
   */
  constructor(options: AmqpClientOptions) {
    super();
    this.#options = options;
    this.#transport = resolveTransport(options, 'AmqpClient');
    this.#reader = new TransportReader(options);
    this.#connection = new ClientConnection(options, this.#transport, this.#logger, (status) => {
      this._status$.next(status);
    });
    this.serializer = options.serializer ?? new RecordSerializer();
    this.initializeDeserializer(options as never);
  }

  /**
   * Connects, which every send, emit and request does by itself. Waits up to `startTimeout` (30 s) for the broker, and
   * rejects with the cause; a wrong password rejects at once. Afterwards another call tries anew.
   */
  async connect(): Promise<void> {
    await this.#connection.open();
  }

  /** Fails what waits for a reply with ConnectionLostError, flushes events, and closes the connection. Idempotent. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  /** Nest's hook: the client goes with its application. */
  onApplicationShutdown(): Promise<void> {
    return this.close();
  }

  /** Listens to the connection: `lost`, `reconnecting`, `recovered`, `failed`, `blocked`, `unblocked`, `closed`. */
  override on<Name extends keyof AmqpTransportEvents = keyof AmqpTransportEvents>(
    event: Name,
    callback: AmqpTransportEvents[Name],
  ): void {
    this.#connection.on(event, callback);
  }

  override get status(): Observable<AmqpStatus> {
    return super.status as Observable<AmqpStatus>;
  }

  /** The leveret Connection. Throws WrongStateError while there is none. */
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the shape of Nest's own method
  unwrap<T = Connection>(): T {
    const { current } = this.#connection;
    if (!current) throw new WrongStateError('AmqpClient is not connected: connect first');
    return current as T;
  }

  /**
   * Sends a request and resolves with its first reply; undefined where the handler gave none.
   *
   * Rejects with ArgumentError, RemoteError (the other side's error), NoReceiverError (no queue takes it), RequestTimeoutError,
   * ConnectionLostError (at once when the connection or channel goes; it may have been carried out), or what kept it
   * from connecting. A failure that nobody awaits is logged.
   */
  request<T = unknown>(pattern: unknown, data: unknown, options: RequestOptions = {}): Promise<T> {
    return HeardPromise.follow(this.#request<T>(pattern, data, options), (error) => {
      const { name, message } = describeError(error);
      this.#logger.error(`A request that nobody awaited failed: ${name}: ${message}`);
    });
  }

  #request<T>(pattern: unknown, data: unknown, options: RequestOptions): Promise<T> {
    const { timeout = this.#options.requestTimeout ?? 30_000, signal, headers } = options;
    if (pattern === undefined || pattern === null) {
      return Promise.reject(new ArgumentError('pattern', 'a request needs a pattern'));
    }
    if (timeout !== Infinity) {
      const problem = isMilliseconds(timeout);
      if (problem !== undefined) return Promise.reject(new ArgumentError('timeout', `${problem}, or Infinity`));
    }
    const name = patternText(pattern);
    const packet: ReadPacket = { pattern, data };
    // Nest 12's hook for instrumentation, as its `send` calls it.
    this.onDispatchHook?.(packet);
    return requestPromise<T>({ pattern: name, timeout, signal }, (resolve, reject) =>
      this.#exchange(
        packet,
        {
          onPacket: ({ err, response }) => {
            if (err) reject(new RemoteError(name, err));
            else resolve(response as T);
          },
          onFailure: reject,
        },
        headers,
      ),
    );
  }

  /** As Nest's; a failure that nobody subscribed to is logged. Completes when the broker has confirmed the event. */
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the shape of Nest's own method
  override emit<TResult = unknown, TInput = unknown>(pattern: unknown, data: TInput): Observable<TResult> {
    const source = super.emit<TResult, TInput>(pattern, data);
    let isWatched = false;
    source.subscribe({
      error: (error: unknown) => {
        // A turn later: the caller may be about to subscribe.
        setImmediate(() => {
          const { message } = describeError(error);
          if (!isWatched) this.#logger.error(`Event "${patternText(pattern)}" was not sent: ${message}`);
        });
      },
    });
    return new Observable((subscriber) => {
      isWatched = true;
      return source.subscribe(subscriber);
    });
  }

  /** @internal How it connects. */
  get connectionParameters(): ConnectionParameters {
    return this.#connection.parameters;
  }

  /** @internal Before the first connect: another broker than the options say, for tests. */
  pointAt(parameters: ConnectionParameters): void {
    this.#connection.pointAt(parameters);
  }

  /** Nest's `send` calls it for each subscriber; its errors keep their form, as Nest's contract has it. */
  protected publish(packet: ReadPacket, callback: (packet: WritePacket) => void): () => void {
    return this.#exchange(packet, {
      onPacket: callback,
      onFailure: (err) => {
        callback({ err, isDisposed: true });
      },
    });
  }

  /** Nest's `emit` calls it. Resolves when the broker confirmed; sent to a queue directly, the queue must be there. */
  protected async dispatchEvent<T = unknown>(packet: ReadPacket): Promise<T> {
    const { body, properties, isMandatory } = await this.#pack(packet, undefined);
    const channel = await this.#connection.eventChannel();
    const { exchange, routingKey } = this.#destination(packet.pattern);
    await channel.publish(exchange, routingKey, body, properties, { mandatory: isMandatory ?? exchange === '' });
    return undefined as T;
  }

  // --- requests -----------------------------------------------------------------------------------

  /** Starts a request; the answer gives it up. */
  #exchange(packet: ReadPacket, listener: ReplyListener, headers?: FieldTable): () => void {
    let isOver = false;
    let giveUp: (() => void) | undefined;
    const stop = (): void => {
      isOver = true;
      giveUp?.();
    };
    const fail = (error: unknown): void => {
      if (isOver) return;
      stop();
      listener.onFailure(error);
    };
    let reading = Promise.resolve();
    const onReply = (delivery: Delivery): void => {
      // One after the other, also where the deserialiser takes its time.
      reading = reading
        .then(async () => {
          const reply = await this.#read(delivery);
          if (isOver) return;
          if (reply.isDisposed === true) stop();
          listener.onPacket(reply);
        })
        .catch(fail);
    };
    this.#prepare(packet, headers).then(
      ([channel, request]) => {
        if (!isOver) giveUp = channel.send(request, { onReply, onFailure: fail });
      },
      (thrown: unknown) => {
        const error = tamed(thrown) ?? new ArgumentError('serializer', `failed with ${String(thrown)}`);
        fail(error instanceof ConnectionClosedError ? closedMeanwhile(patternText(packet.pattern), error) : error);
      },
    );
    return stop;
  }

  async #prepare(packet: ReadPacket, headers: FieldTable | undefined): Promise<[RequestChannel, OutgoingRequest]> {
    const correlationId = randomUUID();
    const { body, properties, isMandatory } = await this.#pack({ ...packet, id: correlationId } as ReadPacket, headers);
    const pattern = patternText(packet.pattern);
    const { exchange, routingKey } = this.#destination(packet.pattern);
    const request = {
      correlationId,
      pattern,
      exchange,
      routingKey,
      body,
      properties,
      isMandatory: isMandatory ?? true,
    };
    return [await this.#connection.requestChannel(), request];
  }

  async #read(delivery: Delivery): Promise<WritePacket> {
    const { value } = await this.#reader.read(delivery);
    const reply: { err?: unknown; response?: unknown; isDisposed?: boolean } =
      await this.deserializer.deserialize(value);
    const { err, response, isDisposed } = reply;
    // As Nest's own: an error ends the request.
    return isDisposed === true || Boolean(err) ? { err, response, isDisposed: true } : { response };
  }

  // --- messages -----------------------------------------------------------------------------------

  async #pack(packet: ReadPacket, headers: FieldTable | undefined): Promise<OutgoingPacket> {
    const serialized: unknown = await (this.serializer.serialize(packet as never) as unknown);
    const outgoing = toOutgoing(serialized, this.#reader.formats, this.#options.contentType);
    const { body, isMandatory, properties } = outgoing;
    // Of the delivery at hand, where a handler sends this. A request has a correlation id of its own.
    const carried = carriedOn();
    const hasMode = properties.deliveryMode !== undefined || properties.persistent !== undefined;
    return {
      body,
      isMandatory,
      properties: {
        contentType: properties.contentType ?? 'application/json',
        contentEncoding: properties.contentEncoding,
        headers: mergedHeaders(carried?.headers, this.#options.headers, properties.headers, headers),
        deliveryMode: properties.deliveryMode,
        persistent: hasMode ? properties.persistent : (this.#options.persistent ?? true),
        priority: properties.priority,
        correlationId: properties.correlationId ?? carried?.correlationId,
        expiration: properties.expiration,
        messageId: properties.messageId,
        timestamp: properties.timestamp,
        type: properties.type,
        userId: properties.userId,
        appId: properties.appId,
        clusterId: properties.clusterId,
      },
    };
  }

  #destination(pattern: unknown): { exchange: string; routingKey: string } {
    const { exchange, queue } = this.#transport;
    return exchange === undefined
      ? { exchange: '', routingKey: queue }
      : { exchange, routingKey: patternText(pattern) };
  }
}
