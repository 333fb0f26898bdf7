/** The migration from Nest's own RabbitMQ transport as `npm run sample:migration` runs it. */
import { jest } from '@jest/globals';
import { describeOnBroker } from '../support/brokers.js';
import { buildSample, queuesLeft, runName, runSample } from '../support/nest-samples.js';

// It takes three seconds, and its compilation five; machines have other things to do, too.
jest.setTimeout(120_000);

beforeAll(() => buildSample('migration'));

const summary =
  /^migration: (\d+) services moved, (\d+) requests, (\d+) answered, (\d+) events, (\d+) handled, (\d+) lost$/;

describeOnBroker('the migration sample', (broker) => {
  test('three services move one by one under traffic: all is answered, all is handled, nothing is lost', async () => {
    const { status, output, errors } = await runSample('migration', broker.kind === 'rabbitmq' ? broker.url : '');
    expect(output.at(-1)).toMatch(summary);
    const [moved, requests = 0, answered, events, handled, lost] = (summary.exec(output.at(-1) ?? '') ?? [])
      .slice(1)
      .map(Number);
    expect({ moved, lost }).toEqual({ moved: 3, lost: 0 });
    // A hundred at each of the four stages.
    expect(requests).toBeGreaterThanOrEqual(400);
    expect(answered).toBe(requests);
    expect(events).toBe(2 * requests);
    expect(handled).toBe(events);
    expect(output.filter((line) => line.startsWith('WRONG'))).toEqual([]);
    expect(errors).toBe('');
    expect(status).toBe(0);
    const queues = ['orders', 'orders.parked', 'mail', 'mail.parked'];
    expect(await queuesLeft(broker.url, runName(output[0]), queues)).toEqual([]);

    const stages = output.filter((line) => line.startsWith('step')).map((line) => line.replace(/ \(.*/, ''));
    expect(stages).toEqual([
      "step 0: mail on Nest's own, orders on Nest's own, gateway on Nest's own",
      "step 1: mail on leveret, orders on Nest's own, gateway on Nest's own",
      "step 2: mail on leveret, orders on leveret, gateway on Nest's own",
      'step 3: mail on leveret, orders on leveret, gateway on leveret',
    ]);
  });
});
