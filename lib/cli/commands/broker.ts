/** `leveret broker`: serves the embedded broker in the foreground. Loads neither Nest nor the client. */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { EmbeddedBroker, type BrokerOptions, type EmulatedVersion, type UserOptions } from '../../broker/index.js';
import { CommandError, messageOf, wrongCall, type Command } from '../command.js';
import { version } from '../version.js';

const help = `Usage: leveret broker [options]

Starts an AMQP 0-9-1 broker for tests and local development: in memory, on one node.
Prints its URL on the first line, and serves until Ctrl-C.

Options:
  --port N            TCP port, 0 for any free one (default 5672; with TLS 5671)
  --host H            address to listen on (default 127.0.0.1: this machine alone)
  --emulate V         RabbitMQ version to behave as: 3.10 or 4.3 (default 4.3)
  --users FILE        users beside guest/guest, as JSON: [{ "name": "shop", "password": "...",
                      "virtualHosts": { "/": { "configure": ".*", "write": ".*", "read": ".*" } } }]
                      Without virtualHosts a user may do everything. One named guest replaces guest/guest
  --vhost NAME        a virtual host beside /; may be said again for more
  --definitions FILE  RabbitMQ's definitions, as "rabbitmqctl export_definitions FILE" writes them: virtual hosts,
                      users, permissions, policies, exchanges, queues, bindings
  --tls-cert FILE     serve TLS with this certificate (PEM, with its chain); needs --tls-key
  --tls-key FILE      its private key (PEM, without a passphrase)
  --tls-ca FILE       refuse clients without a certificate of this authority (PEM); by theirs they may log in (EXTERNAL)
  --tls-login WHAT    what of it is the user's name: distinguished_name (default; CN=shop,O=Example) or common_name
  --memory-limit N    bytes that queues may hold together before publishers are blocked (default 536870912: 512 MiB)
  --log               print each method to standard error: time, connection, > to the broker or < from it, channel,
                      name, fields; of bodies the size alone, and no password
  --version           print the version of leveret
  -h, --help          show this

Examples:
  leveret broker                                     a broker at amqp://guest:guest@127.0.0.1:5672
  leveret broker --port 0 --log                      any free port, and what is said on it
  leveret broker --definitions definitions.json      with the queues of production
  leveret broker --tls-cert cert.pem --tls-key key.pem

Exit code: 0 stopped by Ctrl-C or SIGTERM; 1 it cannot start: a port that is taken, a file that cannot be read or is
wrong; 2 a wrong call.
`;

export const brokerCommand: Command = async (options) => {
  const values = read(options);
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  if (values.version) {
    process.stdout.write(`${version}\n`);
    return;
  }
  const tls = await tlsOf(values);
  const users = values.users === undefined ? undefined : await readJson('--users', values.users);
  const definitions =
    values.definitions === undefined ? undefined : await readJson('--definitions', values.definitions);
  const virtualHosts = values.vhost ?? [];
  const broker = await start({
    port: portOf(values.port, tls === undefined ? '5672' : '5671'),
    host: values.host,
    emulate: versionOf(values.emulate),
    users: users as UserOptions[] | undefined,
    virtualHosts,
    definitions,
    memoryLimit: memoryLimitOf(values['memory-limit']),
    tls,
    certificateLogin: loginOf(values),
  });
  try {
    assertHosts((users ?? []) as UserOptions[], ['/', ...virtualHosts, ...hostsOf(definitions)]);
  } catch (error) {
    await broker.stop();
    throw error;
  }
  if (values.log) await log(broker);
  if (broker.url.includes('guest:guest@') && !isLoopback(values.host)) {
    process.stderr.write(
      'leveret: broker: warning: others can reach this broker, and guest/guest may do everything on it; ' +
        'give guest another password with --users\n',
    );
  }
  // Who reads the URL may end it at once.
  const ending = interrupted();
  process.stdout.write(`${broker.url}\n`);
  await ending;
  await broker.stop();
};

/** Loaded only when it is asked for. */
async function log(broker: EmbeddedBroker): Promise<void> {
  const { logLine } = await import('./broker-log.js');
  broker.on('method', (event) => {
    process.stderr.write(`${logLine(event, new Date())}\n`);
  });
}

// --- what is asked for ----------------------------------------------------------------------------

const text = { type: 'string' } as const;
const known = {
  ...{ port: text, host: text, emulate: text, users: text, definitions: text, 'memory-limit': text },
  vhost: { type: 'string', multiple: true },
  version: { type: 'boolean' },
  ...{ 'tls-cert': text, 'tls-key': text, 'tls-ca': text, 'tls-login': text },
  log: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof known }>>['values'];

function read(options: string[]): Values {
  try {
    return parseArgs({ args: options, options: known }).values;
  } catch (error) {
    throw new CommandError(2, `broker: ${wrongCall(error)}`);
  }
}

