/** Packets whose pattern or payload stand elsewhere than Nest puts them. */
import type { Delivery } from '../../amqp/index.js';
import { patternsOf, payloadOf, type MessageLayout } from '../formats/message-layout.js';
import { isRecord } from '../option-checks.js';

export interface IncomingPacket {
  readonly pattern: unknown;
  readonly data: unknown;
  readonly id: unknown;
}

/**
 * The packet in a message; its pattern is the first of several that has a handler, '' where there is none. A packet of Nest's
 * (`{ data, id }`) may be a request; what keeps its payload elsewhere has no id, and is an event. Throws UnreadableBodyError.
 */
export function packetOf(
  { patternFrom = 'body', payloadFrom = 'data' }: MessageLayout,
  body: unknown,
  delivery: Delivery,
  routingKey: string,
  hasHandler: (pattern: string) => boolean,
): IncomingPacket {
  const patterns = patternsOf(patternFrom, delivery, body, routingKey);
  const pattern = patterns.find(hasHandler) ?? patterns[0] ?? '';
  const isPacket = payloadFrom === 'data' && isRecord(body) && Object.hasOwn(body, 'id');
  return { pattern, data: payloadOf(payloadFrom, body, delivery), id: isPacket ? body['id'] : undefined };
}
