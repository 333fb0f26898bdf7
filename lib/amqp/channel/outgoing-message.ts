/** A message on its way out, as a channel life takes it. */
import type { BasicProperties } from '../protocol/index.js';

export interface OutgoingMessage {
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Uint8Array;
  readonly properties: Readonly<BasicProperties>;
  readonly isMandatory: boolean;
}
