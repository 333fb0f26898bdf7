/**
 * Encodes the publishes of one channel: basic.publish with its content, the hottest frames that a client writes.
 *
 * Most go by the same exchange and routing key, with the same properties, as the one before: what came twice is kept as
 * bytes, and copied from then on. Keeps no object of a user, who may change it. A message is sealed as a whole, or, when a
 * value cannot be encoded, an ArgumentError is thrown and the writer is as before.
 */
import type { ByteWriter } from './byte-writer.js';
import { beginFrame, beginHeader, endFrame, endHeader, frameTypes, writeBodyFrames } from './frames.js';
import { methodIds, writeProperties, type BasicProperties } from './generated/methods.js';

export class PublishEncoder {
  readonly #writer: ByteWriter;
  readonly #channel: number;
  readonly #frameMax: number;

  #exchange: string | undefined;
  #routingKey = '';
  #isMandatory = false;
  /** The method frame of these three, once they came twice. */
  #methodFrame: Uint8Array | undefined;

  #properties: BasicProperties | undefined;
  /** Property flags and list of these, once they came twice. */
  #propertyList: Uint8Array | undefined;

  /** `frameMax` 0 is no limit. */
  constructor(writer: ByteWriter, channel: number, frameMax: number) {
    this.#writer = writer;
    this.#channel = channel;
    this.#frameMax = frameMax;
  }

  /** Bodies over 8 KiB are referenced, not copied: leave them unchanged until they are written. */
  write(
    exchange: string,
    routingKey: string,
    isMandatory: boolean,
    properties: Readonly<BasicProperties>,
    body: Uint8Array,
  ): void {
    const writer = this.#writer;
    writer.begin();
    try {
      this.#writeMethod(exchange, routingKey, isMandatory);
      const sizePosition = beginHeader(writer, this.#channel, body.length);
      this.#writeProperties(properties);
      endHeader(writer, sizePosition, this.#frameMax);
    } catch (error) {
      writer.rollback();
      throw error;
    }
    writeBodyFrames(writer, this.#channel, body, this.#frameMax);
    writer.commit();
  }

  #writeMethod(exchange: string, routingKey: string, isMandatory: boolean): void {
    const writer = this.#writer;
    const isRepeated =
      exchange === this.#exchange && routingKey === this.#routingKey && isMandatory === this.#isMandatory;
    if (isRepeated && this.#methodFrame) {
      writer.bytes(this.#methodFrame);
      return;
    }
    const start = writer.positionInUnit;
    const sizePosition = beginFrame(writer, frameTypes.method, this.#channel);
    writer.long(methodIds.BasicPublish);
    writer.short(0);
    writer.shortstr(exchange, 'exchange');
    writer.shortstr(routingKey, 'routingKey');
    writer.octet(isMandatory ? 1 : 0);
    endFrame(writer, sizePosition, this.#frameMax, 'basic.publish');
    if (isRepeated) {
      this.#methodFrame = writer.copyFrom(start);
    } else {
      this.#exchange = exchange;
      this.#routingKey = routingKey;
      this.#isMandatory = isMandatory;
      this.#methodFrame = undefined;
    }
  }

  #writeProperties(properties: Readonly<BasicProperties>): void {
    const writer = this.#writer;
    // Tables and dates are objects, and seldom the same.
    if (properties.headers !== undefined || properties.timestamp !== undefined) {
      writeProperties(writer, properties);
      return;
    }
    const isRepeated = this.#properties !== undefined && areSame(properties, this.#properties);
    if (isRepeated && this.#propertyList) {
      writer.bytes(this.#propertyList);
      return;
    }
    const start = writer.positionInUnit;
    writeProperties(writer, properties);
    if (isRepeated) {
      this.#propertyList = writer.copyFrom(start);
    } else {
      this.#properties = copyOf(properties);
      this.#propertyList = undefined;
    }
  }
}

/** Those that may differ from message to message are looked at first. Neither has headers or a timestamp. */
function areSame(left: Readonly<BasicProperties>, right: Readonly<BasicProperties>): boolean {
  return (
    left.messageId === right.messageId &&
    left.correlationId === right.correlationId &&
    left.type === right.type &&
    left.contentType === right.contentType &&
    left.deliveryMode === right.deliveryMode &&
    left.contentEncoding === right.contentEncoding &&
    left.priority === right.priority &&
    left.replyTo === right.replyTo &&
    left.expiration === right.expiration &&
    left.userId === right.userId &&
    left.appId === right.appId &&
    left.clusterId === right.clusterId
  );
}

function copyOf(properties: Readonly<BasicProperties>): BasicProperties {
  const { contentType, contentEncoding, deliveryMode, priority, correlationId, replyTo } = properties;
  const { expiration, messageId, type, userId, appId, clusterId } = properties;
  return {
    contentType,
    contentEncoding,
    deliveryMode,
    priority,
    correlationId,
    replyTo,
    expiration,
    messageId,
    type,
    userId,
    appId,
    clusterId,
  };
}
