/** Compresses what is published: small bodies at once, larger ones off the event loop. */
import zlib from 'node:zlib';
import { called, type Callback } from './node-callback.js';
import { faultsOf, isOneOf, isRecord, isWhole, type Check } from '../option-checks.js';

/** As a content encoding calls it. `zstd` where the version of Node has it: since 22.15. */
export type CompressionEncoding = 'gzip' | 'deflate' | 'br' | 'zstd';

export interface CompressOptions {
  encoding: CompressionEncoding;
  /** Bytes; smaller bodies are sent as they are. Default 1 024. */
  minimumSize?: number | undefined;
  /** The more, the smaller and the slower: gzip and deflate 1 to 9 (6), br 0 to 11 (4), zstd 1 to 22 (3). */
  level?: number | undefined;
}

/** False: as it is. */
export type Compress = CompressionEncoding | CompressOptions | false;

/** A body as it goes on the wire. */
export interface CompressedBody {
  readonly body: Uint8Array;
  /** undefined: it was not worth it. */
  readonly contentEncoding: CompressionEncoding | undefined;
}

const defaultMinimumSize = 1_024;
/** Bytes that are compressed at once: a fraction of a millisecond. */
const smallBody = 16 * 1024;

interface Compression {
  readonly levels: readonly [least: number, most: number];
  sync(body: Uint8Array, level: number | undefined): Buffer;
  async(body: Uint8Array, level: number | undefined): Promise<Buffer>;
}

interface NodeCompression {
  readonly levels: Compression['levels'];
  readonly options: (level: number | undefined) => object;
  readonly sync: (body: Uint8Array, options: object) => Buffer;
  readonly async: (body: Uint8Array, options: object, callback: Callback) => void;
}

function compression({ levels, options, sync, async }: NodeCompression): Compression {
  return {
    levels,
    sync: (body, level) => sync(body, options(level)),
    async: (body, level) =>
      called((callback) => {
        async(body, options(level), callback);
      }),
  };
}

/** What newer versions of Node have. */
interface ZstdModule {
  readonly zstdCompressSync: NodeCompression['sync'];
  readonly zstdCompress: NodeCompression['async'];
  readonly constants: { readonly ZSTD_c_compressionLevel: number };
}

function zstd(): Compression | undefined {
  const { zstdCompressSync: sync, zstdCompress: async, constants } = zlib as unknown as Partial<ZstdModule>;
  const key = constants?.ZSTD_c_compressionLevel;
  if (!sync || !async || key === undefined) return undefined;
  return compression({ levels: [1, 22], options: (level = 3) => ({ params: { [key]: level } }), sync, async });
}

const ofZlib = {
  levels: [1, 9],
  options: (level: number | undefined) => (level === undefined ? {} : { level }),
} as const;

const compressions: Readonly<Record<CompressionEncoding, Compression | undefined>> = {
  gzip: compression({ ...ofZlib, sync: zlib.gzipSync, async: zlib.gzip }),
  deflate: compression({ ...ofZlib, sync: zlib.deflateSync, async: zlib.deflate }),
  br: compression({
    levels: [0, 11],
    options: (level = 4) => ({ params: { [zlib.constants.BROTLI_PARAM_QUALITY]: level } }),
    sync: zlib.brotliCompressSync,
    async: zlib.brotliCompress,
  }),
  zstd: zstd(),
};

const isEncoding: Check = (value) => {
  const problem = isOneOf('gzip', 'deflate', 'br', 'zstd')(value);
  if (problem !== undefined) return problem;
  return compressions[value as CompressionEncoding] ? undefined : "must not be 'zstd': that takes Node 22.15 or newer";
};

export const isCompress: Check = (value) => {
  if (value === false) return undefined;
  if (!isRecord(value)) return isEncoding(value)?.replace('must be', 'must be false, { encoding, ... } or');
  if (value['encoding'] === undefined) return 'needs an encoding';
  const [fault] = faultsOf(value, {
    encoding: isEncoding,
    minimumSize: isWhole(0, 0x7fff_ffff),
    level: isWhole(0, 22),
  });
  if (fault !== undefined) return `is wrong: ${fault}`;
  const { encoding, level } = value as unknown as CompressOptions;
  const [least, most] = compressions[encoding]?.levels ?? [0, 22];
  return level === undefined ? undefined : isWhole(least, most)(level)?.replace('must', 'has a level that must');
};

/** The body compressed, or as it is where that is no gain; a promise where it takes longer. */
export function compressed(
  body: string | Uint8Array,
  compress: Exclude<Compress, false>,
): CompressedBody | Promise<CompressedBody> | undefined {
  const options = typeof compress === 'string' ? { encoding: compress } : compress;
  const { encoding, level, minimumSize = defaultMinimumSize } = options;
  const size = Buffer.byteLength(body);
  if (size < minimumSize) return undefined;
  const chosen = compressions[encoding];
  if (!chosen) return undefined;
  const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : body;
  const better = (result: Buffer): CompressedBody =>
    result.length < size ? { body: result, contentEncoding: encoding } : { body: bytes, contentEncoding: undefined };
  return size <= smallBody ? better(chosen.sync(bytes, level)) : chosen.async(bytes, level).then(better);
}
