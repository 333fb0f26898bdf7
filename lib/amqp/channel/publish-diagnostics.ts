/** What subscribers of `leveret:publish` and `leveret:publish:outcome` are told. Costs nothing while there are none. */
import { publishEvents, publishOutcomeEvents, type ChannelIdentity, type PublishDiagnostics } from '../diagnostics.js';
import type { PublishError } from '../errors.js';
import type { BasicProperties, FieldValue } from '../protocol/index.js';
import type { OutgoingMessage } from './outgoing-message.js';
import type { UnconfirmedPublish } from './confirm-window.js';

class PublishEvent implements PublishDiagnostics {
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Uint8Array;
  readonly mandatory: boolean;
  #properties: Readonly<BasicProperties>;

  constructor(
    readonly channel: ChannelIdentity,
    message: OutgoingMessage,
  ) {
    this.exchange = message.exchange;
    this.routingKey = message.routingKey;
    this.body = message.body;
    this.mandatory = message.isMandatory;
    this.#properties = message.properties;
  }

  get properties(): Readonly<BasicProperties> {
    return this.#properties;
  }

  /** The user's own objects stay as they are. */
  addHeader(name: string, value: FieldValue): void {
    this.#properties = { ...this.#properties, headers: { ...this.#properties.headers, [name]: value } };
  }
}

/** Tells of a message before it is encoded; answers what was told, with the headers that subscribers added. */
export function tellOfPublish(channel: ChannelIdentity, message: OutgoingMessage): PublishDiagnostics {
  const event = new PublishEvent(channel, message);
  publishEvents.publish(event);
  return event;
}

/** A publish whose outcome is told to subscribers too. */
export class WatchedPublish implements UnconfirmedPublish {
  readonly exchange: string;
  readonly routingKey: string;
  readonly isConfirmed: boolean;

  constructor(
    private readonly publish: UnconfirmedPublish,
    private readonly event: PublishDiagnostics,
  ) {
    this.exchange = publish.exchange;
    this.routingKey = publish.routingKey;
    this.isConfirmed = publish.isConfirmed;
  }

  settle(error: PublishError | undefined): void {
    this.publish.settle(error);
    publishOutcomeEvents.publish({ publish: this.event, error });
  }
}
