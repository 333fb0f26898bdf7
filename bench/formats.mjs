/**
 * What formats and compression cost a message, without a broker: writing it, reading it, and its size on the wire.
 *
 *   npm run build && node bench/formats.mjs [--seconds 1]
 *
 * `JSON` is what a message costs that is in no format and not compressed, beside what JSON alone costs.
 */
import { parseArgs } from 'node:util';
import { decode, encode } from '@msgpack/msgpack';

const library = new URL('../dist/esm/nest/formats/', import.meta.url);
const { BodyReader } = await import(new URL('body-reader.js', library));
const { Formats } = await import(new URL('formats.js', library));
const { outgoingBody } = await import(new URL('outgoing-body.js', library));

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '1' } } });
const seconds = Number(values.seconds);

const messagePack = {
  contentTypes: 'application/msgpack',
  serialize: (value) => encode(value),
  deserialize: (body) => decode(body),
};

function order(lines) {
  return {
    id: '3f6e2d7c-52a8-4a0e-9c8f-8f3b0d9a7e21',
    customer: 'anna@example.org',
    lines: Array.from({ length: lines }, (_, index) => ({
      sku: `hay-${index}`,
      quantity: index % 7,
      price: 1250 + index,
    })),
  };
}

const payloads = { 'small order': order(3), 'large order': order(300), 'huge order': order(20_000) };
const ways = {
  JSON: {},
  MessagePack: { contentType: 'application/msgpack' },
  'JSON, gzip': { compress: 'gzip' },
  'JSON, br': { compress: 'br' },
  'MessagePack, gzip': { contentType: 'application/msgpack', compress: 'gzip' },
};

const formats = new Formats([messagePack]);
const reader = new BodyReader({ formats });
const plainReader = new BodyReader();
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Microseconds that a call takes, in the quickest of twenty rounds: others use the machine, too. */
async function cost(work) {
  const rounds = [];
  for (let round = 0; round < 20; round += 1) {
    const start = performance.now();
    const end = start + (seconds * 1000) / 20;
    let count = 0;
    for (; performance.now() < end || count === 0; count += 1) {
      const result = work();
      if (result instanceof Promise) await result;
    }
    rounds.push(((performance.now() - start) * 1000) / count);
  }
  return Math.min(...rounds);
}

async function write(payload, { contentType, compress }) {
  const written = outgoingBody(payload, { contentType, compress, exchange: '', routingKey: 'order' }, formats);
  return { ...written, ...(await written.compressing) };
}

const rows = [];
for (const [name, payload] of Object.entries(payloads)) {
  for (const [way, writing] of Object.entries(ways)) {
    const { body, contentType, contentEncoding } = await write(payload, writing);
    const bytes = Buffer.from(body);
    const delivery = { body: bytes, exchange: '', routingKey: 'order', properties: { contentType, contentEncoding } };
    const writes = await cost(() => {
      const written = outgoingBody(payload, { ...writing, exchange: '', routingKey: 'order' }, formats);
      return written.compressing ?? written;
    });
    rows.push([name, way, bytes.length, writes, await cost(() => reader.read(delivery))]);
    if (way !== 'JSON') continue;
    rows.push([
      name,
      'JSON, no formats given',
      bytes.length,
      await cost(() => JSON.stringify(payload)),
      await cost(() => plainReader.read(delivery)),
    ]);
    rows.push([
      name,
      'JSON.stringify and parse alone',
      bytes.length,
      await cost(() => JSON.stringify(payload)),
      await cost(() => JSON.parse(utf8.decode(bytes))),
    ]);
  }
}

console.log('| payload | written as | bytes | writing, µs | reading, µs |');
console.log('| --- | --- | ---: | ---: | ---: |');
for (const [name, way, size, writes, reads] of rows) {
  console.log(`| ${name} | ${way} | ${size} | ${writes.toFixed(1)} | ${reads.toFixed(1)} |`);
}
