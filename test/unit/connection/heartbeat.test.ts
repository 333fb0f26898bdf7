/** When heartbeats go out, and when silence is death. Time is handed in. */
import { jest } from '@jest/globals';
import { Heartbeat } from '../../../lib/amqp/connection/heartbeat.js';

describe('heartbeats', () => {
  let sent = 0;
  let failed = 0;
  let heartbeat: Heartbeat;

  beforeEach(() => {
    jest.useFakeTimers();
    sent = 0;
    failed = 0;
    heartbeat = new Heartbeat(10, { send: () => (sent += 1), fail: () => (failed += 1) });
  });

  afterEach(() => {
    heartbeat.stop();
    jest.useRealTimers();
  });

  test('one goes out each half time-out in which nothing else did', () => {
    jest.advanceTimersByTime(5_000);
    expect(sent).toBe(1);
    heartbeat.noteSent();
    heartbeat.noteReceived();
    jest.advanceTimersByTime(5_000);
    expect(sent).toBe(1);
    jest.advanceTimersByTime(5_000);
    expect(sent).toBe(2);
  });

  test('a heartbeat that went out does not keep the next one back', () => {
    const peer = new Heartbeat(10, {
      send: () => {
        sent += 1;
        peer.noteSent();
      },
      fail: () => undefined,
    });
    heartbeat.stop();
    jest.advanceTimersByTime(20_000);
    expect(sent).toBe(4);
    peer.stop();
  });

  test('silence is death after more than one and less than two and a half time-outs', () => {
    jest.advanceTimersByTime(10_000);
    expect(failed).toBe(0);
    jest.advanceTimersByTime(15_000);
    expect(failed).toBeGreaterThan(0);
  });

  test('any byte counts, also one that was waiting while the event loop was blocked', () => {
    for (let round = 0; round < 10; round++) {
      jest.advanceTimersByTime(14_999);
      heartbeat.noteReceived();
    }
    expect(failed).toBe(0);
    // The timer is late; the bytes are read in the same turn, before the judgement.
    for (let tick = 0; tick < 4; tick++) jest.advanceTimersToNextTimer();
    heartbeat.noteReceived();
    jest.advanceTimersByTime(0);
    expect(failed).toBe(0);
  });

  test('zero is off', () => {
    const off = new Heartbeat(0, { send: () => (sent += 100), fail: () => (failed += 100) });
    jest.advanceTimersByTime(1_000_000);
    off.stop();
    expect(sent).toBeLessThan(1_000);
    heartbeat.stop();
  });
});
