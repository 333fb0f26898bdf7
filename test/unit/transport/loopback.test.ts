/** Which addresses stay on this machine: logins to all others are a matter of the parameter `plaintext`. */
import { isLoopback } from '../../../lib/amqp/transport/tcp.js';

test.each(['127.0.0.1', '127.255.0.9', '::1', '::ffff:127.0.0.1'])('%s stays on this machine', (address) => {
  expect(isLoopback(address)).toBe(true);
});

test.each(['10.0.0.1', '192.0.2.1', '::2', 'fe80::1', '::ffff:10.0.0.1', '128.0.0.1', '0.0.0.0', undefined])(
  '%s leads elsewhere',
  (address) => {
    expect(isLoopback(address)).toBe(false);
  },
);
