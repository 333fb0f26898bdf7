/**
 * Methods on their way in: from a method frame to its fields, and small facts about the method table.
 *
 * Knows the generated table; must not know frames' channels or sockets.
 */
import { FrameSyntaxError, UnexpectedFrameError } from '../errors.js';
import type { ByteReader } from './byte-reader.js';
import { methodCodecs, type Method, type MethodCodec, type MethodName } from './generated/methods.js';
import { classes, type Domain } from './spec.js';

const codecsById = new Map<number, MethodCodec<MethodName>>(
  Object.values(methodCodecs).map((codec) => [codec.id, codec as unknown as MethodCodec<MethodName>]),
);

/** The method's AMQP name, as `queue.declare`, or its numbers where it is unknown. */
export function methodName(methodId: number): string {
  return codecsById.get(methodId)?.name ?? `method ${String(methodId >>> 16)}.${String(methodId & 0xffff)}`;
}

/** The name of a failing method as a broker's close names it; undefined when it names none. */
export function failedMethodName(classId: number, methodId: number): string | undefined {
  return classId === 0 ? undefined : methodName(classId * 0x10000 + methodId);
}

/** Reads the fields of a method frame; the reader stands behind the method id. */
export function readMethod(methodId: number, reader: ByteReader): Method {
  const codec = codecsById.get(methodId);
  if (!codec) throw new UnexpectedFrameError(`unknown ${methodName(methodId)}`);
  const fields = codec.read(reader);
  if (reader.remaining > 0) {
    throw new FrameSyntaxError(`${codec.name} has ${String(reader.remaining)} bytes too many`);
  }
  return { name: codec.name, fields } as Method;
}

/** The names of the methods that answer `name`; empty when none does. */
export function repliesTo(name: MethodName): readonly MethodName[] {
  return methodCodecs[name].replies;
}

/** The fields of a method and their domains, in wire order, without those that are reserved. */
export function methodFields(name: MethodName): ReadonlyMap<string, Domain> {
  const [className, methodPart] = name.split('.');
  const method = classes.find((one) => one.name === className)?.methods.find((one) => one.name === methodPart);
  const named = (method?.fields ?? []).filter((field) => !field.startsWith('['));
  return new Map(named.map((field) => field.split(':') as [string, Domain]));
}
