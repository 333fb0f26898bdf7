/**
 * Properties and tables as text that shows the type of each field on the wire, with names in alphabetical order:
 * RabbitMQ promises no order. Times are left out. Pure.
 */
import { ByteReader } from '../../lib/amqp/protocol/index.js';

const names = [
  ...['contentType', 'contentEncoding', 'headers', 'deliveryMode', 'priority', 'correlationId', 'replyTo'],
  ...['expiration', 'messageId', 'timestamp', 'type', 'userId', 'appId', 'clusterId'],
];

/** `{priority:3,headers:{n:I1}} `, or nothing where there are none. */
export function propertiesText(encoded: Buffer): string {
  const reader = new ByteReader(encoded);
  const flags = reader.short();
  const texts: string[] = [];
  for (const [index, name] of names.entries()) {
    if ((flags & (0x8000 >> index)) === 0) continue;
    texts.push(`${name}:${propertyText(name, reader)}`);
  }
  return texts.length === 0 ? '' : `{${texts.join(',')}} `;
}

function propertyText(name: string, reader: ByteReader): string {
  switch (name) {
    case 'headers':
      return tableText(reader);
    case 'deliveryMode':
    case 'priority':
      return String(reader.octet());
    case 'timestamp':
      return String(reader.bigUInt64());
    default:
      return reader.shortstr();
  }
}

function tableText(reader: ByteReader): string {
  const content = reader.nested(reader.long());
  const texts: string[] = [];
  while (content.remaining > 0) {
    const name = content.shortstr();
    const value = valueText(content);
    texts.push(`${name}:${name === 'time' ? 'T' : value}`);
  }
  return `{${texts.sort().join(',')}}`;
}

function valueText(reader: ByteReader): string {
  const type = String.fromCharCode(reader.octet());
  switch (type) {
    case 't':
      return reader.octet() === 0 ? 'false' : 'true';
    case 'b':
      return `b${reader.int8()}`;
    case 'B':
      return `B${reader.octet()}`;
    case 's':
      return `s${reader.int16()}`;
    case 'u':
      return `u${reader.short()}`;
    case 'I':
      return `I${reader.int32()}`;
    case 'i':
      return `i${reader.long()}`;
    case 'l':
    case 'L':
      return `l${reader.bigInt64()}`;
    case 'f':
      return `f${reader.float()}`;
    case 'd':
      return `d${reader.double()}`;
    case 'D':
      return `D${reader.octet()}/${reader.long()}`;
    case 'S':
      return `'${reader.longBytes().toString('latin1')}'`;
    case 'x':
      return `x${reader.longBytes().toString('hex')}`;
    case 'T':
      return `T${reader.bigUInt64()}`;
    case 'F':
      return tableText(reader);
    case 'V':
      return 'void';
    case 'A': {
      const content = reader.nested(reader.long());
      const texts: string[] = [];
      while (content.remaining > 0) texts.push(valueText(content));
      return `[${texts.join(',')}]`;
    }
    default:
      throw new Error(`field type ${type}`);
  }
}
