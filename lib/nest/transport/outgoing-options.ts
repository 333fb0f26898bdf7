/** The options of a record (ours or Nest's, which are amqplib's) as message properties of our client. */
import { ArgumentError, type FieldTable, type PublishProperties } from '../../amqp/index.js';
import type { AmqpRecordOptions } from './amqp-record.js';

export interface OutgoingOptions {
  readonly properties: PublishProperties;
  /** Undefined: the sender's default. */
  readonly isMandatory: boolean | undefined;
}

const propertyNames = [
  'contentType',
  'contentEncoding',
  'priority',
  'messageId',
  'type',
  'userId',
  'appId',
  'clusterId',
  'persistent',
] as const;
/** Correlation and reply queue are the transport's own; the others mean nothing here, and amqplib takes them. */
const otherNames = ['headers', 'expiration', 'timestamp', 'deliveryMode', 'CC', 'BCC', 'mandatory'];
const ignoredNames = ['correlationId', 'replyTo', 'immediate', 'timeout'];
const knownNames = new Set<string>([...propertyNames, ...otherNames, ...ignoredNames]);

/** Throws ArgumentError for an unknown option. */
export function toOutgoingOptions(given: unknown): OutgoingOptions {
  if (given === undefined || given === null) return { properties: {}, isMandatory: undefined };
  if (typeof given !== 'object') throw new ArgumentError('options', 'the options of a record must be an object');
  for (const name of Object.keys(given)) {
    if (!knownNames.has(name)) throw new ArgumentError(name, 'unknown option of a record');
  }
  const options = given as Omit<AmqpRecordOptions, 'deliveryMode'> & { readonly deliveryMode?: number | boolean };
  const properties: PublishProperties = {};
  for (const name of propertyNames)
    if (options[name] !== undefined) Object.assign(properties, { [name]: options[name] });
  const { expiration, timestamp, deliveryMode } = options;
  if (expiration !== undefined) properties.expiration = String(expiration);
  if (timestamp !== undefined) {
    properties.timestamp = typeof timestamp === 'number' ? new Date(timestamp * 1000) : timestamp;
  }
  if (options.persistent === undefined && deliveryMode !== undefined) {
    properties.deliveryMode = typeof deliveryMode === 'number' ? deliveryMode : deliveryMode ? 2 : 1;
  }
  const headers: FieldTable = { ...options.headers };
  if (options.CC !== undefined) headers['CC'] = keyList(options.CC);
  if (options.BCC !== undefined) headers['BCC'] = keyList(options.BCC);
  if (Object.keys(headers).length > 0) properties.headers = headers;
  return { properties, isMandatory: options.mandatory };
}

function keyList(keys: string | readonly string[]): string[] {
  return typeof keys === 'string' ? [keys] : [...keys];
}
