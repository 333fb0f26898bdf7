/** Confirms out of order, with `multiple`, twice, unknown; returns; the end of the channel. */
import { ConfirmWindow } from '../../../lib/amqp/channel/confirm-window.js';
import { NackError, UnknownOutcomeError, UnroutableError } from '../../../lib/amqp/errors.js';

function filled(count: number): { window: ConfirmWindow; outcomes: (string | undefined)[] } {
  const window = new ConfirmWindow();
  const outcomes: (string | undefined)[] = [];
  for (let index = 0; index < count; index++) {
    window.add({
      exchange: 'e',
      routingKey: String(index + 1),
      isConfirmed: true,
      settle: (error) => {
        if (outcomes[index] !== undefined) throw new Error(`publish ${String(index + 1)} was settled twice`);
        outcomes[index] = error === undefined ? 'confirmed' : error.name;
      },
    });
  }
  return { window, outcomes };
}

describe('the confirm window', () => {
  test('settles out of order and with multiple', () => {
    const { window, outcomes } = filled(6);
    window.settle(3, false, true);
    window.settle(2, true, true);
    window.settle(5, false, false);
    expect(outcomes).toEqual(['confirmed', 'confirmed', 'confirmed', undefined, 'NackError', undefined]);
    expect(window.size).toBe(2);
    window.settle(0, true, true);
    expect(window.size).toBe(0);
    expect(outcomes[3]).toBe('confirmed');
    expect(outcomes[5]).toBe('confirmed');
  });

  test('leaves alone what is unknown or settled already', () => {
    const { window, outcomes } = filled(2);
    window.settle(1, false, true);
    window.settle(1, false, false);
    window.settle(1, true, false);
    window.settle(99, false, true);
    expect(outcomes).toEqual(['confirmed', undefined]);
    window.settle(99, true, true);
    expect(outcomes).toEqual(['confirmed', 'confirmed']);
  });

  test('a return waits for the ack of its message', () => {
    const { window, outcomes } = filled(3);
    const returned = new UnroutableError({ replyCode: 312, replyText: 'NO_ROUTE' }, 'e', '2');
    expect(window.noteReturn(2, returned)).toBe(true);
    expect(window.noteReturn(9, returned)).toBe(false);
    expect(outcomes[1]).toBeUndefined();
    window.settle(3, true, true);
    expect(outcomes).toEqual(['confirmed', UnroutableError.name, 'confirmed']);
  });

  test('the end of the channel leaves nothing undecided', () => {
    const { window, outcomes } = filled(4);
    window.settle(2, false, false);
    window.noteReturn(3, new UnroutableError({ replyCode: 312, replyText: 'NO_ROUTE' }, 'e', '3'));
    window.abandon(new Error('gone'));
    expect(outcomes).toEqual([
      UnknownOutcomeError.name,
      NackError.name,
      UnroutableError.name,
      UnknownOutcomeError.name,
    ]);
    expect(window.size).toBe(0);
  });

  test('holds more than its first size, also when the oldest stays open', () => {
    const { window, outcomes } = filled(5_000);
    for (let tag = 5_000; tag > 1; tag--) window.settle(tag, false, true);
    expect(window.size).toBe(1);
    expect(outcomes[0]).toBeUndefined();
    window.settle(1, false, true);
    expect(outcomes.every((outcome) => outcome === 'confirmed')).toBe(true);
    expect(window.nextSequenceNumber).toBe(5_001);
  });

  test('the return of a publish without a promise is told to be nobody’s, and its outcome all the same', () => {
    const window = new ConfirmWindow();
    const outcomes: string[] = [];
    window.add({
      exchange: '',
      routingKey: '',
      isConfirmed: false,
      settle: (error) => outcomes.push(error?.name ?? 'confirmed'),
    });
    expect(window.noteReturn(1, new UnroutableError({ replyCode: 312, replyText: 'NO_ROUTE' }, '', ''))).toBe(false);
    window.settle(1, false, true);
    expect(outcomes).toEqual([UnroutableError.name]);
  });

  test('tells once when there is room, and when everything up to now has its outcome', () => {
    const { window } = filled(2);
    const heard: string[] = [];
    window.onRoom(() => heard.push('room'));
    window.onSettled(() => heard.push('settled'));
    window.add({ exchange: '', routingKey: '', isConfirmed: true, settle: () => undefined });
    window.settle(2, false, true);
    expect(heard).toEqual(['room']);
    window.settle(1, false, true);
    expect(heard).toEqual(['room', 'settled']);
    expect(window.size).toBe(1);
    window.onSettled(() => heard.push('gone'));
    window.abandon(new Error('gone'));
    window.onSettled(() => heard.push('nothing waits'));
    expect(heard).toEqual(['room', 'settled', 'gone', 'nothing waits']);
  });
});
