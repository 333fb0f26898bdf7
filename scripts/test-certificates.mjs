// Certificates for the TLS tests, made by the openssl program: valid, and wrong in each way that a client must notice.
//
//   node scripts/test-certificates.mjs DIRECTORY
//
//   ca.pem                 the authority that the tests trust; signed all of the following but the last two
//   server.pem, .key       localhost, 127.0.0.1 and ::1
//   wrong-host.pem, .key   another name
//   expired.pem, .key      localhost, until yesterday
//   client.pem, .key       CN=guest, a client's
//   self-signed.pem, .key  localhost, by itself
//   stranger.pem, .key     CN=guest, a client's, and localhost, by an authority that nobody knows
//
// They hold for two days and protect nothing.
import { execFile } from 'node:child_process';
import { chmod, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const days = 2;
const localNames = 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1';

export async function isOpensslInstalled() {
  return await run('openssl', ['version']).then(
    () => true,
    () => false,
  );
}

/** Makes them all in the directory, which is made where it is missing. Rejects where openssl is missing or fails. */
export async function makeCertificates(directory) {
  await mkdir(directory, { recursive: true });
  const at = (name) => join(directory, name);
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

  const selfSigned = async (name, commonName, extensions) => {
    const output = ['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`), '-days', String(days)];
    const wanted = extensions.flatMap((extension) => ['-addext', extension]);
    await run('openssl', ['req', '-x509', ...newKey, ...output, '-subj', `/CN=${commonName}`, ...wanted]);
  };
  const signed = async (name, authority, commonName, extensions, lifetime = days) => {
    const request = at(`${name}.csr`);
    const wanted = ['basicConstraints=CA:FALSE', ...extensions].flatMap((extension) => ['-addext', extension]);
    await run('openssl', [
      ...['req', '-new', ...newKey, '-keyout', at(`${name}.key`), '-out', request, '-subj', `/CN=${commonName}`],
      ...wanted,
    ]);
    // A lifetime below nothing: over before it began.
    await run('openssl', [
      ...['x509', '-req', '-in', request, '-CA', at(`${authority}.pem`), '-CAkey', at(`${authority}.key`)],
      ...['-set_serial', String(serial++), '-days', String(lifetime), '-copy_extensions', 'copy'],
      ...['-out', at(`${name}.pem`)],
    ]);
  };
  let serial = Date.now();
  const isAuthority = ['keyUsage=critical,keyCertSign,cRLSign'];

  await Promise.all([
    selfSigned('ca', 'Leveret test authority', isAuthority),
    selfSigned('unknown-ca', 'An authority that nobody knows', isAuthority),
    selfSigned('self-signed', 'localhost', [localNames]),
  ]);
  await Promise.all([
    signed('server', 'ca', 'localhost', [localNames]),
    signed('wrong-host', 'ca', 'broker.example', ['subjectAltName=DNS:broker.example']),
    signed('expired', 'ca', 'localhost', [localNames], -1),
    signed('client', 'ca', 'guest', ['extendedKeyUsage=clientAuth']),
    signed('stranger', 'unknown-ca', 'guest', [localNames]),
  ]);
  // A broker may run as another user.
  await chmod(directory, 0o755);
  await Promise.all(['server.key', 'server.pem', 'ca.pem'].map((name) => chmod(at(name), 0o644)));
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) {
  const [directory] = process.argv.slice(2);
  if (directory === undefined) {
    console.error('usage: node scripts/test-certificates.mjs DIRECTORY');
    process.exit(2);
  }
  await makeCertificates(directory);
}
