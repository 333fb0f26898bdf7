/** What `connect` may be called with. */
import type { ConnectionParameters } from '../connection/index.js';
import { ParametersError } from '../errors.js';

/** Both forms of `connect`'s arguments as one object. Throws ParametersError for anything else. */
export function mergeParameters(
  first: string | readonly string[] | ConnectionParameters | undefined,
  second: ConnectionParameters = {},
): ConnectionParameters {
  // A URL, a Map: it has no fields of its own, and would lead to localhost.
  if (!isObjectOfFields(second)) throw new ParametersError(['the parameters must be an object']);
  if (first === undefined) return second;
  if (typeof first === 'string') return { ...second, url: first };
  if (isList(first)) return { ...second, url: first };
  if (!isObjectOfFields(first)) {
    throw new ParametersError(['connect takes an AMQP URI (a string), a list of them, or an object of parameters']);
  }
  return { ...first, ...second };
}

export function isObjectOfFields(value: unknown): boolean {
  return typeof value === 'object' && Object.prototype.toString.call(value) === '[object Object]';
}

function isList(value: readonly string[] | ConnectionParameters): value is readonly string[] {
  return Array.isArray(value);
}
