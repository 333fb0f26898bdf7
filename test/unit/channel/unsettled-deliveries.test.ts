/** Settled and unsettled tags against the simplest model there is: a set. */
import fc from 'fast-check';
import { UnsettledDeliveries } from '../../../lib/amqp/channel/unsettled-deliveries.js';
import { UnexpectedFrameError } from '../../../lib/amqp/errors.js';

type Step =
  | { kind: 'deliver'; needsSettlement: boolean; gap: number }
  | { kind: 'settle' | 'multiple' | 'restore'; pick: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('deliver' as const),
    needsSettlement: fc.boolean(),
    gap: fc.oneof({ arbitrary: fc.constant(0), weight: 9 }, { arbitrary: fc.nat(600), weight: 1 }),
  }),
  fc.record({ kind: fc.constantFrom('settle' as const, 'multiple' as const, 'restore' as const), pick: fc.nat() }),
);

describe('unsettled deliveries', () => {
  test('are what a set of tags says, over any course of deliveries and settlements', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 800 }), (steps) => {
        const unsettled = new UnsettledDeliveries();
        const model = new Set<number>();
        const settled: number[] = [];
        let last = 0;
        for (const each of steps) {
          if (each.kind === 'deliver') {
            last += 1 + each.gap;
            if (each.needsSettlement) unsettled.note(last);
            else unsettled.noteSettled(last);
            if (each.needsSettlement) model.add(last);
          } else if (each.kind === 'restore') {
            const [tag] = settled.splice(each.pick % (settled.length || 1), 1);
            if (tag === undefined) continue;
            unsettled.restore(tag);
            model.add(tag);
          } else {
            const tag = [...model][each.pick % (model.size || 1)];
            if (tag === undefined) continue;
            if (each.kind === 'settle') {
              unsettled.settle(tag);
              settled.push(tag);
              model.delete(tag);
            } else {
              unsettled.settleThrough(tag, settled);
              for (const one of [...model]) if (one <= tag) model.delete(one);
            }
          }
          expect(unsettled.size).toBe(model.size);
          expect(unsettled.last).toBe(last);
        }
        for (let tag = 0; tag <= last + 1; tag++) expect(unsettled.has(tag)).toBe(model.has(tag));
      }),
      { numRuns: 100 },
    );
  });

  test('a tag that comes again, goes back or jumps far is a broken peer’s', () => {
    const unsettled = new UnsettledDeliveries();
    unsettled.note(1);
    for (const tag of [1, 0, 2 ** 52]) {
      expect(() => {
        unsettled.note(tag);
      }).toThrow(UnexpectedFrameError);
    }
    expect(unsettled.size).toBe(1);
  });
});
