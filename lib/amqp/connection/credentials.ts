/** What a login is made of. Secrets stay in private fields, so that no inspection, JSON or error shows them. */
import { AuthenticationError } from '../errors.js';
import { sasl, type Sasl, type SaslCredentials } from './sasl.js';

export type { SaslCredentials } from './sasl.js';

/** A user name and a password, or an OAuth 2 token in the password's place. */
export interface PasswordCredentials {
  /** The user, as RabbitMQ knows it. */
  username: string;
  /** The password, or the token. */
  password: string;
  /** Default: PLAIN, and AMQPLAIN with a broker that offers only that. */
  mechanism?: 'PLAIN' | 'AMQPLAIN' | undefined;
}

/** The user is who the client certificate says (RabbitMQ's plugin `rabbitmq_auth_mechanism_ssl`). Needs TLS. */
export interface ExternalCredentials {
  /** The SASL mechanism of the client certificate. */
  mechanism: 'EXTERNAL';
}

/** What a login is made of: a password, a client certificate, or a SASL mechanism of your own. */
export type Credentials = PasswordCredentials | ExternalCredentials | SaslCredentials;

/** Credentials, or a function that is asked for them at every connect (rotation, OAuth 2 tokens). */
export type CredentialsSource = Credentials | (() => Credentials | Promise<Credentials>);

/** The mechanisms that a URI may ask for. */
export type UriMechanism = 'PLAIN' | 'AMQPLAIN' | 'EXTERNAL';

const forms = '{ username, password }, { mechanism: "EXTERNAL" } or { mechanism, response() }';

/** What is wrong with a value that should be credentials; undefined when nothing is. */
export function credentialsFault(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return `must be ${forms}`;
  const given = value as Readonly<Record<string, unknown>>;
  const { mechanism, username, password } = given;
  if (mechanism === 'EXTERNAL' && given['response'] === undefined) return undefined;
  if (typeof given['response'] === 'function') {
    if (typeof mechanism !== 'string' || mechanism === '' || mechanism.includes(' ')) {
      return 'mechanism: must be the name of a SASL mechanism';
    }
    const { challenge } = given;
    return challenge === undefined || typeof challenge === 'function' ? undefined : 'challenge: must be a function';
  }
  if (typeof username !== 'string' || typeof password !== 'string') return `must be ${forms}`;
  if (mechanism === undefined || mechanism === 'PLAIN' || mechanism === 'AMQPLAIN') return undefined;
  return 'mechanism: with user name and password it is PLAIN or AMQPLAIN';
}

export class SecretCredentials {
  readonly #source: CredentialsSource;
  /** What the URI asks for, by preference; empty: what fits the credentials. */
  readonly #wanted: readonly UriMechanism[];
  /** Instead of the password, since it was renewed. */
  #renewed: Uint8Array | undefined;

  constructor(source: CredentialsSource, wanted: readonly UriMechanism[] = []) {
    // A later change of the user's object is not to change ours; one with functions is theirs to the end.
    this.#source = typeof source === 'object' && isPassword(source) ? copyOf(source) : source;
    this.#wanted = wanted;
  }

  /**
   * The mechanism for a login at a broker that offers these, asking the user's function where there is one.
   * Rejects with AuthenticationError when the broker offers none that fits, or when the function gives something else.
   */
  async choose(offered: readonly string[]): Promise<Sasl> {
    if (this.#wanted.length > 0) {
      const mechanism = pick(this.#wanted, offered);
      return mechanism === 'EXTERNAL' ? sasl.external() : this.#login(asPassword(await this.#obtain()), mechanism);
    }
    const credentials = await this.#obtain();
    if ('response' in credentials) return sasl.custom(credentials, pick([credentials.mechanism], offered));
    if (!isPassword(credentials)) return sasl.external(pick([credentials.mechanism], offered));
    const fitting = credentials.mechanism === undefined ? (['PLAIN', 'AMQPLAIN'] as const) : [credentials.mechanism];
    return this.#login(credentials, pick(fitting, offered));
  }

  /**
   * From now on `secret` stands in the password's place, where `other`, who logged in, is the same user. A function is
   * asked anew anyway, and a certificate or a mechanism of your own has no password.
   */
  renew(secret: Uint8Array, other: SecretCredentials): void {
    const mine = this.#username;
    if (mine !== undefined && mine === other.#username) this.#renewed = Uint8Array.from(secret);
  }

  get #username(): string | undefined {
    return typeof this.#source === 'object' && isPassword(this.#source) ? this.#source.username : undefined;
  }

  async #obtain(): Promise<Credentials> {
    if (typeof this.#source !== 'function') return this.#source;
    const given: unknown = await this.#source();
    const fault = credentialsFault(given);
    if (fault !== undefined) throw new AuthenticationError(`what the credentials function gave: ${fault}`);
    return given as Credentials;
  }

  #login({ username, password }: PasswordCredentials, mechanism: string): Sasl {
    const secret = this.#renewed ?? Buffer.from(password, 'utf8');
    return mechanism === 'AMQPLAIN' ? sasl.amqplain(username, secret) : sasl.plain(username, secret);
  }
}

function pick(fitting: readonly string[], offered: readonly string[]): string {
  const mechanism = fitting.find((name) => offered.includes(name));
  if (mechanism !== undefined) return mechanism;
  // What a hostile peer offers may be megabytes long.
  const theirs = offered.join(', ').slice(0, 200) || 'none';
  throw new AuthenticationError(
    `no SASL mechanism in common: the credentials are for ${fitting.join(' or ')}, the broker offers ${theirs}`,
  );
}

function isPassword(credentials: Credentials): credentials is PasswordCredentials {
  return !('response' in credentials) && credentials.mechanism !== 'EXTERNAL';
}

function copyOf({ username, password, mechanism }: PasswordCredentials): PasswordCredentials {
  return { username, password, mechanism };
}

function asPassword(credentials: Credentials): PasswordCredentials {
  if (isPassword(credentials)) return credentials;
  throw new AuthenticationError('the URI asks for a mechanism with a password, and the credentials have none');
}
