/** The sample of formats as `npm run sample:formats` runs it. */
import { jest } from '@jest/globals';
import { describeOnBroker } from '../support/brokers.js';
import { buildSample, queuesLeft, runName, runSample } from '../support/nest-samples.js';

// It takes a second, and its compilation five; machines have other things to do, too.
jest.setTimeout(120_000);

beforeAll(() => buildSample('formats'));

const queues = ['readings', 'readings.parked', 'foreign', 'foreign.parked'];

describeOnBroker('the sample of formats', (broker) => {
  test('every reading comes in each format, foreign envelopes find their handlers, a bomb is parked', async () => {
    const { status, output, errors } = await runSample('formats', broker.kind === 'rabbitmq' ? broker.url : '');
    expect(errors).toBe('');
    const bytes = new Map(
      output.slice(1, 5).map((line) => {
        const [, kind = '', count, size] = /^(.*): (\d+) readings, (\d+) bytes each$/.exec(line) ?? [];
        expect(count).toBe('24');
        return [kind, Number(size)];
      }),
    );
    const [json = 0, gzipped = 0, packed = 0, both = 0] = [
      'application/json',
      'application/json, gzip',
      'application/msgpack',
      'application/msgpack, gzip',
    ].map((kind) => bytes.get(kind));
    expect(Math.min(json, gzipped, packed, both)).toBeGreaterThan(0);
    expect(packed).toBeLessThan(json);
    expect(gzipped).toBeLessThan(json);
    expect(both).toBeLessThan(packed);
    expect(output.slice(5)).toEqual([
      'of another library: order-1; left for the catch-all: urn:message:Shop.Contracts:OrderCancelled',
      'parked: BodyTooLargeError',
      'formats: 96 readings of 96, 0 wrong',
    ]);
    expect(status).toBe(0);
    expect(await queuesLeft(broker.url, runName(output[0]), queues)).toEqual([]);
  });
});
