/**
 * From a message to the value in its body: decompressed, then read by the format of its content type, else as JSON. Merges
 * nothing, so `__proto__` is a key. What is neither compressed nor in a format of its own goes the shortest way.
 */
import type { BasicProperties, Delivery } from '../../amqp/index.js';
import { describeError, UnreadableBodyError } from '../errors.js';
import { decoded, defaultMaxDecompressedSize } from './content-encoding.js';
import { charsetOf } from './content-type.js';
import { Formats } from './formats.js';
import type { AboutMessage, MessageFormat } from './message-format.js';
import { isThenable } from './thenable.js';

const utf8 = new TextDecoder('utf-8', { fatal: true });

export interface ReadingOptions {
  readonly formats?: Formats | undefined;
  /** Bytes. */
  readonly maxDecompressedSize?: number | undefined;
  /** Of messages that have none. */
  readonly contentType?: string | undefined;
}

/** In which format a message came; undefined: as JSON. Its reply goes back so. */
export interface MessageIn {
  readonly format: MessageFormat;
  readonly contentType: string;
}

export class BodyReader {
  readonly #formats: Formats;
  readonly #limit: number;
  readonly #assumedType: string | undefined;

  constructor({ formats = Formats.none, maxDecompressedSize, contentType }: ReadingOptions = {}) {
    this.#formats = formats;
    this.#limit = maxDecompressedSize ?? defaultMaxDecompressedSize;
    this.#assumedType = contentType;
  }

  /**
   * The value; a promise of it where decompressing takes its time. Throws or rejects with UnreadableBodyError, which never
   * quotes the body.
   */
  read(delivery: Delivery): unknown {
    const properties = propertiesOf(delivery);
    const body = decoded(delivery.body, properties.contentEncoding, this.#limit, false);
    if (body instanceof Promise) return body.then((bytes) => this.#parse(bytes, delivery, properties));
    return this.#parse(body, delivery, properties);
  }

  /** The bytes without their compression; as they came where their encoding is not known. Else as `read`. */
  bytes(delivery: Delivery): Buffer | Promise<Buffer> {
    return decoded(delivery.body, propertiesOf(delivery).contentEncoding, this.#limit, true);
  }

  /** Undefined also where its properties cannot be read. */
  formatOf(delivery: Delivery): MessageIn | undefined {
    try {
      const contentType = delivery.properties.contentType ?? this.#assumedType;
      const format = this.#formats.find(contentType);
      return format && { format, contentType: contentType ?? 'application/json' };
    } catch {
      return undefined;
    }
  }

  #parse(body: Buffer, delivery: Delivery, properties: Readonly<BasicProperties>): unknown {
    const contentType = properties.contentType ?? this.#assumedType;
    const format = this.#formats.find(contentType);
    return format ? readFormat(format, body, aboutMessage(delivery, properties)) : readJson(body, contentType);
  }
}

/** What a format may know of a message. */
export function aboutMessage(
  { exchange, routingKey }: { readonly exchange: string; readonly routingKey: string },
  { contentType, type, headers = {} }: Pick<BasicProperties, 'contentType' | 'type' | 'headers'>,
): AboutMessage {
  return { contentType, exchange, routingKey, type, headers };
}

/** Throws UnreadableBodyError. The words of what a format throws may quote the body, so only its class is told. */
export function readFormat(format: MessageFormat, body: Buffer, about: AboutMessage): unknown {
  const size = sizeOf(body, about.contentType);
  let value: unknown;
  try {
    value = format.deserialize(body, about);
  } catch (error) {
    throw new UnreadableBodyError(`its format failed with ${describeError(error).name} (${size})`, { cause: error });
  }
  if (isThenable(value)) throw new UnreadableBodyError(`its format gave a promise, no value (${size})`);
  return value;
}

/** Throws UnreadableBodyError. */
export function readJson(body: Buffer, contentType: string | undefined): unknown {
  const text = textOf(body, contentType);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The message of a SyntaxError quotes what it could not read.
    throw new UnreadableBodyError(`it is not JSON (${sizeOf(body, contentType)})`);
  }
}

function textOf(body: Buffer, contentType: string | undefined): string {
  const charset = contentType === undefined || contentType === 'application/json' ? undefined : charsetOf(contentType);
  const decoder = charset === undefined ? utf8 : decoderOf(charset);
  try {
    return decoder.decode(body);
  } catch {
    throw new UnreadableBodyError(`it is not ${charset ?? 'UTF-8'} (${sizeOf(body, contentType)})`);
  }
}

function decoderOf(charset: string): typeof utf8 {
  if (/^utf-?8$/i.test(charset)) return utf8;
  try {
    return new TextDecoder(charset, { fatal: true });
  } catch {
    throw new UnreadableBodyError(`the charset "${charset}" is not known`);
  }
}

function sizeOf(body: Buffer, contentType: string | undefined): string {
  return `${String(body.length)} bytes, content type ${contentType ?? 'not given'}`;
}

function propertiesOf(delivery: Delivery): Delivery['properties'] {
  try {
    return delivery.properties;
  } catch (error) {
    throw new UnreadableBodyError(`its properties are malformed: ${describeError(error).message}`);
  }
}
