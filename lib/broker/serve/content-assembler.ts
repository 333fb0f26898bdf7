/**
 * Puts a publish together: method, then header, then as much body as the header announced.
 *
 *   state: idle -> header (basic.publish came) -> body (header came) -> idle
 *
 * Must not know what is done with it. What it holds is bounded by what really arrived, not by what was announced.
 */
import type { MethodFields } from '../../amqp/protocol/index.js';
import { connectionRefusal, type ReplyError } from '../store/reply-error.js';
import type { PublishFate } from './conditions.js';
import type { ReceivedPublish } from './publish.js';

const basicClass = 60;
/** Bodies up to this size get their buffer at once; larger ones are joined at the end. */
const preparedBodyLimit = 128 * 1024;
/** The most that RabbitMQ 4.3 reads of any content, in bytes; what a queue takes is less (max_message_size). */
const largestBody = 512 * 1024 * 1024;
const emptyBody = Buffer.alloc(0);

export interface ContentHeader {
  readonly classId: number;
  /** AMQP: must be zero. */
  readonly weight: number;
  readonly bodySize: number;
  /** Property flags and list; copied where they are kept. */
  readonly encodedProperties: Buffer;
}

export class ContentAssembler {
  #fields: MethodFields['basic.publish'] | undefined;
  #fate: PublishFate | undefined;
  #encodedProperties: Buffer | undefined;
  #bodySize = 0;
  #received = 0;
  #prepared: Buffer = emptyBody;
  #pieces: Buffer[] = [];

  /** No publish is on its way. */
  get isIdle(): boolean {
    return this.#fields === undefined;
  }

  /** What is said to a frame that does not belong here. */
  get refusal(): ReplyError {
    return connectionRefusal('unexpectedFrame', this.#expected());
  }

  #expected(): string {
    if (!this.#fields) return 'expected method frame, got non method frame instead';
    if (this.#encodedProperties) return 'expected content body, got non content body frame instead';
    return `expected content header for class ${basicClass}, got non content header frame instead`;
  }

  /** `fate`: what faults make of this publish. */
  begin(fields: MethodFields['basic.publish'], fate?: PublishFate): void {
    this.#fields = fields;
    this.#fate = fate;
  }

  /** Answers the publish when it has no body. */
  header(content: ContentHeader): ReceivedPublish | undefined {
    const { classId, weight, bodySize, encodedProperties } = content;
    if (!this.#fields || this.#encodedProperties || weight !== 0) throw this.refusal;
    if (classId !== basicClass) {
      throw connectionRefusal(
        'unexpectedFrame',
        `expected content header for class ${basicClass}, got one for class ${classId} instead`,
      );
    }
    if (bodySize > largestBody) {
      throw connectionRefusal(
        'frameError',
        `content body size ${bodySize} exceeds maximum allowed size ${largestBody}`,
      );
    }
    this.#encodedProperties = Buffer.from(encodedProperties);
    this.#bodySize = bodySize;
    if (bodySize === 0) return this.#finish(emptyBody);
    if (bodySize <= preparedBodyLimit) this.#prepared = Buffer.allocUnsafe(bodySize);
    return undefined;
  }

  /** Answers the publish when its body, and the frame that ends it, are complete. */
  body(buffer: Buffer, start: number, end: number, isFrameEnd: boolean): ReceivedPublish | undefined {
    if (!this.#fields || !this.#encodedProperties) throw this.refusal;
    const offset = this.#received;
    this.#received += end - start;
    if (this.#received > this.#bodySize) {
      throw connectionRefusal('frameError', 'content body frame exceeds remaining content size');
    }
    if (this.#bodySize <= preparedBodyLimit) {
      buffer.copy(this.#prepared, offset, start, end);
      return isFrameEnd && this.#received === this.#bodySize ? this.#finish(this.#prepared) : undefined;
    }
    this.#pieces.push(buffer.subarray(start, end));
    return isFrameEnd && this.#received === this.#bodySize ? this.#finish(Buffer.concat(this.#pieces)) : undefined;
  }

  #finish(body: Buffer): ReceivedPublish | undefined {
    const fields = this.#fields;
    const fate = this.#fate;
    const encodedProperties = this.#encodedProperties;
    this.#fields = undefined;
    this.#encodedProperties = undefined;
    this.#received = 0;
    this.#prepared = emptyBody;
    this.#pieces = [];
    return fields && encodedProperties && { fields, encodedProperties, body, fate };
  }
}
