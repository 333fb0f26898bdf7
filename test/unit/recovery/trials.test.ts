/** Which of many pipelined calls made the broker close the connection. */
import { ConnectionClosedByBrokerError, ConnectionLostError } from '../../../lib/amqp/errors.js';
import { Trials } from '../../../lib/amqp/recovery/index.js';

const consumeIds = { classId: 60, methodId: 20 };
const refused = () =>
  new ConnectionClosedByBrokerError({ replyCode: 540, replyText: 'NOT_IMPLEMENTED', ...consumeIds });
const internal = new ConnectionClosedByBrokerError({ replyCode: 541, replyText: 'INTERNAL', classId: 0, methodId: 0 });
const shutdown = new ConnectionClosedByBrokerError({ replyCode: 320, replyText: 'FORCED', classId: 0, methodId: 0 });

describe('trials', () => {
  let now = 0;
  let trials: Trials;
  let refusal: ConnectionClosedByBrokerError;
  const [good, bad] = [{ name: 'good' }, { name: 'bad' }];
  beforeEach(() => {
    now = 0;
    refusal = refused();
    trials = new Trials(1_000, () => now);
  });

  const fail = (error: Error) => () => Promise.reject(error);

  test('without a suspicion calls are made at once, and nobody is blamed for what ends the connection', async () => {
    let isCalled = false;
    void trials.run('basic.consume', good, () => {
      isCalled = true;
      return new Promise(() => undefined);
    });
    expect(isCalled).toBe(true);
    await expect(trials.run('basic.consume', bad, fail(refusal))).rejects.toBe(refusal);
    expect(trials.sentenceOn(bad)).toBeUndefined();
  });

  test('calls of the method that the broker named are made one at a time, others are not held up', async () => {
    trials.noteFailure(refusal);
    const order: string[] = [];
    let finish: () => void = () => undefined;
    const first = trials.run('basic.consume', good, () => {
      order.push('first');
      return new Promise<void>((resolve) => (finish = resolve));
    });
    const second = trials.run('basic.consume', bad, () => {
      order.push('second');
      return Promise.reject(refusal);
    });
    await trials.run('queue.declare', {}, () => Promise.resolve(order.push('declare')));
    await Promise.resolve();
    expect(order).toEqual(['declare', 'first']);
    finish();
    await first;
    await expect(second).rejects.toBe(refusal);
    expect(trials.sentenceOn(good)).toBeUndefined();
    expect(trials.sentenceOn(bad)).toBe(refusal);
  });

  test('who comes after the culprit, on a connection that is closed, is not blamed for it', async () => {
    trials.noteFailure(refusal);
    const both = [bad, good].map((subject) => trials.run('basic.consume', subject, fail(refusal)));
    for (const call of both) await expect(call).rejects.toBe(refusal);
    expect(trials.sentenceOn(bad)).toBe(refusal);
    expect(trials.sentenceOn(good)).toBeUndefined();
  });

  test('an internal error names nobody: every method is suspect', async () => {
    trials.noteFailure(internal);
    expect(trials.isSuspect('queue.declare', good)).toBe(true);
    await expect(trials.run('queue.declare', bad, fail(internal))).rejects.toBe(internal);
    expect(trials.sentenceOn(bad)).toBe(internal);
  });

  test.each([
    ['a broker that shuts down', shutdown],
    ['a network that fails', new ConnectionLostError('lost')],
  ])('%s makes nobody suspect, and a trial that it ends has no verdict', async (_what, error) => {
    trials.noteFailure(error);
    expect(trials.isSuspect('basic.consume', bad)).toBe(false);
    trials.noteFailure(refusal);
    await expect(trials.run('basic.consume', bad, fail(error))).rejects.toBe(error);
    expect(trials.sentenceOn(bad)).toBeUndefined();
  });

  test('a culprit is left out for a while, for ever longer, and stands trial alone when it is tried again', async () => {
    trials.noteFailure(refusal);
    await expect(trials.run('basic.consume', bad, fail(refusal))).rejects.toBe(refusal);
    trials.noteSuccess();
    now = 999;
    expect(trials.sentenceOn(bad)).toBe(refusal);
    now = 1_000;
    expect(trials.sentenceOn(bad)).toBeUndefined();
    expect(trials.isSuspect('basic.consume', bad)).toBe(true);
    expect(trials.isSuspect('basic.consume', good)).toBe(false);
    const again = refused();
    await expect(trials.run('basic.consume', bad, fail(again))).rejects.toBe(again);
    now = 2_999;
    expect(trials.sentenceOn(bad)).toBe(again);
    now = 3_000;
    await trials.run('basic.consume', bad, () => Promise.resolve());
    expect(trials.isSuspect('basic.consume', bad)).toBe(false);
  });

  test('a pardon lets everything be tried again', async () => {
    trials.noteFailure(refusal);
    await expect(trials.run('basic.consume', bad, fail(refusal))).rejects.toBe(refusal);
    trials.pardon();
    expect(trials.sentenceOn(bad)).toBeUndefined();
  });
});
