/** What the client says of itself: the user's words count, but for the capabilities that we rely on. */
import { clientProperties } from '../../../lib/amqp/connection/client-properties.js';

describe('client properties', () => {
  test('a property of the user’s replaces ours of the same name, and others are added', () => {
    expect(clientProperties({ product: 'shop', owner: 'me' })).toMatchObject({
      product: 'shop',
      owner: 'me',
      platform: expect.any(String) as string,
    });
  });

  test('capabilities are joined: none of ours can be switched off', () => {
    const { capabilities } = clientProperties({ capabilities: { 'shop.fast': true, consumer_cancel_notify: false } });
    expect(capabilities).toEqual({
      'shop.fast': true,
      publisher_confirms: true,
      exchange_exchange_bindings: true,
      'basic.nack': true,
      consumer_cancel_notify: true,
      'connection.blocked': true,
      authentication_failure_close: true,
    });
  });
});
