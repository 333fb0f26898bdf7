import type * as NodeCrypto from 'node:crypto';

/** `node:crypto`, loaded at its first use: most brokers in tests start and end without it, and it takes its time. */
export function nodeCrypto(): typeof NodeCrypto {
  return process.getBuiltinModule('node:crypto');
}
