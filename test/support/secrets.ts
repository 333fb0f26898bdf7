/** A password that stands out, and where it must not be found. */
import { inspect } from 'node:util';

export const secret = 'Zebra-4711-secret';

/** Everything that a person or a log could see of a thing. */
export function everythingShown(thing: unknown): string {
  const ofError = thing instanceof Error ? `${thing.message} ${thing.stack ?? ''}` : '';
  return `${ofError} ${inspect(thing, { depth: 20, showHidden: true })} ${JSON.stringify(thing)}`;
}

/** The forms in which a password could go over a wire or into a text. */
export function holdsSecret(bytes: Uint8Array | string): boolean {
  const text = typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('latin1');
  return [secret, Buffer.from(secret).toString('base64'), Buffer.from(secret).toString('hex')].some((form) =>
    text.includes(form),
  );
}
