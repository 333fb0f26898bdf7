/** x-death: counting, order, cycles. */
import { behaviourOf } from '../../../lib/broker/store/behaviour.js';
import { deadLetter, isDeadLetterCycle } from '../../../lib/broker/store/dead-letter.js';
import {
  encodeProperties,
  receivedMessage,
  type DeathReason,
  type Message,
} from '../../../lib/broker/store/message.js';

const behaviour = behaviourOf('4.3');

function message(properties = {}): Message {
  return receivedMessage('shop', 'order', encodeProperties(properties), properties, Buffer.from('x'));
}

function die(from: Message, queue: string, reason: DeathReason): Message {
  const fields = { time: 1_000_000, deadLetterExchange: 'dlx', deadLetterRoutingKey: undefined };
  return deadLetter(from, { queue, reason, ...fields }, behaviour);
}

describe('a dead letter', () => {
  it('tells where, why and how often it died, the last death first', () => {
    const twice = die(die(die(message(), 'a', 'rejected'), 'b', 'expired'), 'a', 'rejected');
    const deaths = twice.properties.headers?.['x-death'] as { queue: string; count: number }[];
    expect(deaths.map(({ queue, count }) => [queue, count])).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
    expect(twice.properties.headers).toMatchObject({
      'x-first-death-queue': 'a',
      'x-first-death-reason': 'rejected',
      'x-first-death-exchange': 'shop',
    });
  });

  it('loses its expiration, and says what it was', () => {
    const dead = die(message({ expiration: '50' }), 'a', 'expired');
    expect(dead.properties.expiration).toBeUndefined();
    expect(dead.properties.headers?.['x-death']).toMatchObject([{ 'original-expiration': '50' }]);
  });

  it('goes round only while somebody rejects it', () => {
    expect(isDeadLetterCycle(die(message(), 'a', 'expired'), 'a')).toBe(true);
    expect(isDeadLetterCycle(die(message(), 'a', 'rejected'), 'a')).toBe(false);
    expect(isDeadLetterCycle(die(die(message(), 'a', 'rejected'), 'delay', 'expired'), 'a')).toBe(false);
    expect(isDeadLetterCycle(die(die(message(), 'a', 'expired'), 'b', 'maxlen'), 'a')).toBe(true);
    expect(isDeadLetterCycle(die(message(), 'a', 'expired'), 'b')).toBe(false);
  });
});
