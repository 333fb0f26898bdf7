/** The TLS options that users may give, and what can be told of them before anything is opened. Must not know sockets. */
import { createSecureContext, type ConnectionOptions } from 'node:tls';
import { messageOf } from '../errors.js';

/**
 * Node's own TLS options (`ca`, `cert`, `key`, `pfx`, `passphrase`, `servername`, `rejectUnauthorized`, `minVersion`,
 * ...), but for those that say where to connect to.
 *
 * Chain and host are verified unless `rejectUnauthorized: false` or an own `checkServerIdentity` says otherwise; the
 * least version is TLS 1.2 unless `minVersion` says otherwise; the host is sent as server name (SNI), unless it is an
 * address or `servername` says otherwise.
 */
export type TlsOptions = Omit<ConnectionOptions, 'host' | 'port' | 'path' | 'socket'>;

/** Unless the user says otherwise. */
const defaultMinVersion = 'TLSv1.2';

const known = new Set([
  ...['ALPNProtocols', 'allowPartialTrustChain', 'ca', 'cert', 'checkServerIdentity', 'ciphers'],
  ...['clientCertEngine', 'crl', 'dhparam', 'ecdhCurve', 'enableTrace', 'highWaterMark', 'honorCipherOrder', 'key'],
  ...['lookup', 'maxVersion', 'minDHSize', 'minVersion', 'passphrase', 'pfx', 'privateKeyEngine'],
  ...['privateKeyIdentifier', 'pskCallback', 'rejectUnauthorized', 'requestOCSP', 'secureContext', 'secureOptions'],
  ...['secureProtocol', 'servername', 'session', 'sessionIdContext', 'sessionTimeout', 'sigalgs', 'ticketKeys'],
  'timeout',
]);

/** What can be tried out beforehand. */
const contextOptions = [
  ...['ca', 'cert', 'key', 'pfx', 'passphrase', 'crl', 'ciphers', 'sigalgs', 'ecdhCurve'],
  ...['minVersion', 'maxVersion', 'secureProtocol'],
];

const versions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];
const defaultLeast = versions.indexOf(defaultMinVersion);

/** Every fault of the options, each beginning with `prefix`; no fault repeats a key or a passphrase. */
export function tlsOptionFaults(options: Readonly<Record<string, unknown>>, prefix: string): string[] {
  const faults: string[] = [];
  for (const name of Object.keys(options)) {
    if (name === 'host' || name === 'port' || name === 'path') {
      faults.push(`${prefix}.${name}: belongs to the endpoint, not to its TLS options`);
    } else if (name === 'socket') {
      faults.push(`${prefix}.socket: would serve one connection only; give a function as transport`);
    } else if (!known.has(name)) faults.push(`${prefix}.${name}: unknown TLS option`);
  }
  const isGiven = (name: string): boolean => options[name] !== undefined;
  if (isGiven('rejectUnauthorized') && typeof options['rejectUnauthorized'] !== 'boolean') {
    faults.push(`${prefix}.rejectUnauthorized: must be true or false`);
  }
  for (const name of ['servername', 'passphrase']) {
    if (isGiven(name) && typeof options[name] !== 'string') faults.push(`${prefix}.${name}: must be a string`);
  }
  for (const name of ['checkServerIdentity', 'lookup', 'pskCallback']) {
    if (isGiven(name) && typeof options[name] !== 'function') faults.push(`${prefix}.${name}: must be a function`);
  }
  if (isGiven('cert') && !isGiven('key') && !isGiven('privateKeyIdentifier')) {
    faults.push(`${prefix}.cert: needs its key`);
  }
  if (isGiven('key') && !isGiven('cert')) faults.push(`${prefix}.key: needs its cert`);
  for (const authority of [options['ca']].flat()) {
    const content = typeof authority === 'string' || Buffer.isBuffer(authority) ? String(authority) : undefined;
    // Node takes it without a word, and then trusts nobody.
    if (content?.includes('-----BEGIN') === false) faults.push(`${prefix}.ca: holds no certificate in PEM form`);
  }
  const [least, most] = ['minVersion', 'maxVersion'].map((name) => versions.indexOf(String(options[name])));
  if (most !== undefined && most >= 0 && (least === undefined || least < 0 ? defaultLeast : least) > most) {
    faults.push(`${prefix}.maxVersion: is below minVersion, which is ${defaultMinVersion} unless given`);
  }
  if (faults.length === 0 && contextOptions.some(isGiven)) {
    try {
      // OpenSSL reads them all: a file that is no certificate, a key of another one, a wrong passphrase.
      createSecureContext(withTlsDefaults(options));
    } catch (error) {
      const { reason } = error as { reason?: unknown };
      faults.push(`${prefix}: ${typeof reason === 'string' ? reason : messageOf(error)}`);
    }
  }
  return faults;
}

/** `secureProtocol` excludes `minVersion`: who names the old option gets no default beside it. */
export function withTlsDefaults<Options extends TlsOptions>(options: Options): Options {
  return options.secureProtocol === undefined ? { minVersion: defaultMinVersion, ...options } : options;
}
