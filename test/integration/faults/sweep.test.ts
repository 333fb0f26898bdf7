/** One fault at every position of a handshake or a recovery: at every 16th byte, or with LEVERET_CHAOS at every one. */
import { describeOnBroker } from '../../support/brokers.js';
import { Standards } from './support.js';
import { sweepClose, sweepHandshake, sweepRecovery, sweepSecondCut } from './sweep.js';

const isLong = process.env['LEVERET_CHAOS'] !== undefined;
const step = isLong ? 1 : 16;
const limit = isLong ? 600_000 : 30_000;

describeOnBroker('every position of a handshake or a recovery', (broker) => {
  new Standards();

  test(
    'scenario 8: the handshake cut after N bytes hangs nowhere, and the second attempt is the only connection',
    async () => {
      const { positions } = await sweepHandshake(broker, step);
      expect(positions).toBeGreaterThan(40);
    },
    limit,
  );

  test(
    'scenario 8: the recovery cut after N bytes ends in one whole recovery, over one connection',
    async () => {
      const { positions } = await sweepRecovery(broker, step);
      expect(positions).toBeGreaterThan(100);
    },
    limit,
  );

  test(
    'scenario 9: a second cut at each recovery step: no false `recovered`, and one whole recovery in the end',
    async () => {
      const { positions } = await sweepSecondCut(broker, isLong ? ['before', 'after'] : ['before']);
      expect(positions).toBeGreaterThan(30);
    },
    limit,
  );

  test(
    'scenario 11: close() at each step resolves in time, twice, and no connection is made later',
    async () => {
      const { positions } = await sweepClose(broker, false);
      expect(positions).toBeGreaterThan(30);
    },
    limit,
  );

  test(
    'scenario 11: the same, where the peer falls silent at that step',
    async () => {
      const { positions } = await sweepClose(broker, true);
      expect(positions).toBeGreaterThan(30);
    },
    limit,
  );
});
