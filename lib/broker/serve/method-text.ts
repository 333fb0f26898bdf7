/** Names on the wire: RabbitMQ refuses methods whose short strings are no UTF-8, but for basic.publish. */
import type { Method } from '../../amqp/protocol/index.js';

/** What a decoder puts in place of bytes that are no UTF-8. */
const replacement = '\ufffd';

/** `payload`: the bytes that the method was read from. */
export function hasMalformedText({ name, fields }: Method, payload: Buffer): boolean {
  if (name === 'basic.publish') return false;
  return Object.values(fields).some(
    // Who wrote the replacement itself is right: then it stands in the payload.
    (value: unknown) => typeof value === 'string' && value.includes(replacement) && !payload.includes(value),
  );
}
