/** What `connect` may be called with. */
import type { ConnectionParameters } from '../connection/index.js';
import { ParametersError } from '../errors.js';

/** Both forms of `connect`'s arguments as one object. Throws ParametersError for anything else. */
export function mergeParameters(
  first: string | readonly string[] | ConnectionParameters | undefined,
  second: ConnectionParameters = {},
): ConnectionParameters {
  if (first === undefined) return second;
  if (typeof first === 'string') return { ...second, url: first };
  if (isList(first)) return { ...second, url: first };
  if (typeof first !== 'object' || (first as unknown) === null) {
    throw new ParametersError(['connect takes an AMQP URI, a list of them, or an object of parameters']);
  }
  return { ...first, ...second };
}

function isList(value: readonly string[] | ConnectionParameters): value is readonly string[] {
  return Array.isArray(value);
}
