/** Hours that pass in a test at once: retries, delays, times to live. */
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { ArgumentError, TimeoutError } from 'leveret/amqp';
import { rejection } from '../../support/waiting.js';
import { Patient, PatientModule } from './patient.module.js';
import { Orders, Unpayable } from './shop.module.js';
import { startedApplications } from './support.js';

const hour = 3_600_000;

describe('time travel', () => {
  const start = startedApplications();

  afterEach(() => {
    jest.useRealTimers();
  });

  test('a message that fails six times over 31 seconds is parked at once, each try at its own time', async () => {
    const app = await start({}, PatientModule);
    const patient = app.get(Patient);
    patient.work = () => Promise.reject(new Error('not today'));
    await app.publish('', 'patient', { id: 1 });
    // Real time passes beside it: not to the very end.
    await app.advance(20_000);
    expect(patient.runs).toHaveLength(5);
    await app.advance(11_000);
    expect(patient.runs).toHaveLength(6);
    expect(await app.settled('patient')).toEqual([{ outcome: 'park', attempts: 6 }]);
  });

  test('settled with skipDelays does not wait for retries either', async () => {
    const app = await start({}, PatientModule);
    const patient = app.get(Patient);
    let failures = 5;
    patient.work = () => (failures-- > 0 ? Promise.reject(new Error('not today')) : undefined);
    await app.publish('', 'patient', { id: 1 });
    await app.idle();
    expect((await rejection(app.settled('patient', { timeout: 50 }))).message).toContain('1 to be tried again');
    expect(await app.settled('patient', { skipDelays: true })).toEqual([{ outcome: 'ack', attempts: 6 }]);
  });

  test('a publisher’s delay of an hour is over when an hour has passed', async () => {
    const app = await start({}, PatientModule);
    const patient = app.get(Patient);
    await patient.shop.publish('invoice.created', { order: 'a' }, { delay: hour });
    const invoices = (): number | undefined => app.broker.inspect.queue('invoices', 'shop')?.messageCount;
    await app.advance(hour - 1_000);
    expect(invoices()).toBe(0);
    // A publisher's delay is rounded up to a power of two.
    await app.advance(2 ** 22 - hour + 1_000);
    expect(invoices()).toBe(1);
  });

  test('handlers that never end do not hold it up for longer than patience, and that once', async () => {
    const app = await start({}, PatientModule);
    const patient = app.get(Patient);
    let finish = (): void => undefined;
    patient.work = (message) =>
      message === 'hangs' ? new Promise<void>((resolve) => (finish = resolve)) : Promise.reject(new Error('not today'));
    await app.publish('', 'patient', '"hangs"');
    await app.publish('', 'patient', '"fails"');
    const began = performance.now();
    await app.advance(31_000, { patience: 1_000 });
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(patient.runs.filter((message) => message === 'fails')).toHaveLength(6);
    finish();
    expect(await app.settled('patient')).toHaveLength(2);
  });

  test('a message that is requeued for ever does not hold it up for ever', async () => {
    const app = await start();
    const orders = app.get(Orders);
    orders.work = () => Promise.reject(new Unpayable());
    await app.publish('shop', 'order.created', { id: 'a', amount: 1 });
    const began = performance.now();
    await app.advance(60_000, { patience: 400 });
    // Once for the message: twice five times patience, where everything that happens is waited for, is 4 seconds.
    expect(performance.now() - began).toBeLessThan(1_500);
    expect(app.broker.inspect.queue('orders', 'shop')).toMatchObject({ consumerCount: 1 });
    orders.work = () => undefined;
    expect(await app.settled('orders')).toMatchObject([{ outcome: 'ack' }]);
  });

  test('with the fake timers of Jest: they move what waits in the broker as well, and advance does beside them', async () => {
    const app = await start({}, PatientModule);
    const patient = app.get(Patient);
    patient.work = () => Promise.reject(new Error('not today'));
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    await app.publish('', 'patient', { id: 1 });
    await app.idle();
    expect(patient.runs).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1_000);
    await app.idle();
    expect(patient.runs).toHaveLength(2);
    await app.advance(2_000 + 4_000 + 8_000);
    expect(patient.runs).toHaveLength(5);
    const error = await rejection(app.settled('patient', { timeout: 20 }));
    expect(error).toBeInstanceOf(TimeoutError);
    await jest.advanceTimersByTimeAsync(16_000);
    expect(await app.settled('patient')).toEqual([{ outcome: 'park', attempts: 6 }]);
  });

  test('fake timers that begin in another year, after a message failed, do not keep it from its retries', async () => {
    const app = await start({}, PatientModule);
    const patient = app.get(Patient);
    patient.work = () => Promise.reject(new Error('not today'));
    await app.publish('', 'patient', { id: 1 });
    await app.idle();
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'], now: new Date('2020-01-01') });
    await app.advance(1_000);
    expect(patient.runs).toHaveLength(2);
    jest.setSystemTime(0);
    await app.advance(2_000 + 4_000);
    expect(patient.runs).toHaveLength(4);
  });

  test.each([-1, NaN, '5' as unknown as number])('does not move by %p', async (milliseconds) => {
    const app = await start();
    expect(await rejection(app.advance(milliseconds))).toBeInstanceOf(ArgumentError);
  });
});
