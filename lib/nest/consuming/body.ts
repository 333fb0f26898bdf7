/** Reads the body of a delivery: JSON, whatever its content type says. Merges nothing, so `__proto__` is a key. */
import type { Delivery } from '../../amqp/index.js';
import { describeError, UnreadableBodyError } from '../errors.js';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Throws UnreadableBodyError, which never quotes the body. */
export function readBody(delivery: Delivery): unknown {
  const { contentType, contentEncoding } = propertiesOf(delivery);
  if (contentEncoding !== undefined && !/^(identity|utf-?8)?$/i.test(contentEncoding)) {
    throw new UnreadableBodyError(`the content encoding "${contentEncoding}" is not known`);
  }
  const size = `${String(delivery.body.length)} bytes, content type ${contentType ?? 'not given'}`;
  let text: string;
  try {
    text = utf8.decode(delivery.body);
  } catch {
    throw new UnreadableBodyError(`it is not UTF-8 (${size})`);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The message of a SyntaxError quotes what it could not read.
    throw new UnreadableBodyError(`it is not JSON (${size})`);
  }
}

function propertiesOf(delivery: Delivery): Delivery['properties'] {
  try {
    return delivery.properties;
  } catch (error) {
    throw new UnreadableBodyError(`its properties are malformed: ${describeError(error).message}`);
  }
}
