/** How values become bodies and bodies values: what a format is, and its check. JSON is built in and needs none. */
import type { FieldTable } from '../../amqp/index.js';
import { isRecord, type Check } from '../option-checks.js';
import { isFormatRange } from './content-type.js';

/** The message that a body belongs to. */
export interface AboutMessage {
  /** As it stands in the message, parameters included; undefined: it has none. */
  readonly contentType: string | undefined;
  readonly exchange: string;
  readonly routingKey: string;
  readonly type: string | undefined;
  readonly headers: Readonly<FieldTable>;
}

/**
 * A way to write bodies and to read them: MessagePack, Protocol Buffers, CBOR, Avro, or JSON of your own.
 *
 * Both methods answer at once, no promise: what they need (schemas, for instance) is loaded before. What they throw is an
 * UnreadableBodyError when reading, which tells the class of what was thrown and never its words, and an ArgumentError when
 * writing.
 */
export interface MessageFormat {
  /**
   * What it stands for: `application/msgpack`; every type with an ending, `+cbor`; every type of a kind, `text/*`. Parameters
   * and case make no difference. The first one is the content type of what it writes, where the message says no other.
   */
  readonly contentTypes: string | readonly string[];
  serialize(value: unknown, about: AboutMessage): Uint8Array | string;
  /** `body` is the message's own memory where it was not compressed: keep no views of it beyond the value. */
  deserialize(body: Buffer, about: AboutMessage): unknown;
}

/** The content types of a format, as a list. */
export function rangesOf({ contentTypes }: MessageFormat): readonly string[] {
  return typeof contentTypes === 'string' ? [contentTypes] : contentTypes;
}

export const isFormat: Check = (value) => {
  if (!isRecord(value)) return 'must be a format: { contentTypes, serialize, deserialize }';
  const given = value['contentTypes'];
  const ranges: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (ranges.length === 0 || !ranges.every(isFormatRange)) {
    return 'must have contentTypes, each like "application/msgpack", "+cbor" or "text/*"';
  }
  const missing = ['serialize', 'deserialize'].find((name) => typeof value[name] !== 'function');
  return missing === undefined ? undefined : `must have a method ${missing}`;
};

/** A list in which no two formats stand for one content type. */
export const areFormats: Check = (value) => {
  if (!Array.isArray(value)) return 'must be a list of formats';
  const formats = value as readonly MessageFormat[];
  const problem = formats.map(isFormat).find((one) => one !== undefined);
  if (problem !== undefined) return `${problem} (of each format)`;
  const ranges = formats.flatMap((format) => rangesOf(format).map((range) => range.toLowerCase()));
  const twice = ranges.find((range, index) => ranges.indexOf(range) !== index);
  return twice === undefined ? undefined : `has two formats for "${twice}"`;
};