function portOf(given: string | undefined, otherwise: string): number {
  const port = given ?? otherwise;
  if (/^\d{1,5}$/.test(port) && Number(port) <= 65_535) return Number(port);
  throw new CommandError(2, `broker: --port must be a number from 0 to 65535, not "${port}"`);
}

function memoryLimitOf(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  if (/^\d{1,15}$/.test(given) && Number(given) > 0) return Number(given);
  throw new CommandError(2, `broker: --memory-limit must be a number of bytes from 1 on, not "${given}"`);
}

/** The virtual hosts of definitions that were read without a fault. */
function hostsOf(definitions: unknown): string[] {
  const { vhosts } = (definitions ?? {}) as { vhosts?: readonly { readonly name: string }[] | null };
  return (vhosts ?? []).map(({ name }) => name);
}

/** What is there when it starts is all there will be: whoever may open another virtual host never can. */
function assertHosts(users: readonly UserOptions[], known: readonly string[]): void {
  for (const [index, { virtualHosts = {} }] of users.entries()) {
    const missing = Object.keys(virtualHosts).find((name) => !known.includes(name));
    if (missing === undefined) continue;
    const where = `users[${String(index)}].virtualHosts`;
    throw new CommandError(1, `broker: --users: ${where}: there is no virtual host "${missing}"; --vhost makes one`);
  }
}

/** Node takes whatever for a list of authorities, and then trusts nobody. */
async function authorityOf(file: string): Promise<string> {
  const given = await readText('--tls-ca', file);
  const certificates = given.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const { X509Certificate } = await import('node:crypto');
  try {
    if (certificates.length === 0) throw new Error('nothing between BEGIN CERTIFICATE and END CERTIFICATE');
    for (const certificate of certificates) new X509Certificate(certificate);
  } catch (error) {
    throw new CommandError(1, `broker: --tls-ca: no certificate (PEM) in ${file}: ${messageOf(error)}`);
  }
  return given;
}

function versionOf(version = '4.3'): EmulatedVersion {
  if (version === '3.10' || version === '4.3') return version;
  throw new CommandError(2, `broker: --emulate must be 3.10 or 4.3, not "${version}"`);
}

async function tlsOf(values: Values): Promise<BrokerOptions['tls']> {
  const { 'tls-cert': cert, 'tls-key': key, 'tls-ca': ca } = values;
  if (cert === undefined && key === undefined && ca === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new CommandError(2, 'broker: TLS needs both --tls-cert and --tls-key');
  }
  return {
    cert: await readText('--tls-cert', cert),
    key: await readText('--tls-key', key),
    ...(ca === undefined ? {} : { ca: await authorityOf(ca), requestCert: true, rejectUnauthorized: true }),
  };
}

function loginOf({ 'tls-login': login, 'tls-ca': ca }: Values): BrokerOptions['certificateLogin'] {
  if (login === undefined) return undefined;
  if (ca === undefined) throw new CommandError(2, 'broker: --tls-login needs --tls-ca');
  if (login === 'distinguished_name' || login === 'common_name') return login;
  throw new CommandError(2, `broker: --tls-login must be distinguished_name or common_name, not "${login}"`);
}

async function readText(option: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new CommandError(1, `broker: ${option}: cannot read ${file}: ${messageOf(error)}`);
  }
}

async function readJson(option: string, file: string): Promise<unknown> {
  const content = await readText(option, file);
  try {
    return JSON.parse(content.replace(/^\ufeff/, '')) as unknown;
  } catch {
    // What JSON.parse says repeats a piece of the file, which may hold passwords.
    throw new CommandError(1, `broker: ${option}: ${file} is no JSON`);
  }
}

// --- the start and the end ------------------------------------------------------------------------

async function start(options: BrokerOptions): Promise<EmbeddedBroker> {
  try {
    return await EmbeddedBroker.start(options);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const where = `${options.host ?? '127.0.0.1'}:${String(options.port)}`;
    if (code === 'EADDRINUSE') {
      throw new CommandError(1, `broker: ${where} is taken; choose another with --port, or --port 0 for any free one`);
    }
    if (code === 'EACCES') throw new CommandError(1, `broker: not allowed to listen on ${where}`);
    // ERR_SSL_...: a certificate or a key that is none, or that do not belong together.
    if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_OSSL_')) {
      throw new CommandError(1, `broker: certificate and key cannot be used: ${messageOf(error)}`);
    }
    const name = error instanceof Error ? error.name : '';
    const isOurs = name === 'ArgumentError' || name === 'DefinitionsError';
    throw new CommandError(1, `broker: ${isOurs ? '' : `cannot listen on ${where}: `}${messageOf(error)}`);
  }
}

function isLoopback(host = '127.0.0.1'): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

/** Resolves at the first SIGINT or SIGTERM. */
function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    const onSignal = (): void => {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
      resolve();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
