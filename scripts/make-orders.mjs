// Makes sample/quickstart/orders.jsonl, the input of `npm start`: one shop order a line, a few malformed on purpose.
//
//   node scripts/make-orders.mjs            # writes the file
//   node scripts/make-orders.mjs --check    # fails unless the committed file is what this script makes
//
// The same file comes out each time: the random numbers are seeded (mulberry32). Every order has an id of its own, and
// the malformed lines are of the kinds below, in turn, at places that the same random numbers choose.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const lineCount = 2_000;
const malformedCount = 24;
const seed = 20_261_123;
const file = fileURLToPath(new URL('../sample/quickstart/orders.jsonl', import.meta.url));

let state = seed;
/** A number from 0 up to, not including, 1. */
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}
const whole = (from, to) => from + Math.floor(random() * (to - from + 1));
const pick = (list) => list[whole(0, list.length - 1)];

const customers = ['ada', 'björn', 'chloé', 'dmitri', 'eun-ji', 'fátima', 'grace', 'hồng', 'ines', 'jürgen'];
const skus = ['carrot', 'clover', 'hay', 'lettuce', 'parsley', 'radish', 'thistle'];
const firstOrder = Date.UTC(2026, 9, 1, 8);

function makeOrder(number) {
  const items = Array.from({ length: whole(1, 4) }, () => ({
    sku: `${pick(skus)}-${String(whole(1, 99)).padStart(2, '0')}`,
    quantity: whole(1, 12),
    // Whole cents: prices are never fractions.
    unitPrice: whole(50, 9_999),
  }));
  const order = {
    id: `order-${String(number).padStart(6, '0')}`,
    customer: pick(customers),
    placedAt: new Date(firstOrder + number * 61_000 + whole(0, 59_999)).toISOString(),
    items,
  };
  return random() < 0.2
    ? { ...order, note: pick(['gift', 'leave it with the neighbour', 'no plastic, please 🐇']) }
    : order;
}

const without = (order, name) => Object.fromEntries(Object.entries(order).filter(([key]) => key !== name));
const withItem = (order, change) => ({ ...order, items: [{ ...order.items[0], ...change }, ...order.items.slice(1)] });

/** What goes wrong with orders, from bytes that are no JSON to fields that are almost right. */
const malformations = [
  (order) => JSON.stringify(order).slice(0, whole(10, 60)), // cut off: not JSON
  (order) => JSON.stringify(without(order, 'id')),
  (order) => JSON.stringify({ ...order, id: whole(1, 9_999) }), // a number for a string
  (order) => `${JSON.stringify(order)}}`, // one brace too many: not JSON
  (order) => JSON.stringify(without(order, 'items')),
  (order) => JSON.stringify({ ...order, items: [] }),
  (order) => JSON.stringify(withItem(order, { quantity: String(order.items[0].quantity) })), // a string for a number
  (order) => JSON.stringify(withItem(order, { quantity: 0 })),
  (order) => JSON.stringify(withItem(order, { unitPrice: -order.items[0].unitPrice })),
  (order) => JSON.stringify({ ...order, placedAt: 'yesterday' }),
  (order) => JSON.stringify(order.id), // JSON, and no object
  () => 'null',
];

const malformedLines = new Set();
while (malformedLines.size < malformedCount) malformedLines.add(whole(1, lineCount));
let malformed = 0;
const lines = Array.from({ length: lineCount }, (_, index) => {
  const order = makeOrder(index + 1);
  if (!malformedLines.has(index + 1)) return JSON.stringify(order);
  return malformations[malformed++ % malformations.length](order);
});
const text = `${lines.join('\n')}\n`;

if (process.argv.includes('--check')) {
  if ((await readFile(file, 'utf8')) !== text) {
    console.error('sample/quickstart/orders.jsonl is not what scripts/make-orders.mjs makes: run it');
    process.exitCode = 1;
  }
} else {
  await writeFile(file, text);
  console.log(`${file}: ${lineCount} lines, ${malformed} malformed`);
}
