/**
 * Reads packets: decompressed, then by the format of their content type, else as JSON. Laxer than for `@Consume`, as Nest's own
 * transport is: a deserialiser of the user may read what is no JSON, and an encoding that is not known is left as it is.
 */
import type { Delivery } from '../../amqp/index.js';
import { aboutMessage, BodyReader, readFormat, type MessageIn } from '../formats/body-reader.js';
import type { ReadingFormatOptions } from '../formats/format-options.js';
import { Formats } from '../formats/formats.js';

export interface TransportBody {
  readonly value: unknown;
  /** False: it is no JSON and in no format, and the value is the text itself. */
  readonly isRead: boolean;
}

export class TransportReader {
  readonly formats: Formats;
  readonly #reader: BodyReader;

  constructor({ formats, maxDecompressedSize }: ReadingFormatOptions) {
    this.formats = formats ? new Formats(formats) : Formats.none;
    this.#reader = new BodyReader({ formats: this.formats, maxDecompressedSize });
  }

  /** Throws or rejects with UnreadableBodyError where it cannot be decompressed, or its format fails. */
  read(delivery: Delivery): TransportBody | Promise<TransportBody> {
    const body = this.#reader.bytes(delivery);
    const format = this.formatOf(delivery)?.format;
    const parse = (bytes: Buffer): TransportBody =>
      format
        ? { value: readFormat(format, bytes, aboutMessage(delivery, delivery.properties)), isRead: true }
        : readText(bytes);
    return body instanceof Promise ? body.then(parse) : parse(body);
  }

  /** In which format it came; undefined: as JSON. */
  formatOf(delivery: Delivery): MessageIn | undefined {
    return this.#reader.formatOf(delivery);
  }
}

function readText(body: Buffer): TransportBody {
  const text = body.toString('utf8');
  try {
    return { value: JSON.parse(text) as unknown, isRead: true };
  } catch {
    return { value: text, isRead: false };
  }
}
