/** From a value to a body: by a format, or as JSON. */
import { ArgumentError } from '../../amqp/index.js';
import { describeError } from '../errors.js';
import { isThenable } from './thenable.js';
import { isConcrete } from './content-type.js';
import { rangesOf, type AboutMessage, type MessageFormat } from './message-format.js';

/** The content type of what a format writes where nothing else is said; undefined: it names no single one. */
export function ownTypeOf(format: MessageFormat): string | undefined {
  return rangesOf(format).find(isConcrete);
}

/** Throws ArgumentError for a format that fails, or gives anything but bytes or text. */
export function writeFormat(format: MessageFormat, value: unknown, about: AboutMessage): string | Uint8Array {
  const name = `the format of "${String(about.contentType)}"`;
  let body: unknown;
  try {
    body = format.serialize(value, about);
  } catch (error) {
    const { name: kind, message } = describeError(error, 200);
    throw new ArgumentError('payload', `${name} cannot write it: ${kind}: ${message}`);
  }
  if (typeof body === 'string' || body instanceof Uint8Array) return body;
  const given = isThenable(body) ? 'a promise' : typeof body;
  throw new ArgumentError('payload', `${name} gave ${given}, and not bytes or text`);
}

/** Throws ArgumentError. */
export function writeJson(value: unknown): string {
  let text: unknown;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw new ArgumentError('payload', `cannot be written as JSON: ${describeError(error, 200).message}`);
  }
  // What JSON.stringify makes of undefined, functions and symbols.
  if (typeof text !== 'string') throw new ArgumentError('payload', `cannot be written as JSON: it is ${typeof value}`);
  return text;
}
