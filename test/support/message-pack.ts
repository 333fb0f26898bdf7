/** MessagePack as a user would give it. */
import { decode, encode } from '@msgpack/msgpack';
import type { MessageFormat } from 'leveret';

export const messagePack: MessageFormat = {
  contentTypes: ['application/msgpack', 'application/x-msgpack', '+msgpack'],
  serialize: (value) => encode(value),
  deserialize: (body) => decode(body),
};
