/** Messages as the documents of other libraries say that they put them on the wire, in test/fixtures. */
import { readFileSync } from 'node:fs';
import type { PublishProperties } from 'leveret/amqp';

export interface ForeignMessage {
  readonly properties: PublishProperties;
  readonly body: unknown;
}

export function foreignMessage(name: 'mass-transit' | 'spring' | 'celery'): ForeignMessage {
  const file = new URL(`../fixtures/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as ForeignMessage;
}
