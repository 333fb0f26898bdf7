/**
 * Who a client is by its certificate, as RabbitMQ's plugin rabbitmq_auth_mechanism_ssl reads it.
 *
 * Pure. Names of attributes that RabbitMQ does not know by a short name stand as OpenSSL writes them.
 */

/** RabbitMQ's ssl_cert_login_from. */
export type CertificateLogin = 'distinguished_name' | 'common_name';

export const certificateLogins: readonly CertificateLogin[] = ['distinguished_name', 'common_name'];

/**
 * The name of the user. `subject` is as Node's X509Certificate has it: a line for each name, the outermost first, values
 * escaped by RFC 2253, with ` + ` between the parts of one. Undefined: there is no such name in it.
 */
export function certificateName(subject: string, from: CertificateLogin): string | undefined {
  const names = subject === '' ? [] : subject.split('\n').map((line) => line.split(' + ').map(attributeOf));
  if (from === 'distinguished_name') {
    const shown = names.map((parts) => parts.map(({ type, value }) => `${type}=${escaped(value)}`).join('+'));
    return shown.length === 0 ? undefined : shown.toReversed().join(',');
  }
  const common = names.flat().filter(({ type }) => type === 'CN');
  return common.length === 0 ? undefined : common.map(({ value }) => unescaped(value)).join(',');
}

function attributeOf(part: string): { type: string; value: string } {
  const end = part.indexOf('=');
  const type = part.slice(0, end);
  return { type: type === 'GN' ? 'GIVENNAME' : type.toUpperCase(), value: part.slice(end + 1) };
}

/** RFC 4514 with all that is no printable ASCII as bytes of UTF-8. */
function escaped(value: string): string {
  return value.replaceAll(/[^ -}]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

function unescaped(value: string): string {
  return value.replaceAll(/\\([0-9A-F]{2}|.)/gu, (_whole, meant: string) =>
    meant.length === 2 ? String.fromCharCode(Number.parseInt(meant, 16)) : meant,
  );
}
