/** A client that says exactly what a test tells it to, over any transport: for what well-behaved clients never send. */
import {
  ByteReader,
  ByteWriter,
  FrameParser,
  protocolHeader,
  readMethod,
  writeContent,
  writeMethod,
  type BasicProperties,
  type Method,
  type MethodInputs,
  type MethodName,
} from '../../../lib/amqp/protocol/index.js';
import type { Transport } from '../../../lib/amqp/transport/index.js';

export class RawClient {
  /** Everything that came and was not awaited yet. */
  readonly received: Method[] = [];
  isClosed = false;
  /** How many came. */
  heartbeats = 0;
  readonly #writer = new ByteWriter();
  readonly #waiting: (() => void)[] = [];

  constructor(readonly transport: Transport) {
    const parser = new FrameParser(
      {
        onMethod: (_channel, methodId, buffer, start, end) => {
          this.received.push(readMethod(methodId, new ByteReader(buffer, start, end)));
          this.#wake();
        },
        onHeader: () => {},
        onBody: () => {},
        onHeartbeat: () => {
          this.heartbeats += 1;
        },
      },
      { frameMax: 0, headerFrameMax: 1024 * 1024 },
    );
    transport.listen({
      onData: (chunk) => {
        try {
          parser.push(chunk);
        } catch {
          // A protocol header instead of frames: what a broker answers to a client of another version.
          transport.destroy();
        }
      },
      onDrain: () => {},
      onClose: () => {
        this.isClosed = true;
        this.#wake();
      },
    });
  }

  /** Handshake, and channel 1. `heartbeat` is the time-out in seconds, and sends none by itself. */
  async open({ heartbeat = 0 } = {}): Promise<this> {
    this.write(protocolHeader);
    await this.next('connection.start');
    const fields = { mechanism: 'PLAIN', response: '\0guest\0guest', locale: 'en_US' };
    this.send(0, 'connection.start-ok', fields);
    await this.next('connection.tune');
    this.send(0, 'connection.tune-ok', { channelMax: 10, frameMax: 131_072, heartbeat });
    this.send(0, 'connection.open', { virtualHost: '/' });
    await this.next('connection.open-ok');
    this.send(1, 'channel.open', {});
    await this.next('channel.open-ok');
    return this;
  }

  write(bytes: Uint8Array): void {
    this.transport.write([bytes]);
  }

  send<Name extends MethodName>(channel: number, name: Name, fields: MethodInputs[Name]): void {
    writeMethod(this.#writer, channel, name, fields, 0);
    this.transport.write(this.#writer.take());
  }

  publish(routingKey: string, body: string, properties: BasicProperties = {}): void {
    const fields = { exchange: '', routingKey };
    writeContent(this.#writer, 1, 'basic.publish', fields, properties, Buffer.from(body), 0);
    this.transport.write(this.#writer.take());
  }

  /** Waits for a method; those before it are dropped. */
  async next<Name extends MethodName>(name: Name): Promise<Extract<Method, { name: Name }>> {
    for (;;) {
      const index = this.received.findIndex((method) => method.name === name);
      if (index >= 0) return this.received.splice(0, index + 1).at(-1) as Extract<Method, { name: Name }>;
      if (this.isClosed) throw new Error(`closed before ${name}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async closed(): Promise<void> {
    while (!this.isClosed) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
