/** How Nest's own RabbitMQ transport describes its connection, read into the parameters of our client. */
import type { ConnectionParameters, EndpointParameters } from '../../amqp/index.js';

/** An endpoint as an object, by amqplib's names. */
export interface NestEndpoint {
  /** `amqp` or `amqps`. Default `amqp`. */
  protocol?: string | undefined;
  /** Default `localhost`. */
  hostname?: string | undefined;
  /** Default 5672, for `amqps` 5671. */
  port?: number | undefined;
  username?: string | undefined;
  password?: string | undefined;
  /** Virtual host. Default `/`. */
  vhost?: string | undefined;
  locale?: string | undefined;
  /** Bytes. */
  frameMax?: number | undefined;
  /** Seconds. */
  heartbeat?: number | undefined;
}

/** `socketOptions` of Nest's own transport. */
export interface NestSocketOptions {
  heartbeatIntervalInSeconds?: number | undefined;
  /** Longest wait between attempts to reconnect. */
  reconnectTimeInSeconds?: number | undefined;
  /**
   * TLS options of Node, and amqplib's `noDelay`, `keepAlive`, `timeout` (milliseconds), `clientProperties`. An `object`,
   * since Nest's own type for it is an interface, which fits no record.
   */
  connectionOptions?: object | undefined;
  clientProperties?: Readonly<Record<string, unknown>> | undefined;
}

const endpointNames = [
  'protocol',
  'hostname',
  'port',
  'username',
  'password',
  'vhost',
  'locale',
  'frameMax',
  'heartbeat',
];
const socketNames = ['heartbeatIntervalInSeconds', 'reconnectTimeInSeconds', 'connectionOptions', 'clientProperties'];

/** `urls` of Nest's own transport: one URI, several, or objects by amqplib's names. */
export function fromUrls(
  urls: string | readonly (string | NestEndpoint)[],
  faults: string[],
): Pick<ConnectionParameters, 'url' | 'endpoints' | 'heartbeat' | 'frameMax' | 'locale'> {
  if (typeof urls === 'string') return { url: urls };
  if (urls.every((entry) => typeof entry === 'string')) return { url: urls };
  const endpoints = urls.map((entry, index) => toEndpoint(entry, `urls[${String(index)}]`, faults));
  const settings = urls.find((entry): entry is NestEndpoint => typeof entry === 'object');
  return { endpoints, heartbeat: settings?.heartbeat, frameMax: settings?.frameMax, locale: settings?.locale };
}

function toEndpoint(entry: string | NestEndpoint, name: string, faults: string[]): EndpointParameters {
  if (typeof entry === 'string') return { url: entry };
  for (const key of Object.keys(entry)) if (!endpointNames.includes(key)) faults.push(`${name}.${key}: unknown option`);
  const { protocol, hostname, port, username, password, vhost } = entry;
  if (protocol !== undefined && protocol !== 'amqp' && protocol !== 'amqps') {
    faults.push(`${name}.protocol: must be "amqp" or "amqps"`);
  }
  return { host: hostname, port, username, password, virtualHost: vhost, tls: protocol === 'amqps' ? true : undefined };
}

/** `socketOptions` of Nest's own transport. */
export function fromSocketOptions(options: NestSocketOptions, faults: string[]): ConnectionParameters {
  for (const key of Object.keys(options)) {
    if (!socketNames.includes(key)) faults.push(`socketOptions.${key}: unknown option`);
  }
  const parameters: ConnectionParameters = {};
  const { heartbeatIntervalInSeconds, reconnectTimeInSeconds, connectionOptions, clientProperties } = options;
  if (heartbeatIntervalInSeconds !== undefined) parameters.heartbeat = heartbeatIntervalInSeconds;
  if (reconnectTimeInSeconds !== undefined) {
    const maxDelay = Math.round(reconnectTimeInSeconds * 1000);
    parameters.recovery = { initialDelay: Math.min(100, maxDelay), maxDelay };
  }
  const properties: Record<string, unknown> = { ...clientProperties };
  if (connectionOptions) {
    const given = connectionOptions as Readonly<Record<string, unknown>>;
    const { noDelay, keepAlive, keepAliveDelay, timeout, clientProperties: more, ...tls } = given;
    if ('credentials' in tls) faults.push('socketOptions.connectionOptions.credentials: use the option credentials');
    if (noDelay !== undefined || keepAlive !== undefined) {
      parameters.tcp = {
        ...(typeof noDelay === 'boolean' ? { noDelay } : {}),
        ...(keepAlive === false ? { keepAlive: false as const } : {}),
        ...(keepAlive === true && typeof keepAliveDelay === 'number' ? { keepAlive: keepAliveDelay } : {}),
      };
    }
    if (typeof timeout === 'number') parameters.connectTimeout = timeout;
    if (typeof more === 'object' && more !== null) Object.assign(properties, more);
    // With an amqp URI Nest's transport ignores TLS options as well; ours would turn TLS on.
    if (Object.keys(tls).length > 0) parameters.tls = tls;
  }
  if (Object.keys(properties).length > 0) {
    parameters.clientProperties = properties as NonNullable<ConnectionParameters['clientProperties']>;
  }
  return parameters;
}
