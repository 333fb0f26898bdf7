/**
 * What RabbitMQ's management API tells of a virtual host: its exchanges, queues and bindings.
 *
 *   GET /api/exchanges/VHOST, /api/queues/VHOST, /api/bindings/VHOST     with HTTP basic authentication
 *
 * `disable_stats` has the broker answer from its metadata and not from its statistics, which are cheaper to leave alone
 * and up to five seconds old, policies included. Nothing of the answers is believed. No error holds a credential, nor
 * the server's own words. Must not know plans or channels.
 */
import { AmqpError, asError, ManagementError, TimeoutError } from '../errors.js';
import type { DefinitionsArguments } from './definitions.js';
import type { EntityOnBroker } from './planned-entity.js';
import type { BindingRecord } from './topology-record.js';

/** Where the management API is, and who asks. */
export interface ManagementAccess {
  /** `http://host:15672`, without user info, query and last slash. */
  readonly url: string;
  readonly username: string;
  readonly password: string;
  /** Milliseconds for all of an `askManagement`. */
  readonly timeout: number;
}

/** What a virtual host holds. */
export interface BrokerListing {
  readonly exchanges: ReadonlyMap<string, EntityOnBroker>;
  readonly queues: ReadonlyMap<string, EntityOnBroker>;
  /** Without the default exchange's, which are there by themselves. */
  readonly bindings: readonly (BindingRecord & { readonly arguments: DefinitionsArguments })[];
}

/** Bytes of one answer. A binding takes some 200. */
const answerLimit = 256 * 1024 * 1024;

/** Rejects with ManagementError, TimeoutError, or an AmqpError when the signal aborts. */
export async function askManagement(
  access: ManagementAccess,
  virtualHost: string,
  signal?: AbortSignal,
): Promise<BrokerListing> {
  const givingUp = new AbortController();
  const timer = setTimeout(() => {
    givingUp.abort(new TimeoutError(`management API at ${access.url}`, access.timeout));
  }, access.timeout);
  const onAbort = (): void => {
    givingUp.abort(new AmqpError('asking the management API was given up', { cause: signal?.reason }));
  };
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const ask = (section: string): Promise<Fields[]> => list(access, section, virtualHost, givingUp.signal);
    const [exchanges, queues, bindings] = await Promise.all([ask('exchanges'), ask('queues'), ask('bindings')]);
    return {
      exchanges: new Map(exchanges.map((fields) => [fields.text('name'), readEntity(fields)])),
      queues: new Map(queues.map((fields) => [fields.text('name'), readEntity(fields)])),
      bindings: bindings.map(readBinding).filter(({ source }) => source !== ''),
    };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    // The others need not go on where one failed.
    givingUp.abort();
  }
}

function readEntity(fields: Fields): EntityOnBroker {
  return {
    // A queue's, in the listing, is that of its implementation.
    type: fields.section === 'exchanges' ? fields.text('type') : undefined,
    durable: fields.flag('durable') === true,
    autoDelete: fields.flag('auto_delete') === true,
    internal: fields.section === 'exchanges' ? fields.flag('internal') : undefined,
    exclusive: fields.flag('exclusive'),
    arguments: fields.table('arguments'),
    policy: fields.optionalText('policy'),
  };
}

function readBinding(fields: Fields): BindingRecord & { readonly arguments: DefinitionsArguments } {
  return {
    kind: fields.text('destination_type') === 'exchange' ? 'exchange' : 'queue',
    source: fields.text('source'),
    destination: fields.text('destination'),
    routingKey: fields.text('routing_key'),
    arguments: fields.table('arguments'),
  };
}

// --- requests -------------------------------------------------------------------------------------

/** The entries of the virtual host. */
async function list(
  access: ManagementAccess,
  section: string,
  virtualHost: string,
  signal: AbortSignal,
): Promise<Fields[]> {
  // These names would vanish from the path, whose dots mean folders: all that the user may see is asked for instead.
  const isInPath = !['', '.', '..'].includes(virtualHost);
  const url = `${access.url}/api/${section}${isInPath ? `/${encodeURIComponent(virtualHost)}` : ''}`;
  const entries = await getJson(access, url, signal);
  if (!Array.isArray(entries)) throw new ManagementError(url, 200, 'its answer is no list of entities');
  return (entries as readonly unknown[])
    .map((entry) => new Fields(entry, section, url))
    .filter((fields) => fields.text('vhost') === virtualHost);
}

async function getJson({ username, password }: ManagementAccess, url: string, signal: AbortSignal): Promise<unknown> {
  const login = Buffer.from(`${username}:${password}`).toString('base64');
  let text: string;
  try {
    const response = await fetch(`${url}?disable_stats=true`, {
      headers: { accept: 'application/json', authorization: `Basic ${login}` },
      // To another host the login must not go.
      redirect: 'manual',
      signal,
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new ManagementError(url, response.status, problemOf(response.status));
    }
    text = await readText(response, url);
  } catch (error) {
    if (signal.aborted && signal.reason instanceof AmqpError) throw signal.reason;
    if (error instanceof ManagementError) throw error;
    // fetch says "fetch failed", and why below.
    const cause = asError((error as { cause?: unknown } | undefined)?.cause ?? error);
    throw new ManagementError(url, undefined, `no answer: ${cause.message || codeOf(cause)}`, { cause });
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // JSON.parse would repeat what was there.
    throw new ManagementError(url, 200, 'its answer is no JSON');
  }
}

/** Node gives a failure to connect to several addresses a code and no message. */
function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : error.name;
}

function problemOf(status: number): string {
  if (status === 401 || status === 403) {
    return `answered ${String(status)}: the login was refused, or the user lacks the tag "management" or the virtual host`;
  }
  if (status === 404) return 'answered 404: there is no such virtual host, or no management API';
  if (status >= 300 && status < 400) return `answered ${String(status)}: it is elsewhere, and a login is not sent on`;
  return `answered ${String(status)}`;
}

async function readText(response: Response, url: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop gives the connection up.
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.byteLength;
    if (length > answerLimit) throw new ManagementError(url, 200, `its answer is over ${String(answerLimit)} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

// --- answers --------------------------------------------------------------------------------------

/** The fields of one entry, each checked as it is read. */
class Fields {
  readonly section: string;
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #url: string;

  constructor(entry: unknown, section: string, url: string) {
    this.section = section;
    this.#url = url;
    this.#fields = isObject(entry) ? entry : this.#refuse('an entry');
  }

  text(name: string): string {
    const value = this.#own(name);
    return typeof value === 'string' ? value : this.#refuse(name);
  }

  /** RabbitMQ 3.10 says null where there is none. */
  optionalText(name: string): string | undefined {
    const value = this.#own(name);
    return value === undefined || value === null || value === '' ? undefined : this.text(name);
  }

  flag(name: string): boolean | undefined {
    const value = this.#own(name);
    if (value === undefined || value === null) return undefined;
    return typeof value === 'boolean' ? value : this.#refuse(name);
  }

  table(name: string): DefinitionsArguments {
    const value = this.#own(name);
    // An empty list is no arguments, in the JSON of older versions.
    if (value === undefined || (Array.isArray(value) && value.length === 0)) return {};
    return isObject(value) ? (value as DefinitionsArguments) : this.#refuse(name);
  }

  #own(name: string): unknown {
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
  }

  #refuse(what: string): never {
    throw new ManagementError(this.#url, 200, `its answer cannot be understood: ${what} is not as RabbitMQ writes it`);
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
