/** What a login is made of. Secrets stay in private fields, so that no inspection, JSON or error shows them. */

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

  async obtain(): Promise<Credentials> {
    return typeof this.#source === 'function' ? await this.#source() : this.#source;
  }
}

/** SASL PLAIN (RFC 4616): an empty authorization identity, the user name, the password. */
export function plainResponse({ username, password }: Credentials): Buffer {
  return Buffer.from(`\0${username}\0${password}`, 'utf8');
}
