/** Settled and unsettled tags against the simplest model there is: a set. */
import fc from 'fast-check';
import { UnsettledDeliveries } from '../../../lib/amqp/channel/unsettled-deliveries.js';
import { UnexpectedFrameError } from '../../../lib/amqp/errors.js';

type Step = { kind: 'deliver'; needsSettlement: boolean; gap: number } | { kind: 'settle' | 'multiple'; pick: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('deliver' as const),
    needsSettlement: fc.boolean(),
    gap: fc.oneof({ arbitrary: fc.constant(0), weight: 9 }, { arbitrary: fc.nat(600), weight: 1 }),
  }),
  fc.record({ kind: fc.constantFrom('settle' as const, 'multiple' as const), pick: fc.nat() }),
);

describe('unsettled deliveries', () => {
  test('are what a set of tags says, over any course of deliveries and settlements', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 800 }), (steps) => {
        const unsettled = new UnsettledDeliveries();
        const model = new Set<number>();
        let last = 0;
        for (const each of steps) {
          if (each.kind === 'deliver') {
            last += 1 + each.gap;
            unsettled.note(last, each.needsSettlement);
            if (each.needsSettlement) model.add(last);
          } else {
            const tag = [...model][each.pick % (model.size || 1)];
            if (tag === undefined) continue;
            if (each.kind === 'settle') {
              unsettled.settle(tag);
              model.delete(tag);
            } else {
              unsettled.settleThrough(tag);
              for (const one of [...model]) if (one <= tag) model.delete(one);
            }
          }
          expect(unsettled.size).toBe(model.size);
          expect(unsettled.last).toBe(last);
        }
        for (let tag = 0; tag <= last + 1; tag++) expect(unsettled.has(tag)).toBe(model.has(tag));
      }),
      { numRuns: 60 },
    );
  });

  test('a tag that comes again, goes back or jumps far is a broken peer’s', () => {
    const unsettled = new UnsettledDeliveries();
    unsettled.note(1, true);
    for (const tag of [1, 0, 2 ** 52]) {
      expect(() => {
        unsettled.note(tag, true);
      }).toThrow(UnexpectedFrameError);
    }
    expect(unsettled.size).toBe(1);
  });
});
