/**
 * A peer that says exactly what a test wants, for what no broker will do: wrong frames, wrong orders, silence.
 *
 * It leads the handshake by itself and then answers by script; unanswered methods are kept for the test to look at.
 */
import { memoryPair, type TransportFactory } from 'leveret/amqp';
import {
  ByteReader,
  ByteWriter,
  FrameParser,
  readMethod,
  writeContent,
  writeMethod,
  type Method,
  type MethodInputs,
  type MethodName,
} from '../../lib/amqp/protocol/index.js';
import type { Transport } from '../../lib/amqp/transport/index.js';

export type Script = (peer: ScriptedPeer, channel: number, method: Method) => void;

/** What the peer says of itself in connection.start. */
export interface Greeting {
  /** SASL mechanisms, separated by spaces. Default `PLAIN`. */
  mechanisms?: string;
}

export class ScriptedPeer {
  /** Everything the client said after the protocol header. */
  readonly heard: Method[] = [];
  isClosed = false;
  readonly #transport: Transport;
  readonly #writer = new ByteWriter();

  private constructor(transport: Transport, script: Script, greeting: Greeting) {
    this.#transport = transport;
    let header = Buffer.alloc(0);
    const parser = new FrameParser(
      {
        onMethod: (channel, methodId, buffer, start, end) => {
          const method = readMethod(methodId, new ByteReader(buffer, start, end));
          this.heard.push(method);
          script(this, channel, method);
        },
        onHeader: () => undefined,
        onBody: () => undefined,
        onHeartbeat: () => undefined,
      },
      { frameMax: 0, headerFrameMax: 1_000_000 },
    );
    transport.listen({
      onData: (chunk) => {
        if (header.length >= 8) {
          parser.push(chunk);
          return;
        }
        header = Buffer.concat([header, chunk]);
        if (header.length < 8) return;
        this.send(0, 'connection.start', {
          versionMajor: 0,
          versionMinor: 9,
          serverProperties: { product: 'scripted peer' },
          mechanisms: greeting.mechanisms ?? 'PLAIN',
          locales: 'en_US',
        });
        if (header.length > 8) parser.push(header.subarray(8));
      },
      onDrain: () => undefined,
      onClose: () => {
        this.isClosed = true;
      },
    });
  }

  /** A transport for `connect()` whose other end is a scripted peer, and the peers that were made. */
  static factory(
    script: Script = politeScript,
    greeting: Greeting = {},
  ): { transport: TransportFactory; peers: ScriptedPeer[] } {
    const peers: ScriptedPeer[] = [];
    return {
      peers,
      transport: () => {
        const [client, server] = memoryPair('scripted peer');
        peers.push(new ScriptedPeer(server, script, greeting));
        return Promise.resolve(client);
      },
    };
  }

  send<Name extends MethodName>(channel: number, name: Name, fields: MethodInputs[Name]): void {
    writeMethod(this.#writer, channel, name, fields, 0);
    this.#transport.write(this.#writer.take());
  }

  sendContent<Name extends 'basic.deliver' | 'basic.return' | 'basic.get-ok'>(
    channel: number,
    name: Name,
    fields: MethodInputs[Name],
    body: string,
    properties: Parameters<typeof writeContent>[4] = {},
  ): void {
    writeContent(this.#writer, channel, name, fields, properties, Buffer.from(body), 0);
    this.#transport.write(this.#writer.take());
  }

  sendBytes(bytes: Uint8Array): void {
    this.#transport.write([bytes]);
  }

  hangUp(): void {
    this.#transport.destroy();
  }
}

/** Answers the handshake and the methods that need no thought. */
export const politeScript: Script = (peer, channel, method) => {
  switch (method.name) {
    case 'connection.start-ok':
      peer.send(0, 'connection.tune', { channelMax: 10, frameMax: 131_072, heartbeat: 0 });
      return;
    case 'connection.open':
      peer.send(0, 'connection.open-ok', {});
      return;
    case 'connection.close':
      peer.send(0, 'connection.close-ok', {});
      return;
    case 'channel.open':
      peer.send(channel, 'channel.open-ok', {});
      return;
    case 'channel.close':
      peer.send(channel, 'channel.close-ok', {});
      return;
    case 'confirm.select':
      peer.send(channel, 'confirm.select-ok', {});
      return;
    case 'basic.qos':
      peer.send(channel, 'basic.qos-ok', {});
      return;
    case 'basic.consume':
      peer.send(channel, 'basic.consume-ok', { consumerTag: method.fields.consumerTag });
      return;
    default:
  }
};
