/** What may be said before anything is negotiated. */
import { initialFrameMax } from '../../../lib/amqp/connection/handshake.js';

test.each([
  ['3.10.8', 4096],
  ['4.0.5', 4096],
  ['4.1.0', 8192],
  ['4.3.6', 8192],
  ['10.0.0', 8192],
  ['unknown', 4096],
])('RabbitMQ %s takes a first frame of %d bytes', (version, size) => {
  expect(initialFrameMax({ product: 'RabbitMQ', version })).toBe(size);
});

test('of another broker we know nothing', () => {
  expect(initialFrameMax({ product: 'Other', version: '9.9' })).toBe(4096);
  expect(initialFrameMax({})).toBe(4096);
});
