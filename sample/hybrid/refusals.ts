/** What customers are told where something cannot be done. */
import { randomUUID } from 'node:crypto';
import type { Customers } from './customers.js';

interface Refusal {
  readonly what: string;
  readonly request: readonly [method: string, path: string, body?: object];
  readonly status: number;
  readonly reason?: string;
}

const refusals: readonly Refusal[] = [
  {
    what: 'an order of nothing',
    request: ['POST', '/orders', { id: randomUUID(), customer: 'ada@example.org', sku: 'hay-17', quantity: 0 }],
    status: 400,
  },
  {
    what: 'a cancellation, which no queue takes',
    request: ['DELETE', `/orders/${randomUUID()}`],
    status: 503,
    reason: 'UnroutableError',
  },
  {
    what: 'a question to a slow warehouse',
    request: ['GET', '/stock/pallet-01'],
    status: 504,
    reason: 'RequestTimeoutError',
  },
  {
    what: 'a question to a supplier who is not there',
    request: ['GET', '/stock/hay-17/supplier'],
    status: 503,
    reason: 'NoReceiverError',
  },
];

/** Asks for each of them; what was answered otherwise than it must be. */
export async function findWrongRefusals(customers: Customers): Promise<string[]> {
  const problems = await Promise.all(
    refusals.map(async ({ what, request, status, reason }) => {
      const answer = await customers.ask(...request);
      if (answer.status === status && answer.reason === reason) return [];
      const [is, mustBe] = [answer, { status, reason }].map((one) =>
        `${String(one.status)} ${one.reason ?? ''}`.trim(),
      );
      return [`${what} was answered ${String(is)}, and must be ${String(mustBe)}`];
    }),
  );
  return problems.flat();
}
