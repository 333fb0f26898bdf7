/**
 * Frames on their way out.
 *
 *   frame   = type(octet) channel(short) size(long) payload(size octets) %xCE
 *   content = method-frame header-frame *body-frame
 *   header  = class-id(short) weight(short, 0) body-size(longlong) property-flags(short) property-list
 *
 * Each function writes one whole unit: it is sealed, or, when a value cannot be encoded, it throws an ArgumentError
 * and the writer is as before.
 */
import { ArgumentError } from '../errors.js';
import type { ByteWriter } from './byte-writer.js';
import {
  methodCodecs,
  methodIds,
  writeProperties,
  type BasicProperties,
  type MethodInputs,
  type MethodName,
} from './generated/methods.js';

export const frameTypes = { method: 1, header: 2, body: 3, heartbeat: 8 } as const;
export const frameEnd = 0xce;
/** Octets of a frame beside its payload. */
export const frameOverhead = 8;
/** The least frame_max that AMQP allows, for frames sent before tuning. */
export const minimumFrameMax = 4096;

/** The first eight bytes a client sends. */
export const protocolHeader: Buffer = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1]);
export const heartbeatFrame: Buffer = Buffer.from([frameTypes.heartbeat, 0, 0, 0, 0, 0, 0, frameEnd]);

const basicClass = 60;
/** Bodies up to this many bytes are copied beside their frames; larger ones go by reference. */
export const copiedBodyLimit = 8192;

/** Answers where the size is to be patched in. */
export function beginFrame(writer: ByteWriter, type: number, channel: number): number {
  writer.octet(type);
  writer.short(channel);
  const sizePosition = writer.positionInUnit;
  writer.long(0);
  return sizePosition;
}

export function endFrame(writer: ByteWriter, sizePosition: number, frameMax: number, what: string): void {
  const size = writer.positionInUnit - sizePosition - 4;
  if (frameMax > 0 && size + frameOverhead > frameMax) {
    throw new ArgumentError(
      what,
      `needs a frame of ${String(size + frameOverhead)} bytes; the negotiated frame_max is ${String(frameMax)}`,
    );
  }
  writer.patchLong(sizePosition, size);
  writer.octet(frameEnd);
}

function writeMethodFrame<Name extends MethodName>(
  writer: ByteWriter,
  channel: number,
  name: Name,
  fields: MethodInputs[Name],
  frameMax: number,
): void {
  const codec = methodCodecs[name];
  const sizePosition = beginFrame(writer, frameTypes.method, channel);
  writer.long(codec.id);
  codec.write(writer, fields);
  endFrame(writer, sizePosition, frameMax, name);
}

/** Writes one method without content. `frameMax` 0 is no limit. */
export function writeMethod<Name extends MethodName>(
  writer: ByteWriter,
  channel: number,
  name: Name,
  fields: MethodInputs[Name],
  frameMax: number,
): void {
  writer.begin();
  try {
    writeMethodFrame(writer, channel, name, fields, frameMax);
  } catch (error) {
    writer.rollback();
    throw error;
  }
  writer.commit();
}

/** The methods that carry content. */
export type ContentMethod = 'basic.publish' | 'basic.deliver' | 'basic.return' | 'basic.get-ok';

/**
 * Writes a method with its content, as a broker sends it: only body frames are held to `frameMax`, as RabbitMQ does it.
 * `properties` may be encoded already (property flags and list), as a broker passes them on. Bodies over 8 KiB are
 * referenced, not copied: leave them unchanged until they are written.
 */
export function writeContent<Name extends ContentMethod>(
  writer: ByteWriter,
  channel: number,
  name: Name,
  fields: MethodInputs[Name],
  properties: Readonly<BasicProperties> | Uint8Array,
  body: Uint8Array,
  frameMax: number,
): void {
  writer.begin();
  try {
    writeMethodFrame(writer, channel, name, fields, 0);
    writeHeaderFrame(writer, channel, properties, body.length, 0);
  } catch (error) {
    writer.rollback();
    throw error;
  }
  writeBodyFrames(writer, channel, body, frameMax);
  writer.commit();
}

/** basic.ack, by hand: as hot on a consumer as a publish is on a publisher. */
export function writeAck(writer: ByteWriter, channel: number, deliveryTag: number, isMultiple: boolean): void {
  writer.begin();
  writer.octet(frameTypes.method);
  writer.short(channel);
  writer.long(13);
  writer.long(methodIds.BasicAck);
  writer.longlong(deliveryTag);
  writer.octet(isMultiple ? 1 : 0);
  writer.octet(frameEnd);
  writer.commit();
}

export function writeHeartbeat(writer: ByteWriter): void {
  writer.begin();
  writer.bytes(heartbeatFrame);
  writer.commit();
}

function writeHeaderFrame(
  writer: ByteWriter,
  channel: number,
  properties: Readonly<BasicProperties> | Uint8Array,
  bodySize: number,
  frameMax: number,
): void {
  const sizePosition = beginHeader(writer, channel, bodySize);
  if (properties instanceof Uint8Array) writer.bytes(properties);
  else writeProperties(writer, properties);
  endHeader(writer, sizePosition, frameMax);
}

/** A content header up to its property flags, which follow. */
export function beginHeader(writer: ByteWriter, channel: number, bodySize: number): number {
  const sizePosition = beginFrame(writer, frameTypes.header, channel);
  writer.short(basicClass);
  writer.short(0);
  writer.longlong(bodySize);
  return sizePosition;
}

export function endHeader(writer: ByteWriter, sizePosition: number, frameMax: number): void {
  endFrame(writer, sizePosition, frameMax, 'the content header (properties and headers)');
}

export function writeBodyFrames(writer: ByteWriter, channel: number, body: Uint8Array, frameMax: number): void {
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
}
