/**
 * Spring AMQP (Java) with its JSON converter: the value itself as JSON, the name of its class in the header `__TypeId__`
 * (`com.example.shop.OrderPlaced`), the charset as content encoding.
 */
import type { MessageLayout } from '../message-layout.js';

/** The pattern is the header `__TypeId__`, the payload is the body. */
export const spring: MessageLayout = { patternFrom: { header: '__TypeId__' }, payloadFrom: 'body' };
