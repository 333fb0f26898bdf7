/** What a login is made of. Secrets stay in private fields, so that no inspection, JSON or error shows them. */
import { AuthenticationError } from '../errors.js';

export interface Credentials {
  username: string;
  password: string;
}

/** Credentials, or a function that is asked for them at every connect (rotation, OAuth 2 tokens). */
export type CredentialsSource = Credentials | (() => Credentials | Promise<Credentials>);

export class SecretCredentials {
  readonly #source: CredentialsSource;

  constructor(source: CredentialsSource) {
    this.#source = typeof source === 'function' ? source : { ...source };
  }

  /** Rejects with AuthenticationError when the user's function gives something else. */
  async obtain(): Promise<Credentials> {
    if (typeof this.#source !== 'function') return this.#source;
    const given: unknown = await this.#source();
    if (!isCredentials(given)) {
      throw new AuthenticationError('the credentials function must give { username, password }, both strings');
    }
    return given;
  }
}

function isCredentials(value: unknown): value is Credentials {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Credentials).username === 'string' &&
    typeof (value as Credentials).password === 'string'
  );
}

/** SASL PLAIN (RFC 4616): an empty authorization identity, the user name, the password. */
export function plainResponse({ username, password }: Credentials): Buffer {
  return Buffer.from(`\0${username}\0${password}`, 'utf8');
}
