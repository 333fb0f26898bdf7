/**
 * Generates lib/amqp/protocol/generated/methods.ts from lib/amqp/protocol/spec.ts.
 *
 * `npm run generate` writes the file; test/unit/protocol/generated.test.ts calls `generate()` and compares.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { basicProperties, classes, propertyMeanings, type Domain, type MethodSpec } from '../lib/amqp/protocol/spec.js';

interface Field {
  readonly name: string;
  readonly domain: Domain;
  readonly isReserved: boolean;
}

const scriptTypes: Record<Domain, string> = {
  bit: 'boolean',
  octet: 'number',
  short: 'number',
  long: 'number',
  longlong: 'number',
  shortstr: 'string',
  longstr: 'string',
  bytes: 'Buffer',
  table: 'FieldTable',
  timestamp: 'Date',
};

/** What a reserved field is written as. */
const zeros: Record<Domain, string> = {
  bit: 'false',
  octet: '0',
  short: '0',
  long: '0',
  longlong: '0',
  shortstr: "''",
  longstr: "''",
  bytes: "''",
  table: '{}',
  timestamp: '0',
};

function parseField(text: string): Field {
  const match = /^(\[)?([A-Za-z-]+)\]?:([a-z]+)$/.exec(text);
  if (!match?.[2] || !match[3]) throw new Error(`spec.ts: cannot read field "${text}"`);
  return { name: match[2], domain: match[3] as Domain, isReserved: match[1] === '[' };
}

function pascalCase(name: string): string {
  return name.replace(/(^|[.-])([a-z])/g, (_all, _separator, letter: string) => letter.toUpperCase());
}

function hex(id: number): string {
  return `0x${id.toString(16).padStart(8, '0')}`;
}

/** Consecutive bits share octets; everything else stands alone. */
function groups(fields: readonly Field[]): Field[][] {
  const result: Field[][] = [];
  for (const field of fields) {
    const last = result.at(-1);
    if (field.domain === 'bit' && last?.[0]?.domain === 'bit' && last.length < 8) last.push(field);
    else result.push([field]);
  }
  return result;
}

function fieldTypes(fields: readonly Field[], asWritten: boolean): string {
  const lines = fields
    .filter((field) => !field.isReserved)
    .map((field) => {
      const isOptional = asWritten && (field.domain === 'bit' || field.domain === 'table');
      const type = asWritten && field.domain === 'bytes' ? 'string | Uint8Array' : scriptTypes[field.domain];
      return `    ${field.name}${isOptional ? '?' : ''}: ${type}${isOptional ? ' | undefined' : ''};`;
    });
  return lines.length === 0 ? 'Record<never, never>' : `{\n${lines.join('\n')}\n  }`;
}

function writeStatement(group: readonly Field[]): string {
  const [first] = group;
  if (!first) throw new Error('empty group');
  if (first.domain === 'bit') {
    const bits = group
      .map((field, index) => (field.isReserved ? '' : `(fields.${field.name} ? ${String(1 << index)} : 0)`))
      .filter((text) => text !== '');
    return `writer.octet(${bits.length === 0 ? '0' : bits.join(' | ')});`;
  }
  const value = first.isReserved ? zeros[first.domain] : `fields.${first.name}`;
  switch (first.domain) {
    case 'shortstr':
      return `writer.shortstr(${value}, '${first.name}');`;
    case 'table':
      return `writeTable(writer, ${value} ?? {}, '${first.name}');`;
    case 'octet':
    case 'short':
    case 'long':
    case 'longlong':
      return first.isReserved
        ? `writer.${first.domain}(${value});`
        : `writer.${first.domain}(checkInteger(${value}, '${first.domain}', '${first.name}'));`;
    case 'bytes':
      return `writer.longstr(${value});`;
    default:
      return `writer.${first.domain}(${value});`;
  }
}

function readStatements(fields: readonly Field[]): string {
  const lines: string[] = [];
  let octets = 0;
  for (const group of groups(fields)) {
    const [first] = group;
    if (!first) continue;
    if (first.domain === 'bit') {
      const name = `bits${String(octets++)}`;
      const used = group.some((field) => !field.isReserved);
      lines.push(used ? `const ${name} = reader.octet();` : 'reader.octet();');
      group.forEach((field, index) => {
        if (!field.isReserved) lines.push(`const ${field.name} = (${name} & ${String(1 << index)}) !== 0;`);
      });
    } else {
      let read = `reader.${first.domain}()`;
      if (first.domain === 'table') read = 'readTable(reader)';
      if (first.domain === 'bytes') read = 'reader.longBytes()';
      lines.push(first.isReserved ? `${read};` : `const ${escapeName(first.name)} = ${read};`);
    }
  }
  return lines.map((line) => `    ${line}\n`).join('');
}

/** `arguments` may not be a variable's name in strict code. */
function escapeName(name: string): string {
  return name === 'arguments' ? 'argumentTable' : name;
}

