/**
 * Undoes the compression that a content encoding names, never without a limit. Small bodies at once; what is larger, or turns
 * out to be, off the event loop.
 */
import zlib from 'node:zlib';
import { BodyTooLargeError, UnreadableBodyError } from '../errors.js';
import { called, type Callback } from './node-callback.js';

/** Bytes of a body that is decompressed at once, and that it may become so. */
const smallBody = 4 * 1024;
const smallResult = 64 * 1024;
/** `gzip, br` are two; nobody needs more. */
const mostEncodings = 3;
/** Bytes: 16 MiB. */
export const defaultMaxDecompressedSize = 16 * 1024 * 1024;

type Options = Readonly<Record<string, unknown>> & { readonly maxOutputLength: number };

interface Decompression {
  sync(body: Uint8Array, options: Options): Buffer;
  async(body: Uint8Array, options: Options, callback: Callback): void;
}

const inflate: Decompression = { sync: zlib.inflateSync, async: zlib.inflate };
const inflateRaw: Decompression = { sync: zlib.inflateRawSync, async: zlib.inflateRaw };
const gunzip: Decompression = { sync: zlib.gunzipSync, async: zlib.gunzip };
const brotli: Decompression = { sync: zlib.brotliDecompressSync, async: zlib.brotliDecompress };

/** What newer versions of Node have: since 22.15. */
interface ZstdModule {
  readonly zstdDecompressSync: Decompression['sync'];
  readonly zstdDecompress: Decompression['async'];
  readonly constants: { readonly ZSTD_d_windowLogMax: number };
}

function zstd(): Decompression | undefined {
  const { zstdDecompressSync, zstdDecompress, constants } = zlib as unknown as Partial<ZstdModule>;
  const parameter = constants?.ZSTD_d_windowLogMax;
  if (!zstdDecompressSync || !zstdDecompress || parameter === undefined) return undefined;
  // A frame says how much memory its window takes, before there is anything in it: no more than the limit, and the 8 MiB
  // that every decoder is to bear.
  const within = (options: Options): Options => {
    const window = Math.min(27, Math.max(23, Math.ceil(Math.log2(options.maxOutputLength))));
    return { ...options, params: { [parameter]: window } };
  };
  return {
    sync: (body, options) => zstdDecompressSync(body, within(options)),
    async: (body, options, callback) => {
      zstdDecompress(body, within(options), callback);
    },
  };
}

/** RFC 9110 means zlib's format, and some send the raw one. */
function inflateEither(body: Uint8Array): Decompression {
  const [first = 0, second = 0] = body;
  return (first & 0x0f) === 8 && (first * 256 + second) % 31 === 0 ? inflate : inflateRaw;
}

const known: ReadonlyMap<string, (body: Uint8Array) => Decompression | undefined> = new Map<
  string,
  (body: Uint8Array) => Decompression | undefined
>([
  ['gzip', () => gunzip],
  ['x-gzip', () => gunzip],
  ['deflate', inflateEither],
  ['br', () => brotli],
  ['zstd', zstd],
]);

/** Senders put charsets there, too. */
const nothing = /^(identity|utf-?8|us-ascii|binary|)$/i;

/** What is to be undone, the outermost last; undefined: an encoding is not known. Throws UnreadableBodyError for too many. */
function encodingsOf(contentEncoding: string): string[] | undefined {
  const given = contentEncoding
    .split(',')
    .map((one) => one.trim().toLowerCase())
    .filter((one) => !nothing.test(one));
  if (given.some((one) => !known.has(one))) return undefined;
  if (given.length > mostEncodings) throw new UnreadableBodyError(`it has over ${String(mostEncodings)} encodings`);
  return given;
}

/**
 * The body as it was before its content encoding; a promise where that takes longer. Throws, or rejects with,
 * UnreadableBodyError, and BodyTooLargeError for one that becomes larger than `limit` bytes, also on the way.
 * `isUnknownKept`: with an encoding that is not known the body is answered as it is.
 */
export function decoded(
  body: Buffer,
  contentEncoding: string | undefined,
  limit: number,
  isUnknownKept: boolean,
): Buffer | Promise<Buffer> {
  if (contentEncoding === undefined || nothing.test(contentEncoding)) return body;
  const encodings = encodingsOf(contentEncoding);
  if (encodings?.length === 0) return body;
  if (!encodings) {
    if (isUnknownKept) return body;
    throw new UnreadableBodyError(`the content encoding "${contentEncoding}" is not known`);
  }
  return undone(body, encodings, limit);
}

function undone(body: Buffer, encodings: readonly string[], limit: number): Buffer | Promise<Buffer> {
  const encoding = encodings.at(-1);
  if (encoding === undefined) return body;
  const rest = encodings.slice(0, -1);
  const decompression = known.get(encoding)?.(body);
  if (!decompression) throw new UnreadableBodyError(`this version of Node does not know the encoding "${encoding}"`);
  if (body.length <= smallBody) {
    try {
      return undone(decompression.sync(body, { maxOutputLength: Math.min(limit, smallResult) }), rest, limit);
    } catch (error) {
      if (!isTooLarge(error)) throw asUnreadable(error, encoding, limit);
      if (limit <= smallResult) throw new BodyTooLargeError(limit);
    }
  }
  return called((callback) => decompression.async(body, { maxOutputLength: limit }, callback)).then(
    (result) => undone(result, rest, limit),
    (error: unknown) => {
      throw asUnreadable(error, encoding, limit);
    },
  );
}

function isTooLarge(error: unknown): boolean {
  return codeOf(error) === 'ERR_BUFFER_TOO_LARGE';
}

function asUnreadable(error: unknown, encoding: string, limit: number): Error {
  if (error instanceof UnreadableBodyError) return error;
  if (isTooLarge(error)) return new BodyTooLargeError(limit);
  return new UnreadableBodyError(
    `it is not ${encoding}, as its content encoding says, or is broken off (${codeOf(error)})`,
  );
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unknown';
}
