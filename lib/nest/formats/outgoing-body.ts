/** What a publisher makes of a payload: body, content type, and compression where it is asked for. */
import { ArgumentError, type FieldTable } from '../../amqp/index.js';
import { ownTypeOf, writeFormat, writeJson } from './body-writer.js';
import { compressed, type Compress, type CompressedBody } from './compression.js';
import { jsonType, type Formats } from './formats.js';
import type { MessageFormat } from './message-format.js';

/** How one message is to be written. */
export interface Writing {
  /** undefined: its content type chooses. */
  readonly format: MessageFormat | undefined;
  readonly contentType: string | undefined;
  readonly compress: Compress | undefined;
  readonly exchange: string;
  readonly routingKey: string;
  readonly type: string | undefined;
  readonly headers: FieldTable | undefined;
}

export interface OutgoingBody {
  readonly body: string | Uint8Array;
  readonly contentType: string;
  readonly contentEncoding: string | undefined;
  /** Set where compressing takes its time: what `body` and `contentEncoding` become. */
  readonly compressing: Promise<CompressedBody> | undefined;
}

/**
 * Bytes go as they are, unless a format is given by itself: that is handed everything. Throws ArgumentError for what cannot be
 * written.
 */
export function outgoingBody(payload: unknown, writing: Writing, formats: Formats): OutgoingBody {
  const { body, contentType } = written(payload, writing, formats);
  if (!writing.compress) return { body, contentType, contentEncoding: undefined, compressing: undefined };
  const result = compressed(body, writing.compress);
  if (result instanceof Promise) return { body, contentType, contentEncoding: undefined, compressing: result };
  return { body, contentType, contentEncoding: undefined, compressing: undefined, ...result };
}

function written(
  payload: unknown,
  writing: Writing,
  formats: Formats,
): { readonly body: string | Uint8Array; readonly contentType: string } {
  const { format: given, contentType: type } = writing;
  if (!given && payload instanceof Uint8Array)
    return { body: payload, contentType: type ?? 'application/octet-stream' };
  const format = given ?? formats.find(type);
  if (!format) return { body: writeJson(payload), contentType: type ?? jsonType };
  const contentType = type ?? (given ? ownTypeOf(given) : jsonType);
  if (contentType === undefined) {
    throw new ArgumentError('contentType', 'is needed: the format stands for many, and names no single one');
  }
  const { exchange, routingKey, headers = {} } = writing;
  const about = { contentType, exchange, routingKey, type: writing.type, headers };
  return { body: writeFormat(format, payload, about), contentType };
}
