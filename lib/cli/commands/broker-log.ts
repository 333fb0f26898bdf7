/** A method on one line, for people: who says it to whom, its name, and what fields say something. Pure. */
import type { MethodEvent } from '../../broker/index.js';

/** Characters of one field above which it is cut. */
const longest = 200;
/** Also what JSON leaves as it is and a terminal does not: C1 controls, and what turns the direction of text. */
const unprintable = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** `#1 orders > 1 basic.publish exchange="shop" routingKey="order.created" body=12 bytes`; `>` is to the broker. */
export function logLine(event: MethodEvent, time: Date): string {
  const { connectionId, connection, from, channel, method, bodySize } = event;
  const fields = Object.entries(method.fields as Readonly<Record<string, unknown>>)
    .filter(([, value]) => saysSomething(value))
    .map(([name, value]) => (value === true ? name : `${name}=${shown(name, value)}`));
  return [
    time.toISOString().slice(11, 23),
    `#${String(connectionId)}`,
    plain(connection),
    from === 'client' ? '>' : '<',
    String(channel),
    method.name,
    ...fields,
    ...(bodySize === undefined ? [] : [`body=${String(bodySize)} bytes`]),
  ].join(' ');
}

function saysSomething(value: unknown): boolean {
  if (value === undefined || value === false || value === '' || value === 0) return false;
  return typeof value !== 'object' || value === null || value instanceof Uint8Array || Object.keys(value).length > 0;
}

function shown(name: string, value: unknown): string {
  // SASL's answer is given as "hidden"; a challenge is none of our business either.
  if (value instanceof Uint8Array || name === 'newSecret') return 'hidden';
  return escaped(JSON.stringify(value, readable));
}

function readable(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer' && 'data' in value) {
    return `${String((value.data as unknown[]).length)} bytes`;
  }
  return value;
}

/** A name without quotes where it needs none. */
function plain(text: string): string {
  return /^[\w.:@-]{1,100}$/.test(text) ? text : escaped(JSON.stringify(text));
}

/** JSON escapes control characters below U+0020; here go the others. */
function escaped(json: string): string {
  const text = json.replaceAll(unprintable, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  return text.length > longest ? `${text.slice(0, longest)}...` : text;
}
