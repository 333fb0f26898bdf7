/** What `ordered`, `batch` and `autoPause` refuse, and by what name. */
import { Injectable } from '@nestjs/common';
import { AmqpServer, ConfigurationError, Consume } from 'leveret';

function faultOf(options: object): string {
  try {
    @Injectable()
    class Orders {
      @Consume({ queue: 'orders', ...options })
      onOrder(): void {}
    }
    return `accepted by ${Orders.name}`;
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.message;
  }
}

function serverFaultOf(options: object): string {
  try {
    return `accepted by ${typeof new AmqpServer({ queue: 'orders', ...options })}`;
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.message;
  }
}

const wrongOrders: [object | string | number, string][] = [
  [{}, '"ordered" needs "by"'],
  ['routingKey', '"ordered" must be { by, retries? }'],
  [{ by: 'messageId' }, `must be 'routingKey', 'correlationId', { header } or a function`],
  [{ by: {} }, 'needs "header"'],
  [{ by: { header: '' } }, 'must not be empty'],
  [{ by: { header: 7 } }, 'must be a string'],
  [{ by: { header: 'a', other: 1 } }, 'unknown option "other"'],
  [{ by: 'routingKey', retries: 'skip' }, `"retries" must be one of 'overtake', 'wait'`],
  [{ by: 'routingKey', size: 1 }, 'unknown option "size"'],
];

const wrongPauses: [unknown, string][] = [
  [true, '"autoPause" must be { failures?, probe?, interval? }'],
  [{}, 'give failures, a probe, or both'],
  [{ interval: 5 }, 'give failures, a probe, or both'],
  [{ failures: 0 }, '"failures" must be a whole number from 1'],
  [{ failures: 1.5 }, '"failures" must be a whole number from 1'],
  [{ failures: 1, interval: 0 }, '"interval" must be a whole number from 1'],
  [{ failures: 1, interval: '5s' }, '"interval" must be a whole number from 1'],
  [{ probe: 'ping' }, '"probe" must be a function'],
  [{ failures: 1, watch: true }, 'without a probe watch has no effect'],
  [{ failures: 1, probeTimeout: 10 }, 'without a probe probeTimeout has no effect'],
  [{ probe: () => true, watch: false }, 'would never pause'],
  [{ failures: 1, after: 2 }, 'unknown option "after"'],
];

describe('options', () => {
  test.each(wrongOrders)('ordered: %j', (ordered, problem) => {
    expect(faultOf({ ordered })).toContain(problem);
    expect(faultOf({ ordered })).toContain('Orders.onOrder: @Consume: ');
    expect(serverFaultOf({ ordered })).toContain(problem);
  });

  test.each(wrongPauses)('autoPause: %j', (autoPause, problem) => {
    expect(faultOf({ autoPause })).toContain(problem);
    expect(faultOf({ autoPause })).toContain('Orders.onOrder: @Consume: ');
    expect(serverFaultOf({ autoPause })).toContain(problem);
  });

  test.each([
    [{ batch: 100 }, '"batch" must be { size, wait? }'],
    [{ batch: {} }, '"batch" needs "size"'],
    [{ batch: { size: 0 } }, '"size" must be a whole number from 1 to 65535'],
    [{ batch: { size: 65_536 } }, '"size" must be a whole number from 1 to 65535'],
    [{ batch: { size: 10, wait: -1 } }, '"wait" must be a whole number from 0'],
    [{ batch: { size: 10, time: 1 } }, 'unknown option "time"'],
    [{ batch: { size: 10 }, reply: true }, 'batch and reply'],
    [{ batch: { size: 10 }, ordered: { by: 'routingKey' } }, 'batch and ordered'],
    [{ batch: { size: 10_000 }, concurrency: 7 }, 'size times concurrency is over 65535'],
  ])('%j', (options, problem) => {
    expect(faultOf(options)).toContain(problem);
    expect(faultOf(options)).toContain('Orders.onOrder: @Consume: ');
  });

  test('AmqpServer has no batches, and its limits are milliseconds', () => {
    expect(serverFaultOf({ batch: { size: 10 } })).toContain('unknown option "batch"');
    expect(serverFaultOf({ timeout: 'long' })).toContain('"timeout" must be a whole number');
    for (const consumerTimeout of [0, 999, true, 'never']) {
      expect(serverFaultOf({ consumerTimeout })).toContain('"consumerTimeout" must be milliseconds');
    }
    expect(serverFaultOf({ consumerTimeout: false, timeout: 5 })).toBe('accepted by object');
  });
});
