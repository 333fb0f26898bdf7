/** Compresses what is published: small bodies at once, larger ones off the event loop. */
import zlib from 'node:zlib';
import { promisify } from 'node:util';
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

type Run<Result> = (body: Uint8Array, options: object) => Result;

function leveled(
  levels: Compression['levels'],
  sync: Run<Buffer>,
  async: Run<Promise<Buffer>>,
  options: (level: number | undefined) => object,
): Compression {
  return {
    levels,
    sync: (body, level) => sync(body, options(level)),
    async: (body, level) => async(body, options(level)),
  };
}

const plainLevel = (level: number | undefined): object => (level === undefined ? {} : { level });
const parameter =
  (key: number, standard: number) =>
  (level = standard): object => ({ params: { [key]: level } });

/** What newer versions of Node have. */
interface ZstdModule {
  readonly zstdCompressSync: Run<Buffer>;
  readonly zstdCompress: (...values: never[]) => void;
  readonly constants: { readonly ZSTD_c_compressionLevel: number };
}

function zstd(): Compression | undefined {
  const { zstdCompressSync, zstdCompress, constants } = zlib as unknown as Partial<ZstdModule>;
  const key = constants?.ZSTD_c_compressionLevel;
  if (!zstdCompressSync || !zstdCompress || key === undefined) return undefined;
  const compress = promisify(zstdCompress) as unknown as Run<Promise<Buffer>>;
  return leveled([1, 22], zstdCompressSync, compress, parameter(key, 3));
}

const zlibLevels = [1, 9] as const;
const compressions: Readonly<Record<CompressionEncoding, Compression | undefined>> = {
  gzip: leveled(zlibLevels, zlib.gzipSync, promisify(zlib.gzip), plainLevel),
  deflate: leveled(zlibLevels, zlib.deflateSync, promisify(zlib.deflate), plainLevel),
  br: leveled(
    [0, 11],
    zlib.brotliCompressSync,
    promisify(zlib.brotliCompress),
    parameter(zlib.constants.BROTLI_PARAM_QUALITY, 4),
  ),
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
  const compression = compressions[encoding];
  if (!compression) return undefined;
  const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : body;
  const better = (result: Buffer): CompressedBody =>
    result.length < size ? { body: result, contentEncoding: encoding } : { body: bytes, contentEncoding: undefined };
  return size <= smallBody ? better(compression.sync(bytes, level)) : compression.async(bytes, level).then(better);
}
