/** orders.jsonl: its lines as they stand there, and a plain reading of them that knows no Nest, broker or validator. */
import { readFile } from 'node:fs/promises';

export interface Line {
  /** Names the line in every message made of it, and so makes repeats known. */
  readonly messageId: string;
  readonly text: string;
}

/** What the file says, against which the run is held. */
export interface PlainReading {
  readonly lines: number;
  readonly orders: number;
  readonly malformed: number;
  /** Sum of all orders, in cents. */
  readonly revenue: number;
}

export async function readLines(file: URL): Promise<Line[]> {
  const lines = (await readFile(file, 'utf8')).split('\n');
  // The file ends in a newline; nothing follows it.
  if (lines.at(-1) === '') lines.pop();
  return lines.map((text, index) => ({ messageId: `line-${String(index + 1)}`, text }));
}

export function readPlainly(lines: readonly Line[]): PlainReading {
  const amounts = lines.map(({ text }) => amountOf(text));
  const orders = amounts.filter((amount) => amount !== undefined);
  return {
    lines: lines.length,
    orders: orders.length,
    malformed: lines.length - orders.length,
    revenue: orders.reduce((sum, amount) => sum + amount, 0),
  };
}

/** What an order comes to; undefined: it is malformed. */
function amountOf(text: string): number | undefined {
  let order: unknown;
  try {
    order = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(order)) return undefined;
  const { id, customer, placedAt, items, note } = order;
  const isWhole =
    typeof id === 'string' &&
    /^order-\d{6}$/.test(id) &&
    typeof customer === 'string' &&
    typeof placedAt === 'string' &&
    !Number.isNaN(Date.parse(placedAt)) &&
    (note === undefined || typeof note === 'string') &&
    Array.isArray(items) &&
    items.length > 0;
  if (!isWhole) return undefined;
  let amount = 0;
  for (const item of items as unknown[]) {
    if (!isRecord(item) || typeof item['sku'] !== 'string') return undefined;
    const { quantity, unitPrice } = item;
    if (!isPositive(quantity) || !isPositive(unitPrice)) return undefined;
    amount += quantity * unitPrice;
  }
  return amount;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isPositive = (value: unknown): value is number => Number.isInteger(value) && (value as number) > 0;
