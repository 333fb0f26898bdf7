/** What options of the module, of `@Consume` and of the transport say of formats, compression and layouts; and their checks. */
import { isBoolean, isFilledName, isName, isWhole, type Check } from '../option-checks.js';
import type { Compress } from './compression.js';
import { isCompress } from './compression.js';
import { areFormats, isFormat, type MessageFormat } from './message-format.js';
import { isLayout, type MessageLayout } from './message-layout.js';

/** Of a connection, of one handler, and of each side of the transport. */
export interface ReadingFormatOptions {
  /**
   * How bodies are written and read by content type; JSON is built in, and stands for all that no format stands for. Those of
   * a handler go before those of its connection.
   */
  formats?: readonly MessageFormat[] | undefined;
  /**
   * Bytes that a compressed body (`content_encoding`: gzip, deflate, br, zstd) may become, on the way too; then it is a
   * BodyTooLargeError. Default 16 MiB.
   */
  maxDecompressedSize?: number | undefined;
}

/** Of `@Consume`, beside those. */
export interface ConsumeFormatOptions extends ReadingFormatOptions {
  /** The content type of messages that have none. Default `application/json`. */
  contentType?: string | undefined;
  /** Where pattern and payload stand; holds for all handlers of the queue. Default: the routing key, the whole body. */
  layout?: MessageLayout | undefined;
  /**
   * With a layout, what tells whose a message is: one pattern or several, `*` and `#` as in topics. Several handlers may share
   * a queue where these have nothing in common; the routing keys only bind then.
   */
  pattern?: string | readonly string[] | undefined;
  /** True: it takes what is no other handler's of the queue. Default false. */
  catchAll?: boolean | undefined;
}

/** Of publishers and of single messages. */
export interface WritingFormatOptions {
  /**
   * Chooses the format among those of the connection. Default `application/json`, for bytes, which go as they are,
   * `application/octet-stream`.
   */
  contentType?: string | undefined;
  /** The format of the body, bytes included, whatever the connection has. Default: by content type. */
  format?: MessageFormat | undefined;
  /** Compresses the body, where that makes it smaller. Default false. */
  compress?: Compress | undefined;
}

const isSize = isWhole(1, 0x7fff_ffff);

const arePatterns: Check = (value) => {
  if (!Array.isArray(value)) return isPattern(value);
  if (value.length === 0) return 'must not be an empty list';
  return value.map(isPattern).find((problem) => problem !== undefined);
};

/** It stands in a body, and may be longer than names of the protocol. */
const isPattern: Check = (value) => {
  if (typeof value !== 'string') return 'must be a string';
  return value === '' ? 'must not be empty' : undefined;
};

export const readingFormatChecks: Readonly<Record<keyof ReadingFormatOptions, Check>> = {
  formats: areFormats,
  maxDecompressedSize: isSize,
};

export const consumeFormatChecks: Readonly<Record<keyof ConsumeFormatOptions, Check>> = {
  ...readingFormatChecks,
  contentType: isFilledName,
  layout: isLayout,
  pattern: arePatterns,
  catchAll: isBoolean,
};

export const writingFormatChecks: Readonly<Record<keyof WritingFormatOptions, Check>> = {
  contentType: isName,
  format: isFormat,
  compress: isCompress,
};
