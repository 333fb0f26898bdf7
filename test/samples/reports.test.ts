/** What the samples say of a run in which the books do not balance: every problem makes its exit status 1. */
import { reportOn as reportOnHybrid, type Run as HybridRun } from '../../sample/hybrid/report.js';
import { reportOn as reportOnMigration, type Run as MigrationRun } from '../../sample/migration/report.js';
import { compare, type Books } from '../../sample/shop/runner/books.js';
import { reportOn as reportOnShop } from '../../sample/shop/runner/report.js';

describe('the report of the hybrid sample', () => {
  const good: HybridRun = {
    orders: 200,
    stockAnswers: 200,
    confirmed: 200,
    mailed: 200,
    lost: 0,
    repeats: 3,
    refusals: new Map([['503 UnknownOutcomeError', 2]]),
    wrongRefusals: [],
    hasRecovered: true,
  };

  test('a run in which all is well has no problems', () => {
    expect(reportOnHybrid(good)).toEqual({
      problems: [],
      costs: 'answered: 2 times 503 UnknownOutcomeError; orders delivered again: 3',
      summary: 'hybrid: 200 orders over HTTP, 200 confirmed, 200 mailed, 0 lost',
    });
  });

  test.each<[string, Partial<HybridRun>, string]>([
    ['a lost order', { lost: 1, mailed: 199 }, 'orders lost: 1, and must be 0'],
    ['an order that was never confirmed', { confirmed: 199 }, 'orders confirmed: 199, and must be 200'],
    ['a mail that nobody asked for', { mailed: 201 }, 'orders mailed: 201, and must be 200'],
    ['a question without an answer', { stockAnswers: 199 }, 'questions about the stock answered: 199'],
    ['a wrong refusal', { wrongRefusals: ['a cancellation was answered 200'] }, 'a cancellation was answered 200'],
    ['a cut that did not happen', { hasRecovered: false }, 'not every connection was cut and came back'],
  ])('%s is a problem', (_what, change, problem) => {
    expect(reportOnHybrid({ ...good, ...change }).problems.join('\n')).toContain(problem);
  });
});

describe('the report of the migration sample', () => {
  const good: MigrationRun = {
    servicesMoved: 3,
    requests: 450,
    answered: 450,
    events: 900,
    handled: 900,
    lost: 0,
    parkingQueues: [],
    repeatedOrders: 1,
    repeatedEvents: 2,
    failures: new Map([['TimeoutError: Timeout has occurred', 1]]),
  };

  test('a run in which all is well has no problems', () => {
    expect(reportOnMigration(good)).toEqual({
      problems: [],
      costs: 'orders placed again 1, events delivered again 2, 1 times TimeoutError: Timeout has occurred',
      summary: 'migration: 3 services moved, 450 requests, 450 answered, 900 events, 900 handled, 0 lost',
    });
  });

  test.each<[string, Partial<MigrationRun>, string]>([
    ['a lost event', { lost: 1, handled: 899 }, 'events lost: 1, and must be 0'],
    ['an event that nobody sent', { handled: 901 }, 'events handled: 901, and must be 900'],
    ['a request without an answer', { answered: 449 }, 'requests answered: 449, and must be 450'],
    ['a service that did not move', { servicesMoved: 2 }, 'services moved: 2, and must be 3'],
    ['an event that was parked', { parkingQueues: ['mail.parked'] }, 'parking queues: 1, and must be 0'],
  ])('%s is a problem', (_what, change, problem) => {
    expect(reportOnMigration({ ...good, ...change }).problems.join('\n')).toContain(problem);
  });
});

describe('the report of the shop sample', () => {
  const all = ['a', 'b', 'c'];
  const good: Books = { made: new Set(all), accepted: new Set(all), written: all, mailed: all, sent: all };
  const report = (books: Books, { parked = ['c'], left = new Map<string, number>(), troubles = [] as string[] } = {}) =>
    reportOnShop({ books, differences: compare(books), parked: new Set(parked), left }, new Set(['c']), troubles);

  test('books that balance have no problems', () => {
    expect(report(good)).toEqual({
      problems: [],
      summary: 'shop: 3 orders, 3 accepted, 3 mailed once, 1 parked and replayed, 0 lost, 0 mailed twice',
    });
  });

  test.each<[string, Partial<Books>, string]>([
    ['an order that nobody accepted', { accepted: new Set(['a', 'c']) }, '1 orders made, and never accepted: b'],
    ['an order that is not written down', { written: ['a', 'c'] }, 'accepted, and not in the table of orders: b'],
    ['an order without its mail', { mailed: ['a', 'c'] }, 'accepted, and not in the table of mails: b'],
    ['a mail that was noted and never sent', { sent: ['a', 'c'] }, 'accepted, and no mail was sent: b'],
    ['an order that is written twice', { written: [...all, 'b'] }, 'in the table of orders more than once: b'],
    ['an order that is mailed three times', { mailed: [...all, 'b', 'b'] }, 'in the table of mails more than once: b'],
    ['a mail that is sent twice', { sent: [...all, 'b'] }, 'sent by the provider more than once: b'],
    ['a mail that nobody ordered', { mailed: [...all, 'd'] }, 'written, mailed or sent, and made by nobody: d'],
  ])('%s is a problem, with its id', (_what, change, problem) => {
    expect(report({ ...good, ...change }).problems).toEqual([expect.stringContaining(problem)]);
  });

  test('what is lost, and what is mailed twice, is counted', () => {
    const { summary } = report({ ...good, mailed: ['a', 'a'], sent: ['a'] });
    expect(summary).toBe('shop: 3 orders, 3 accepted, 0 mailed once, 1 parked and replayed, 2 lost, 1 mailed twice');
  });

  test('so are messages that were left, what was not parked, and what befell the services', () => {
    const others = { parked: [], left: new Map([['orders', 2]]), troubles: ['mail ended by itself: 1'] };
    expect(report(good, others).problems).toEqual([
      '1 orders for an unknown article, and not parked: c',
      '2 messages are left in orders',
      'mail ended by itself: 1',
    ]);
  });
});
