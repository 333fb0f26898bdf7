/**
 * What goes over a port between two threads: bytes, credit, and a few words.
 *
 * Plain data only, since a port clones it: an error travels as its name, message and code.
 */
import { types } from 'node:util';
import { asError, ConnectionClosedError, ConnectionRefusedError, TlsError, type ConnectionError } from '../errors.js';
import type { Endpoint, TcpOptions, TcpTimeouts, TlsOptions } from '../transport/index.js';

/** An error that crosses to another thread. */
export interface ErrorWords {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly isRecoverable: boolean;
}

export type ControlMessage =
  /** The way is open; bytes may follow. */
  | { readonly kind: 'opened'; readonly description: string; readonly isPrivate: boolean }
  /** The way could not be opened. */
  | { readonly kind: 'refused'; readonly error: ErrorWords }
  /** Everything of ours was written. */
  | { readonly kind: 'end' }
  /** Over, in both directions. */
  | { readonly kind: 'closed'; readonly error?: ErrorWords | undefined }
  /** From now on heartbeats are yours; `timeout` in seconds. */
  | { readonly kind: 'heartbeat'; readonly timeout: number }
  /** The peer was silent for too long. */
  | { readonly kind: 'silence' };

/** Bytes; or how many bytes of the other side's were taken since the last time; or words. */
export type PortMessage = Uint8Array | number | ControlMessage;

/**
 * True for a message as the other end of a transport sends it. A port can be sent anything by whoever holds it: what is
 * no message must not be taken for one. Bytes must be ours alone, so that they stay what they were found to be.
 */
export function isPortMessage(value: unknown): value is PortMessage {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value > 0;
  if (types.isUint8Array(value)) return types.isArrayBuffer(value.buffer);
  return isRecord(value) && isControlMessage(value);
}

function isControlMessage(value: Record<string, unknown>): boolean {
  switch (value['kind']) {
    case 'opened':
      return typeof value['description'] === 'string' && typeof value['isPrivate'] === 'boolean';
    case 'refused':
      return isErrorWords(value['error']);
    case 'closed':
      return value['error'] === undefined || isErrorWords(value['error']);
    case 'heartbeat':
      return typeof value['timeout'] === 'number';
    default:
      return value['kind'] === 'end' || value['kind'] === 'silence';
  }
}

function isErrorWords(value: unknown): boolean {
  return isRecord(value) && typeof value['name'] === 'string' && typeof value['message'] === 'string';
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** What the I/O thread is started with. */
export interface SocketOrder {
  readonly endpoint: Endpoint;
  readonly tcp: TcpOptions;
  readonly tls: TlsOptions;
  readonly timeouts: TcpTimeouts;
}

export function toWords(thrown: unknown): ErrorWords {
  const error = asError(thrown) as Error & { code?: unknown; recoverable?: unknown };
  const cause = error.cause as { code?: unknown } | undefined;
  const code = error.code ?? cause?.code;
  return {
    name: error.name,
    message: error.message,
    ...(typeof code === 'string' ? { code } : {}),
    isRecoverable: error.recoverable !== false,
  };
}

/** The error again, with its code; a TlsError has its code where it always has it, in its cause. */
export function fromWords({ name, message, code, isRecoverable }: ErrorWords): Error {
  const error = Object.assign(new Error(message), code === undefined ? { name } : { name, code });
  if (name !== TlsError.name) return error;
  return new TlsError(message, { recoverable: isRecoverable, ...(code === undefined ? {} : { cause: error }) });
}

/** Why no way could be opened: what `connectTcp` rejects with, from another thread. */
export function refusalFromWords(words: ErrorWords): ConnectionError {
  const error = fromWords(words);
  if (error instanceof TlsError) return error;
  if (words.name === ConnectionClosedError.name) return new ConnectionClosedError(words.message);
  return new ConnectionRefusedError(words.message, words.code === undefined ? {} : { cause: error });
}
