/** MessagePack as a format: smaller than JSON, and it carries bytes. */
import { decode, encode } from '@msgpack/msgpack';
import type { MessageFormat } from 'leveret';

export const messagePack: MessageFormat = {
  contentTypes: 'application/msgpack',
  serialize: (value) => encode(value),
  deserialize: (body) => decode(body),
};
