/** Acknowledgements that go as one never settle more than they stand for, whatever is settled in whichever order. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CommitGate } from '../../../lib/amqp/channel/commit-gate.js';
import { Settlements, type SettledChannel } from '../../../lib/amqp/channel/settlements.js';
import type { ConnectionLife } from '../../../lib/amqp/connection/index.js';
import { ByteWriter, writeMethod, type MethodInputs, type MethodName } from '../../../lib/amqp/protocol/index.js';
import { parse } from '../protocol/recording-sink.js';

/** What the broker has not been told of, and what it was told: a tag it does not know would cost the channel (406). */
class Peer {
  readonly unacked = new Set<number>();
  readonly acked = new Set<number>();
  readonly nacked = new Set<number>();
  acks = 0;

  hear(bytes: Buffer): void {
    for (const frame of parse([bytes])) {
      if (frame.kind !== 'method') throw new Error(`a frame of kind ${frame.kind}`);
      const { deliveryTag, multiple } = frame.fields as MethodInputs['basic.ack'];
      const outcome = frame.name === 'basic.ack' ? this.acked : this.nacked;
      if (frame.name === 'basic.ack') this.acks += 1;
      const tags = multiple ? [...this.unacked].filter((tag) => tag <= deliveryTag) : [deliveryTag];
      if (tags.length === 0 || !tags.every((tag) => this.unacked.delete(tag))) {
        throw new Error(`406: unknown delivery tag ${String(deliveryTag)}`);
      }
      for (const tag of tags) outcome.add(tag);
    }
  }
}

function channelWith(joinAcks: boolean) {
  const writer = new ByteWriter();
  const peer = new Peer();
  let heldBack: (() => void)[] = [];
  const writeHeldBack = (): void => {
    for (const write of heldBack.splice(0)) write();
  };
  const connection = {
    writer,
    parameters: { joinAcks },
    holdBack: (write: () => void) => heldBack.push(write),
    scheduleFlush: () => undefined,
    send: <Name extends MethodName>(channel: number, name: Name, fields: MethodInputs[Name]) => {
      writeHeldBack();
      writeMethod(writer, channel, name, fields, 0);
    },
  };
  const settlements = new Settlements(
    {
      connection: connection as unknown as ConnectionLife,
      number: 1,
      isOpen: true,
      committing: new CommitGate(),
      identity: { connection: { name: undefined, endpoint: '' }, number: 1 },
      hasWork: false,
      onStaleSettlement: () => undefined,
    } satisfies SettledChannel,
    0,
  );
  const flush = (): void => {
    writeHeldBack();
    const bytes = Buffer.concat(writer.take());
    if (bytes.length > 0) peer.hear(bytes);
  };
  heldBack = [];
  return { settlements, peer, flush };
}

type Step =
  | { readonly do: 'deliver' | 'flush' }
  | { readonly do: 'ack' | 'nack' | 'reject'; readonly which: number; readonly isMultiple: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>({ do: 'deliver' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'flush' }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('ack' as const), which: fc.nat(), isMultiple: fc.constant(false) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('ack' as const, 'nack' as const, 'reject' as const),
      which: fc.nat(),
      isMultiple: fc.boolean(),
    }),
  },
);

describe('acknowledgements of one turn', () => {
  it.each([true, false])('settle what was settled, and nothing else (joinAcks: %s)', (joinAcks) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { settlements, peer, flush } = channelWith(joinAcks);
        const unsettled = new Set<number>();
        const acked = new Set<number>();
        let tags = 0;
        for (const one of steps) {
          if (one.do === 'deliver') {
            tags += 1;
            settlements.note(tags, true);
            peer.unacked.add(tags);
            unsettled.add(tags);
          } else if (one.do === 'flush') {
            flush();
            expect(peer.unacked).toEqual(unsettled);
          } else if ('which' in one) {
            const tag = [...unsettled][one.which % Math.max(1, unsettled.size)];
            if (tag === undefined) continue;
            const isMultiple = one.isMultiple && one.do !== 'reject';
            settlements.settle(one.do, tag, isMultiple, false);
            for (const other of isMultiple ? [...unsettled].filter((known) => known <= tag) : [tag]) {
              unsettled.delete(other);
              if (one.do === 'ack') acked.add(other);
            }
          }
        }
        flush();
        expect(peer.unacked).toEqual(unsettled);
        expect(peer.acked).toEqual(acked);
      }),
      { numRuns: 500 },
    );
  });

  it('are one where nothing before them is unsettled, in whichever order', () => {
    const { settlements, peer, flush } = channelWith(true);
    for (let tag = 1; tag <= 100; tag++) peer.unacked.add(settlements.note(tag, true));
    for (let tag = 100; tag >= 1; tag--) settlements.settle('ack', tag, false, false);
    flush();
    expect(peer.acked.size).toBe(100);
    expect(peer.acks).toBe(1);
  });

  it('are one each with joinAcks: false, and behind a delivery that is unsettled', () => {
    for (const joinAcks of [true, false]) {
      const { settlements, peer, flush } = channelWith(joinAcks);
      for (let tag = 1; tag <= 100; tag++) peer.unacked.add(settlements.note(tag, true));
      for (let tag = 2; tag <= 100; tag++) settlements.settle('ack', tag, false, false);
      flush();
      expect([...peer.unacked]).toEqual([1]);
      expect(peer.acks).toBe(99);
    }
  });
});
