/** The order of waiting messages, held against a sorted array. */
import fc from 'fast-check';
import { receivedMessage, type QueuedMessage } from '../../../lib/broker/store/message.js';
import { ReadyList } from '../../../lib/broker/store/ready-list.js';

function queued(sequence: number, priority: number): QueuedMessage {
  return {
    message: receivedMessage('', '', Buffer.alloc(2), {}, Buffer.alloc(sequence % 5)),
    sequence,
    priority,
    expiresAt: undefined,
    isRedelivered: false,
    deliveryCount: 0,
    requeueCount: 0,
    isHeldByGet: false,
    attempts: 0,
  };
}

describe('the ready list', () => {
  it('keeps priority, then arrival, whatever is taken and put back', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('push' as const), priority: fc.nat(4) }),
      fc.record({ kind: fc.constant('take' as const), priority: fc.constant(0) }),
      fc.record({ kind: fc.constant('putBack' as const), priority: fc.nat() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.constantFrom(0, 3), (steps, maximum) => {
        const list = new ReadyList(maximum);
        const taken: QueuedMessage[] = [];
        let model: QueuedMessage[] = [];
        let sequence = 0;
        const level = (item: QueuedMessage): number => Math.min(item.priority, maximum);
        for (const { kind, priority } of steps) {
          if (kind === 'push') {
            const item = queued(sequence++, priority);
            list.push(item);
            model.push(item);
          } else if (kind === 'take') {
            const item = list.shift();
            expect(item).toBe(model[0]);
            if (item) taken.push(item);
            model = model.slice(1);
          } else {
            const [item] = taken.splice(priority % Math.max(1, taken.length), 1);
            if (!item) continue;
            list.putBack(item);
            model.push(item);
          }
          model.sort((left, right) => level(right) - level(left) || left.sequence - right.sequence);
          expect([...list]).toEqual(model);
          expect(list.length).toBe(model.length);
          expect(list.byteLength).toBe(model.reduce((sum, item) => sum + item.message.body.length, 0));
        }
      }),
    );
  });
});
