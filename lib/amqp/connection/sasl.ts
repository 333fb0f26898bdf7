/**
 * The SASL mechanisms that RabbitMQ offers, as responses to be sent. Pure, and without a word about sockets.
 *
 *   PLAIN      NUL user-name NUL password                               (RFC 4616)
 *   AMQPLAIN   a field table without its length: LOGIN, PASSWORD        (AMQP 0-8's own)
 *   EXTERNAL   empty: the user is who the client certificate says       (RFC 4422 appendix A)
 */
import { AuthenticationError } from '../errors.js';
import { ByteWriter } from '../protocol/index.js';

/** A SASL mechanism of your own. Each of its steps is limited by `handshakeTimeout`. */
export interface SaslCredentials {
  /** As the broker names it, for instance `RABBIT-CR-DEMO`. */
  mechanism: string;
  /** The first response (connection.start-ok). A string is sent as UTF-8. */
  response(): Uint8Array | string | Promise<Uint8Array | string>;
  /** The answer to a challenge (connection.secure); may be asked several times. Default: a challenge is an error. */
  challenge?: ((challenge: Buffer) => Uint8Array | string | Promise<Uint8Array | string>) | undefined;
}

/** One login. */
export interface Sasl {
  readonly mechanism: string;
  /** False where nothing is sent that another could use. */
  readonly carriesSecret: boolean;
  response(): Promise<Uint8Array>;
  /** Undefined where the mechanism has one step only. */
  readonly challenge: ((challenge: Buffer) => Promise<Uint8Array>) | undefined;
}

function oneStep(mechanism: string, carriesSecret: boolean, response: () => Uint8Array): Sasl {
  return {
    mechanism,
    carriesSecret,
    response: () => Promise.resolve(response()),
    challenge: undefined,
  };
}

export const sasl = {
  plain: (username: string, password: Uint8Array): Sasl =>
    oneStep('PLAIN', true, () => Buffer.concat([Buffer.from(`\0${username}\0`, 'utf8'), password])),

  amqplain: (username: string, password: Uint8Array): Sasl =>
    oneStep('AMQPLAIN', true, () => {
      const writer = new ByteWriter();
      writer.begin();
      for (const [name, value] of [
        ['LOGIN', username],
        ['PASSWORD', password],
      ] as const) {
        writer.shortstr(name, name);
        writer.octet(0x53);
        writer.longstr(value);
      }
      writer.commit();
      return Buffer.concat(writer.take());
    }),

  external: (mechanism = 'EXTERNAL'): Sasl => oneStep(mechanism, false, () => Buffer.alloc(0)),

  custom: (credentials: SaslCredentials, mechanism: string): Sasl => ({
    mechanism,
    // ANONYMOUS (RFC 4505) has nothing to hide; of any other we cannot know.
    carriesSecret: mechanism !== 'ANONYMOUS' && mechanism !== 'EXTERNAL',
    response: async () => asBytes(await credentials.response(), mechanism, 'response'),
    challenge:
      credentials.challenge && (async (bytes) => asBytes(await credentials.challenge?.(bytes), mechanism, 'challenge')),
  }),
};

function asBytes(value: unknown, mechanism: string, what: string): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  if (value instanceof Uint8Array) return value;
  throw new AuthenticationError(`${mechanism}: ${what} must give a string or a Uint8Array, not ${typeof value}`);
}
