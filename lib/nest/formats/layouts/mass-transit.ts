/**
 * MassTransit (.NET): JSON of content type `application/vnd.masstransit+json`, an envelope
 *
 *   { messageId, conversationId, sourceAddress, messageType: ["urn:message:Shop:OrderSubmitted", ...], message: {...}, ... }
 *
 * whose messageType lists the message's own type first, then those that it implements.
 */
import { UnreadableBodyError } from '../../errors.js';
import { fieldOf, type MessageLayout } from '../message-layout.js';

/** More types than a message has; each is held against every handler. */
const mostTypes = 64;

/** The pattern is a type of the message (`urn:message:Shop:OrderSubmitted`), the payload is `message`. */
export const massTransit: MessageLayout = {
  patternFrom: (_delivery, body) => {
    const types = fieldOf(body, 'messageType');
    if (Array.isArray(types) && types.length > 0 && types.length <= mostTypes && types.every(isText)) return types;
    throw new UnreadableBodyError(`messageType is no list of 1 to ${String(mostTypes)} types`);
  },
  payloadFrom: { field: 'message' },
};

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
