/**
 * Methods with content, as a broker sends them: properties go on encoded as they came.
 *
 *   content = method-frame header-frame *body-frame
 *
 * RabbitMQ holds only body frames to frame_max, never method and header frames; so does this.
 */
import {
  frameOverhead,
  frameTypes,
  writeMethod,
  type ByteWriter,
  type MethodInputs,
} from '../../amqp/protocol/index.js';
import type { Message } from '../store/message.js';

const basicClass = 60;
const frameEnd = 0xce;
/** Bodies up to this many bytes are copied beside their frames; larger ones go by reference. */
const copiedBodyLimit = 8192;

export type ContentMethod = 'basic.deliver' | 'basic.get-ok' | 'basic.return';

export function writeMessage<Name extends ContentMethod>(
  writer: ByteWriter,
  channel: number,
  name: Name,
  fields: MethodInputs[Name],
  message: Pick<Message, 'encodedProperties' | 'body'>,
  frameMax: number,
): void {
  const { encodedProperties, body } = message;
  writeMethod(writer, channel, name, fields, 0);
  writer.begin();
  writer.octet(frameTypes.header);
  writer.short(channel);
  writer.long(12 + encodedProperties.length);
  writer.short(basicClass);
  writer.short(0);
  writer.longlong(body.length);
  writer.bytes(encodedProperties);
  writer.octet(frameEnd);
  const payloadMax = frameMax > 0 ? frameMax - frameOverhead : body.length;
  for (let start = 0; start < body.length; start += payloadMax) {
    const size = Math.min(payloadMax, body.length - start);
    const piece = size === body.length ? body : body.subarray(start, start + size);
    writer.octet(frameTypes.body);
    writer.short(channel);
    writer.long(size);
    if (body.length <= copiedBodyLimit) writer.bytes(piece);
    else writer.reference(piece);
    writer.octet(frameEnd);
  }
  writer.commit();
}
