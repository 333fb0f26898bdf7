/**
 * One connection that says exactly what it is told to and keeps all that comes, over any transport.
 *
 * Contents are put together; fields and properties are read as they stand on the wire. Must not know what they mean.
 */
import {
  ByteReader,
  ByteWriter,
  FrameParser,
  protocolHeader,
  readMethod,
  writeContent,
  writeMethod,
  type BasicProperties,
  type MethodInputs,
  type MethodName,
} from '../../lib/amqp/protocol/index.js';
import type { Transport } from '../../lib/amqp/transport/index.js';
import { propertiesText } from './wire-text.js';

export interface WireEvent {
  readonly channel: number;
  readonly name: MethodName;
  readonly fields: Readonly<Record<string, unknown>>;
  /** Properties and body of a content, as text. */
  content: string | undefined;
}

export class Wire {
  isClosed = false;
  readonly #transport: Transport;
  readonly #writer = new ByteWriter();
  /** A method whose content is on its way, by channel. */
  readonly #incomplete = new Map<number, { event: WireEvent; properties: string; size: number; body: Buffer[] }>();
  #onEvent: (event: WireEvent) => void = () => undefined;
  #onClose: () => void = () => undefined;

  constructor(transport: Transport) {
    this.#transport = transport;
    const parser = new FrameParser(
      {
        onMethod: (channel, methodId, buffer, start, end) => {
          const { name, fields } = readMethod(methodId, new ByteReader(Buffer.from(buffer.subarray(start, end))));
          // RabbitMQ leaves it to the client to hang up.
          if (name === 'connection.close-ok') transport.destroy();
          const event: WireEvent = { channel, name, fields: { ...fields }, content: undefined };
          if (name === 'basic.deliver' || name === 'basic.get-ok' || name === 'basic.return') {
            this.#incomplete.set(channel, { event, properties: '', size: 0, body: [] });
          } else {
            this.#onEvent(event);
          }
        },
        onHeader: (channel, _classId, bodySize, buffer, start, end) => {
          const incomplete = this.#incomplete.get(channel);
          if (!incomplete) throw new Error('a content header without a method');
          incomplete.properties = propertiesText(Buffer.from(buffer.subarray(start, end)));
          incomplete.size = bodySize;
          this.#finish(channel);
        },
        onBody: (channel, buffer, start, end) => {
          const incomplete = this.#incomplete.get(channel);
          if (!incomplete) throw new Error('a content body without a method');
          incomplete.body.push(Buffer.from(buffer.subarray(start, end)));
          this.#finish(channel);
        },
        onHeartbeat: () => undefined,
      },
      { frameMax: 0, headerFrameMax: 1024 * 1024 },
    );
    transport.listen({
      onData: (chunk) => {
        parser.push(chunk);
      },
      onDrain: () => undefined,
      onClose: () => {
        this.isClosed = true;
        this.#onClose();
      },
    });
  }

  /** Says hello, logs in as guest and opens the virtual host. */
  static async open(transport: Transport): Promise<Wire> {
    const wire = new Wire(transport);
    const next = async (name: MethodName): Promise<void> => {
      await new Promise<void>((resolve, reject) => {
        wire.listen(
          (event) => {
            if (event.name === name) resolve();
            else reject(new Error(`${event.name} instead of ${name}: ${JSON.stringify(event.fields)}`));
          },
          () => {
            reject(new Error(`closed before ${name}`));
          },
        );
      });
    };
    transport.write([protocolHeader]);
    await next('connection.start');
    const capabilities = { consumer_cancel_notify: true, publisher_confirms: true, 'basic.nack': true };
    wire.send(0, 'connection.start-ok', {
      clientProperties: { capabilities },
      mechanism: 'PLAIN',
      response: '\0guest\0guest',
      locale: 'en_US',
    });
    await next('connection.tune');
    wire.send(0, 'connection.tune-ok', { channelMax: 20, frameMax: 131_072, heartbeat: 0 });
    wire.send(0, 'connection.open', { virtualHost: '/' });
    await next('connection.open-ok');
    return wire;
  }

  listen(onEvent: (event: WireEvent) => void, onClose: () => void): void {
    this.#onEvent = onEvent;
    this.#onClose = onClose;
  }

  send<Name extends MethodName>(channel: number, name: Name, fields: MethodInputs[Name]): void {
    writeMethod(this.#writer, channel, name, fields, 0);
    this.#transport.write(this.#writer.take());
  }

  publish(
    channel: number,
    fields: MethodInputs['basic.publish'],
    properties: Readonly<BasicProperties>,
    body: Buffer,
  ): void {
    writeContent(this.#writer, channel, 'basic.publish', fields, properties, body, 131_072);
    this.#transport.write(this.#writer.take());
  }

  destroy(): void {
    this.#transport.destroy();
  }

  #finish(channel: number): void {
    const incomplete = this.#incomplete.get(channel);
    if (!incomplete) return;
    const { event, properties, size, body } = incomplete;
    const whole = Buffer.concat(body);
    if (whole.length < size) return;
    this.#incomplete.delete(channel);
    event.content = properties + whole.toString('latin1');
    this.#onEvent(event);
  }
}