function codec(className: string, classId: number, method: MethodSpec): string {
  const name = `${className}.${method.name}`;
  const id = hex(classId * 0x10000 + method.id);
  const fields = method.fields.map(parseField);
  const named = fields.filter((field) => !field.isReserved);
  const writes = groups(fields).map((group) => `    ${writeStatement(group)}\n`);
  const object = named
    .map((field) => (escapeName(field.name) === field.name ? field.name : `${field.name}: ${escapeName(field.name)}`))
    .join(', ');
  const writer = fields.length === 0 ? '()' : named.length === 0 ? '(writer)' : '(writer, fields)';
  const reader = fields.length === 0 ? '()' : '(reader)';
  return `  '${name}': {
    id: ${id},
    name: '${name}',
    hasContent: ${String(method.content === true)},
    replies: [${(method.replies ?? []).map((reply) => `'${className}.${reply}'`).join(', ')}],
    write: ${writer} => {
${writes.join('')}    },
    read: ${reader} => {
${readStatements(fields)}      return {${object === '' ? '' : ` ${object} `}};
    },
  },
`;
}

function propertiesCode(): string {
  const properties = basicProperties.map(parseField);
  const flag = (index: number): string => `0x${(1 << (15 - index)).toString(16).padStart(4, '0')}`;
  const types = properties
    .map(({ name, domain }) => {
      return `  /** ${propertyMeanings[name] ?? ''} */\n  ${name}?: ${scriptTypes[domain]} | undefined;`;
    })
    .join('\n');
  const writes = properties
    .map((field, index) => {
      const value = `properties.${field.name}`;
      let statement = `writer.shortstr(${value}, '${field.name}');`;
      if (field.domain === 'table') statement = `writeTable(writer, ${value}, '${field.name}');`;
      if (field.domain === 'octet') statement = `writer.octet(checkInteger(${value}, 'octet', '${field.name}'));`;
      if (field.domain === 'timestamp') statement = `writer.longlong(checkTimestamp(${value}, '${field.name}'));`;
      return `  if (${value} !== undefined) {\n    flags |= ${flag(index)};\n    ${statement}\n  }`;
    })
    .join('\n');
  const reads = properties
    .map((field, index) => {
      let read = `reader.${field.domain}()`;
      if (field.domain === 'table') read = 'readTable(reader)';
      if (field.domain === 'timestamp') read = 'new Date(Number(reader.bigUInt64()) * 1000)';
      return `  if ((flags & ${flag(index)}) !== 0) properties.${field.name} = ${read};`;
    })
    .join('\n');
  return `
/** Properties of class basic, as they stand in a content header. */
export interface BasicProperties {
${types}
}

/** property-flags, then the properties that are there, in the order of their bits. */
export function writeProperties(writer: ByteWriter, properties: Readonly<BasicProperties>): void {
  const position = writer.positionInUnit;
  writer.short(0);
  let flags = 0;
${writes}
  writer.patchShort(position, flags);
}

export function readProperties(reader: ByteReader): BasicProperties {
  const flags = reader.short();
  const properties: BasicProperties = {};
  if ((flags & 1) !== 0) throw new FrameSyntaxError('a content header with more than 15 property flags');
${reads}
  return properties;
}
`;
}

/** The text of the generated file, formatted as the repository is. */
export async function generate(): Promise<string> {
  return format(generateSource(), { ...(await resolveConfig(generatedFile)), filepath: generatedFile });
}

function generateSource(): string {
  const methods = classes.flatMap((amqpClass) => amqpClass.methods.map((method) => ({ amqpClass, method })));
  const types = (asWritten: boolean): string =>
    methods
      .map(
        ({ amqpClass, method }) =>
          `  '${amqpClass.name}.${method.name}': ${fieldTypes(method.fields.map(parseField), asWritten)};\n`,
      )
      .join('');
  const ids = methods
    .map(
      ({ amqpClass, method }) =>
        `  ${pascalCase(`${amqpClass.name}.${method.name}`)}: ${hex(amqpClass.id * 0x10000 + method.id)},\n`,
    )
    .join('');
  return `// Generated from ../spec.ts by \`npm run generate\`. Do not edit.
import { FrameSyntaxError } from '../../errors.js';
import type { ByteReader } from '../byte-reader.js';
import { checkInteger, checkTimestamp, type ByteWriter } from '../byte-writer.js';
import { readTable, writeTable, type FieldTable } from '../field-table.js';

/** Class id * 65536 + method id. */
export const methodIds = {
${ids}} as const;

/** The fields of each method, as read. */
export interface MethodFields {
${types(false)}}

/** The fields of each method, as written: bits are false and tables empty unless given. */
export interface MethodInputs {
${types(true)}}

export type MethodName = keyof MethodFields;

/** A method that was read. */
export type Method = {
  [Name in MethodName]: { readonly name: Name; readonly fields: MethodFields[Name] };
}[MethodName];

export interface MethodCodec<Name extends MethodName> {
  readonly id: number;
  readonly name: Name;
  readonly hasContent: boolean;
  /** The methods that answer it; empty for one without an answer. */
  readonly replies: readonly MethodName[];
  readonly write: (writer: ByteWriter, fields: MethodInputs[Name]) => void;
  readonly read: (reader: ByteReader) => MethodFields[Name];
}

export const methodCodecs: { readonly [Name in MethodName]: MethodCodec<Name> } = {
${methods.map(({ amqpClass, method }) => codec(amqpClass.name, amqpClass.id, method)).join('')}};
${propertiesCode()}`;
}

export const generatedFile = fileURLToPath(new URL('../lib/amqp/protocol/generated/methods.ts', import.meta.url));

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(generatedFile, await generate());
